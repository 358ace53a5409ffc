"""The student's page in a live session: waiting, hints, the hand, the end, and who may see what of it."""

import contextlib
import itertools
import time

import psutil
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import WIDE_AND_NARROW, overflows, violations
from tests.clients import Person

PYTHON_LOADS_MS = 90_000
HIDDEN = """
let state = 'visible';
Object.defineProperty(document, 'visibilityState', { get: () => state });
window.become = (next) => { state = next; document.dispatchEvent(new Event('visibilitychange')); };
"""


@pytest.fixture
def plan(school, teacher):
    """`plan(*actions, **more)`: a session of the demo class that has gone through these actions; answers its id."""
    made = []

    def new_session(*actions, **more):
        place = {name: school.demo[name] for name in ("class_id", "assignment_id")}
        session_id = teacher.api("POST", "/api/sessions", {**place, **more})["id"]
        made.append(session_id)
        for action in actions:
            teacher.api("POST", f"/api/sessions/{session_id}/{action}")
        return session_id

    yield new_session
    for session_id in made:
        teacher.ask("POST", f"/api/sessions/{session_id}/cancel")


@pytest.fixture
def enter(school, log_in):
    """`enter(session_id, number)`: a student's page in a session."""

    def open_page(session_id, number=0, *, script=None, **look):
        page = log_in(school.demo["logins"]["students"][number], **look)
        if script:
            page.add_init_script(script)
        page.goto(f"{school.url}/sessions/{session_id}")
        expect(page.locator("#save-line")).not_to_have_text("")
        return page

    return open_page


@contextlib.contextmanager
def frozen(school, name):
    """A part that stands still with all its sockets open."""
    root = psutil.Process(school.running[name].pid)
    family = [root, *root.children(recursive=True)]
    for process in family:
        process.suspend()
    yield
    for process in family:
        process.resume()


def news(page):
    """What a screen reader was told so far, in order."""
    return page.evaluate("window.told")


def listen(page):
    """Write down what the polite region says from now on."""
    page.evaluate("""() => {
      window.told = [];
      const say = document.getElementById('room-say');
      new MutationObserver(() => window.told.push(say.textContent)).observe(say, { childList: true });
    }""")


def test_a_waiting_student_is_taken_along_by_opening_start_and_end(school, teacher, plan, enter):
    session_id = plan()
    page = enter(session_id)
    listen(page)
    expect(page.locator("#room-notice")).to_contain_text("has not opened this session yet")

    teacher.api("POST", f"/api/sessions/{session_id}/open")
    expect(page.locator("#room-notice")).to_contain_text("You are in", timeout=10_000)
    teacher.api("POST", f"/api/sessions/{session_id}/start")
    expect(page.locator("#room-state")).to_contain_text("In progress")
    expect(page.locator("#room-notice")).to_be_hidden()
    teacher.api("POST", f"/api/sessions/{session_id}/complete")

    expect(page.locator("#room-notice")).to_contain_text("The session is over")
    expect(page.locator("#hand")).to_be_hidden()
    assert news(page)[-2:] == ["The session has started.", "The session is over."]


def test_a_cancelled_session_says_that_nothing_is_lost(teacher, plan, enter):
    session_id = plan("open", "start")
    page = enter(session_id)

    teacher.api("POST", f"/api/sessions/{session_id}/cancel")

    expect(page.locator("#room-notice")).to_contain_text("Nothing of yours is lost")
    expect(page.locator("#room-trouble")).to_have_text("")


def test_the_last_minutes_are_said_once(plan, enter):
    page = enter(plan("open", "start", time_limit_minutes=5))

    expect(page.locator("#room-say")).to_have_text("The last 5 minutes of this session.")
    expect(page.locator("#room-state")).to_contain_text("5 minutes left")


def test_a_hint_is_delivered_at_once_and_seen_only_on_a_visible_page(teacher, plan, enter):
    session_id = plan("open", "start")
    page = enter(session_id, 1, script=HIDDEN)
    expect(page.locator("#room-state")).to_contain_text("In progress")
    page.evaluate("become('hidden')")
    user_id = page.evaluate("JSON.parse(document.getElementById('page-data').textContent).user_id")

    teacher.api("POST", f"/api/sessions/{session_id}/hints", {"user_id": user_id, "message": "look at line 3"})
    expect(page.locator("#hints")).to_contain_text("look at line 3")
    page.wait_for_timeout(1000)
    before = teacher.api("GET", f"/api/sessions/{session_id}/hints")["items"][0]
    page.evaluate("become('visible')")
    page.wait_for_timeout(1000)
    after = teacher.api("GET", f"/api/sessions/{session_id}/hints")["items"][0]

    assert (before["delivered"], before["seen"]) == (1, 0)
    assert (after["delivered"], after["seen"]) == (1, 1)


def test_hints_are_in_the_list_after_a_reload(teacher, plan, enter):
    session_id = plan("open", "start")
    page = enter(session_id, 2)
    expect(page.locator("#room-state")).to_contain_text("In progress")
    for message in ("first", "second"):
        teacher.api("POST", f"/api/sessions/{session_id}/hints", {"user_id": None, "message": message})
    expect(page.locator("#hints .notice")).to_have_count(2)
    page.locator("#hints .notice", has_text="second").get_by_role("button", name="Got it").click()
    page.wait_for_timeout(500)

    page.reload()
    page.locator("#hint-count").click()

    expect(page.locator("#hint-items li")).to_have_count(2)
    expect(page.locator("#hint-items li").first).to_contain_text("second")
    expect(page.locator("#hints .notice")).to_have_count(0)


