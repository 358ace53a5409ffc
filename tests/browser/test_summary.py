"""The summary of a session: what the class got stuck on, in words, pictures and lines; for every size of it."""

import json
import sqlite3
import uuid
from contextlib import closing
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WIDE_AND_NARROW, overflows, violations
from tests.clients import Person

MOST_BYTES = 200_000


@pytest.fixture
def held(school, teacher):
    """`held(*actions)`: a session of the demo class that has gone through these actions; answers its id."""

    def new_session(*actions):
        place = {name: school.demo[name] for name in ("class_id", "assignment_id")}
        session_id = teacher.api("POST", "/api/sessions", place)["id"]
        for action in actions:
            teacher.api("POST", f"/api/sessions/{session_id}/{action}")
        return session_id

    return new_session


@pytest.fixture
def lesson(school, teacher, held):
    """A session in which two students met the same NameError, one of them a TypeError too, and a third one finished."""
    session_id = held("open", "start")
    for number, errors in enumerate([["NameError"] * 3, ["NameError", "TypeError"], []]):
        pupil = Person(school.url, school.demo["logins"]["students"][number])
        work(pupil, school, session_id, errors)
        pupil.close()
    teacher.api("POST", f"/api/sessions/{session_id}/complete")
    return session_id


def work(pupil, school, session_id, errors):
    """Join, run into these errors, or else pass the checks."""
    submission_id = pupil.api("POST", f"/api/sessions/{session_id}/join")["submission_id"]
    place = {"assignment_id": school.demo["assignment_id"], "submission_id": submission_id}

    def send(call, **fields):
        now = int(datetime.now(UTC).timestamp() * 1000)
        fields |= {**place, "course_id": school.demo["course_id"], "timestamp": now, "event_id": str(uuid.uuid4())}
        answer = pupil.http.post(f"{pupil.url}/blockpy/{call}", data=fields, timeout=20).json()
        assert answer["success"], answer

    for name in errors:
        send("log_event", event_type="Run.Program", category="ProgramErrorOutput", message=f"{name}: something")
    if not errors:
        send("log_event", event_type="Run.Program", message=json.dumps({"inputs": [], "outputs": []}))
        send("update_submission", score=1, correct="true")


def read(page, school, session_id):
    """Open the summary, once it is there."""
    page.goto(f"{school.url}/sessions/{session_id}/summary")
    expect(page.locator("#loading")).to_be_hidden()
    return page


def test_the_answer_comes_in_words_with_what_concerns_most_students_first(school, log_in, lesson):
    page = read(log_in(school.demo["logins"]["teacher"]), school, lesson)

    expect(page.locator("#headline")).to_have_text("1 of 3 finished, 2 did not. 27 of 30 were not there.")
    problems = page.locator("#problems > li")
    expect(problems.first).to_contain_text("NameError")
    expect(problems.first).to_contain_text("2 of 3 students, 4 runs ended with it")
    expect(problems.first.get_by_role("link")).to_have_text(["Pupil 01", "Pupil 02"])
    expect(problems.filter(has_text="Not finished")).to_contain_text("2 of 3 students")


def test_the_table_is_sorted_by_keyboard_and_says_so(school, log_in, lesson):
    page = read(log_in(school.demo["logins"]["teacher"]), school, lesson)

    page.get_by_role("button", name="failed").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#students th[aria-sort]")).to_have_text("failed")
    expect(page.locator("#students tbody tr").first).to_contain_text("NameError, 3×")
    expect(page.locator("#sort-say")).to_have_text("Sorted by failed, largest first.")


def test_who_was_there_and_did_not_finish_stands_first(school, log_in, lesson):
    page = read(log_in(school.demo["logins"]["teacher"]), school, lesson)

    results = page.locator("#students tbody tr td:nth-child(2)")

    expect(results.nth(0)).to_have_text("not finished")
    expect(results.nth(2)).to_have_text("done")
    expect(results.nth(3)).to_have_text("not there")


def test_the_csv_has_a_line_for_each_student(school, log_in, lesson):
    page = read(log_in(school.demo["logins"]["teacher"]), school, lesson)

    with page.expect_download() as saved:
        page.get_by_role("link", name="CSV").click()

    assert len(saved.value.path().read_text().splitlines()) == 31


@pytest.mark.parametrize(
    ("actions", "words"),
    [
        (("open", "start", "complete"), "No student joined or worked on this exercise"),
        (("cancel",), "This session was cancelled"),
        (("open", "start"), "this page looks again by itself"),
    ],
    ids=["nobody came", "cancelled", "just begun"],
)
def test_a_session_without_anybody_says_so(school, log_in, held, actions, words):
    page = read(log_in(school.demo["logins"]["teacher"]), school, held(*actions))

    expect(page.locator("main")).to_contain_text(words)
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#everybody")).to_be_hidden()


def test_a_short_session_has_words_and_no_charts(school, log_in, lesson):
    page = read(log_in(school.demo["logins"]["teacher"]), school, lesson)

    expect(page.locator("#too-short")).to_be_visible()
    expect(page.locator("#charts canvas")).to_have_count(0)


def test_a_longer_session_has_three_charts_with_their_numbers_behind(school, log_in, held):
    session_id = held("open", "start")
    pupil = Person(school.url, school.demo["logins"]["students"][9])
    work(pupil, school, session_id, ["NameError"])
    pupil.close()
    begin_earlier(school, session_id)

    page = read(log_in(school.demo["logins"]["teacher"]), school, session_id)

    expect(page.locator("#charts canvas")).to_have_count(3)
    runs = page.locator("#charts figure", has_text="Runs and errors")
    runs.get_by_text("The numbers behind it").click()
    expect(runs.locator("tbody tr")).to_have_count(46)
    expect(runs.locator("tbody tr").last).to_contain_text("1")


def begin_earlier(school, session_id):
    """As if the session had begun 45 minutes ago: a test does not wait so long."""
    with closing(sqlite3.connect(school.folder / "blockpy.sqlite")) as database, database:
        moved = "strftime('%Y-%m-%d %H:%M:%f000', started_at, '-45 minutes')"
        database.execute(f"UPDATE sessions SET started_at = {moved} WHERE id = ?", (session_id,))


def test_a_student_has_no_summary(school, log_in, lesson):
    page = log_in(school.demo["logins"]["students"][0])

    response = page.goto(f"{school.url}/sessions/{lesson}/summary")

    assert response.status == 404


@WIDE_AND_NARROW
def test_the_summary_shuts_nobody_out(school, log_in, lesson, width, dark):
    page = read(log_in(school.demo["logins"]["teacher"], size=(width, 800), dark=dark), school, lesson)

    assert violations(page) == []
    assert not overflows(page)


def test_script_and_style_of_the_summary_stay_small(school, log_in, lesson):
    page = log_in(school.demo["logins"]["teacher"])
    sizes = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())} if "/dist/" in answer.url else {}))

    read(page, school, lesson)
    page.wait_for_load_state("networkidle")

    assert 0 < sum(sizes.values()) < MOST_BYTES