def test_a_hand_lowered_by_the_teacher_goes_down_on_the_students_page(teacher, plan, enter):
    session_id = plan("open", "start")
    page = enter(session_id, 3)
    user_id = page.evaluate("JSON.parse(document.getElementById('page-data').textContent).user_id")

    page.get_by_role("button", name="Raise hand").click()
    page.locator("#hand-message").fill("why?")
    page.locator("#hand-dialog button[value=raise]").click()
    expect(page.locator("#hand-state")).to_be_visible()
    page.reload()
    expect(page.locator("#hand-state")).to_be_visible()
    expect(page.locator("#room-state")).to_contain_text("In progress")
    teacher.api("DELETE", f"/api/sessions/{session_id}/students/{user_id}/help")

    expect(page.locator("#hand")).to_have_text("Raise hand")
    expect(page.locator("#hand-state")).to_be_hidden()


def test_a_question_that_did_not_arrive_is_still_in_the_field(plan, enter):
    page = enter(plan("open", "start"), 4)
    expect(page.locator("#python-state")).not_to_contain_text("loading", timeout=PYTHON_LOADS_MS)
    page.context.set_offline(True)

    page.get_by_role("button", name="Raise hand").click()
    page.locator("#hand-message").fill("a long question")
    page.locator("#hand-dialog button[value=raise]").click()

    expect(page.locator("#hand-trouble")).to_contain_text("did not reach your teacher")
    page.get_by_role("button", name="Raise hand").click()
    expect(page.locator("#hand-message")).to_have_value("a long question")


def test_who_is_taken_out_of_the_course_is_told_and_does_not_knock_again(school, plan, enter):
    page = enter(plan("open", "start"), 5)
    expect(page.locator("#room-state")).to_contain_text("In progress")
    user_id = page.evaluate("JSON.parse(document.getElementById('page-data').textContent).user_id")
    admin = Person(school.url, school.demo["logins"]["admin"])

    change = {"user_ids": [user_id], "role": "learner"}
    admin.api("DELETE", f"/api/courses/{school.demo['course_id']}/roles", change)
    admin.close()
    expect(page.locator("#room-trouble")).to_contain_text("the line to your teacher was closed", timeout=5000)
    opened = []
    page.on("websocket", lambda line: opened.append(line.url))
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.wait_for_timeout(6000)

    assert opened == []
    expect(page.locator("#hand")).to_be_hidden()


@pytest.mark.long
def test_a_line_that_only_seems_open_is_noticed(school, plan, enter):
    page = enter(plan("open", "start"), 6)
    expect(page.locator("#room-state")).to_contain_text("In progress")
    page.wait_for_timeout(500)

    with frozen(school, "web"):
        expect(page.locator("#room-trouble")).to_contain_text("no live line", timeout=26_000)

    expect(page.locator("#room-trouble")).to_have_text("", timeout=10_000)


@pytest.mark.long
def test_a_lost_line_is_tried_again_soon_and_never_later_than_after_five_seconds(school, plan, enter):
    page = enter(plan("open", "start"), 6)
    expect(page.locator("#room-state")).to_contain_text("In progress")
    page.wait_for_timeout(500)
    tries = [time.monotonic()]
    page.on("websocket", lambda line: tries.append(time.monotonic()))

    school.kill("web")
    page.wait_for_timeout(12_000)
    gaps = [later - earlier for earlier, later in itertools.pairwise(tries)]
    school.start("web")
    expect(page.locator("#room-trouble")).to_have_text("", timeout=10_000)

    assert len(gaps) >= 4
    assert max(gaps) < 5.5


def test_without_websockets_the_line_goes_over_http(school, plan, log_in):
    session_id = plan("open", "start")
    page = log_in(school.demo["logins"]["students"][8])
    page.add_init_script(
        "window.WebSocket = class { constructor() { setTimeout(() => this.onerror?.(new Event('error'))); } };"
    )

    page.goto(f"{school.url}/sessions/{session_id}")

    expect(page.locator("#room-state")).to_contain_text("In progress")
    page.wait_for_timeout(4000)
    expect(page.locator("#room-trouble")).to_have_text("")


@WIDE_AND_NARROW
def test_the_page_in_a_session_shuts_nobody_out(teacher, plan, enter, width, dark):
    session_id = plan("open")
    page = enter(session_id, 7, size=(width, 800), dark=dark)
    expect(page.locator("#room-notice")).to_contain_text("You are in")
    found = violations(page)
    teacher.api("POST", f"/api/sessions/{session_id}/start")
    teacher.api("POST", f"/api/sessions/{session_id}/hints", {"user_id": None, "message": "a hint\nof two lines"})
    expect(page.locator("#hints")).to_contain_text("of two lines")
    page.get_by_role("button", name="Raise hand").click()
    found += violations(page)
    page.locator("#hand-cancel").click()
    page.locator("#hint-count").click()
    found += violations(page)

    assert found == []
    assert not overflows(page)
