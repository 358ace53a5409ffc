"""The pages: who sees which, with what protection."""

import html
import json
import re

import pytest

from models.db import transaction
from models.report import SUBMISSIONS, Report
from models.submission import Submission
from models.user import TEACHING_ASSISTANT, User
from monitoring import sessions
from monitoring.repositories import sql_class_repository as classes
from tests.factories import make_event, make_school, make_user, now_ms, store, viewer
from tests.test_blockpy_auth import Browser

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Building:
    """A school with a class, a live session, and everybody who might come."""

    def __init__(self, app):
        self.app = app
        self.school = school = make_school(2)
        self.assistant = make_user("Assistant")
        self.assistant.add_role(TEACHING_ASSISTANT, school.course.id)
        self.people = {
            "nobody": None,
            "student": school.learners[0],
            "outsider": school.learners[1],
            "teacher": school.teacher,
            "assistant": self.assistant,
            "foreign teacher": make_school(0).teacher,
            "parent": make_user("Parent"),
            "admin": make_user("Admin", is_admin=True),
        }
        row = classes.new_class(viewer(school.teacher), name="<Class> & more", student_ids=[school.learners[0].id])
        self.class_id = row.id
        planned = sessions.new_session(viewer(school.teacher), class_id=row.id, assignment_id=school.assignment.id)
        self.session_id = sessions.move(viewer(school.teacher), planned, "open").id
        self.report_id = Report.new(SUBMISSIONS, school.teacher.id, school.course.id).id

    def browser(self, who):
        """That person's browser, logged in."""
        browser, user = Browser(self.app), self.people[who]
        if user is not None:
            with self.app.app_context(), browser.client.session_transaction() as cookie:
                cookie["_user_id"] = f"{user.id}.{user.login_version}"
        return browser

    def path(self, path):
        ids = {"assignment": self.school.assignment.id, "course": self.school.course.id}
        ids["class"] = self.class_id
        return path.format(**ids, report=self.report_id, session=self.session_id)


@pytest.fixture
def building(app):
    return Building(app)


WHO = ("nobody", "student", "outsider", "teacher", "assistant", "foreign teacher", "parent", "admin")
PAGES = {
    "/": (302, 200, 200, 200, 200, 200, 200, 302),
    "/assignments/{assignment}": (302, 200, 200, 200, 200, 404, 404, 200),
    "/assignments/999999": (302, 404, 404, 404, 404, 404, 404, 404),
    "/assignments/99999999999999999999": (404, 404, 404, 404, 404, 404, 404, 404),
    "/courses/{course}/numbers": (302, 403, 403, 200, 200, 404, 404, 200),
    "/courses/{course}/numbers?period=week": (302, 403, 403, 200, 200, 404, 404, 200),
    "/courses/{course}/numbers?period=x": (302, 403, 403, 422, 422, 404, 404, 422),
    "/courses/999999/numbers": (302, 404, 404, 404, 404, 404, 404, 404),
    "/reports/{report}": (302, 404, 404, 200, 200, 404, 404, 200),
    "/reports/999999": (302, 404, 404, 404, 404, 404, 404, 404),
    "/sessions/{session}": (302, 200, 404, 200, 200, 404, 404, 200),
    "/sessions/{session}/summary": (302, 404, 404, 200, 200, 404, 404, 200),
    "/sessions/plan?class_id={class}": (302, 404, 404, 200, 200, 404, 404, 200),
    "/sessions/plan": (302, 404, 404, 404, 404, 404, 404, 404),
    "/sessions/plan?class_id=x": (302, 422, 422, 422, 422, 422, 422, 422),
    "/sessions/999999": (302, 404, 404, 404, 404, 404, 404, 404),
    "/admin/": (302, 403, 403, 403, 403, 403, 403, 200),
    "/admin/?q=x&before=5": (302, 403, 403, 403, 403, 403, 403, 200),
    "/admin/?before=x": (302, 403, 403, 403, 403, 403, 403, 422),
    "/admin/recalculations": (302, 403, 403, 403, 403, 403, 403, 200),
    "/admin/jobs": (302, 403, 403, 403, 403, 403, 403, 200),
    "/admin/jobs?after=x": (302, 403, 403, 403, 403, 403, 403, 422),
    "/login": (200, 200, 200, 200, 200, 200, 200, 200),
    "/healthz": (200, 200, 200, 200, 200, 200, 200, 200),
    "/readyz": (200, 200, 200, 200, 200, 200, 200, 200),
    "/no/such/page": (404, 404, 404, 404, 404, 404, 404, 404),
}


@pytest.mark.parametrize("who", WHO)
def test_each_page_is_for_those_who_may_see_it(building, who):
    browser, column = building.browser(who), WHO.index(who)

    seen = {path: browser.get(building.path(path)).status_code for path in PAGES}

    assert seen == {path: codes[column] for path, codes in PAGES.items()}


def test_every_page_is_in_the_table(app):
    rules = {
        rule.rule
        for rule in app.url_map.iter_rules()
        if "GET" in rule.methods and not rule.rule.startswith(("/api/", "/blockpy/", "/static/"))
    }
    listed = {re.sub(r"\{(\w+)\}", r"<int:\1_id>", path.split("?")[0]) for path in PAGES}

    assert rules <= listed


def test_pages_come_with_their_protection(building):
    browser = building.browser("teacher")

    for path in ("/", "/login", "/sessions/{session}", "/assignments/{assignment}", "/no/such/page", "/api/me"):
        headers = browser.get(building.path(path)).headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert policy["default-src"] == "'self'", path
        assert "unsafe" not in policy["script-src"].replace("'wasm-unsafe-eval'", ""), path
        assert (policy["object-src"], policy["base-uri"]) == ("'none'", "'self'"), path
        assert policy["frame-ancestors"] == "'self'", path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path


def test_no_page_has_a_script_or_a_handler_inside(building):
    admin, teacher, student = (building.browser(who) for who in ("admin", "teacher", "student"))
    seen = [
        (teacher, "/"),
        (teacher, "/sessions/{session}"),
        (teacher, "/courses/{course}/numbers"),
        (teacher, "/reports/{report}"),
        (student, "/sessions/{session}"),
        (student, "/assignments/{assignment}"),
        (admin, "/admin/"),
        (admin, "/admin/recalculations"),
        (admin, "/admin/jobs"),
    ]

    for browser, path in seen:
        text = browser.get(building.path(path)).text
        scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
        assert all("src=" in head or 'type="application/json"' in head for head, _ in scripts), path
        assert not re.search(r"<[^>]+\son\w+=", text), path


def test_names_cannot_bring_markup_into_a_page(building):
    evil = "</script><script>alert(1)</script>"
    with transaction() as session:
        session.get(User, building.people["student"].id).name = evil
        session.get(type(building.school.assignment), building.school.assignment.id).name = evil
    Submission.from_assignment(building.school.assignment, building.people["student"].id)
    late = Report.new(SUBMISSIONS, building.school.teacher.id, building.school.course.id)

    pages = [
        building.browser("student").get("/"),
        building.browser("student").get(building.path("/assignments/{assignment}")),
        building.browser("teacher").get("/"),
        building.browser("teacher").get(building.path("/sessions/{session}")),
        building.browser("admin").get("/admin/"),
        building.browser("teacher").get(building.path("/courses/{course}/numbers")),
        building.browser("teacher").get(f"/reports/{late.id}"),
    ]

    for page in pages:
        assert page.status_code == 200
        assert "<script>alert(1)" not in page.text
    assert html.escape("<Class> & more") in pages[2].text


def page_data(answer):
    """What a page hands to its script."""
    return json.loads(re.search(r'id="page-data">(.*?)</script>', answer.text, re.DOTALL).group(1))


def test_the_editor_page_says_what_its_client_needs(building):
    told = page_data(building.browser("student").get(building.path("/assignments/{assignment}")))

    assert told["assignment_id"] == building.school.assignment.id
    assert told["user_id"] == building.people["student"].id
    assert told["session"] is None
    assert set(told["urls"]) >= {"loadAssignment", "saveFile", "logEvent", "updateSubmission"}
    assert all(url.startswith("/blockpy/") and not url.endswith("/") for url in told["urls"].values())


def test_the_session_page_is_a_room_for_the_teacher_and_an_editor_for_the_student(building):
    path = building.path("/sessions/{session}")

    room, desk = page_data(building.browser("teacher").get(path)), page_data(building.browser("student").get(path))

    assert (room["is_teacher"], room["session_id"]) == (True, building.session_id)
    assert "is_teacher" not in desk
    assert desk["session"]["id"] == building.session_id
    assert "participants" not in desk["session"]


def test_the_first_page_shows_what_is_ones_own(building):
    name = building.school.assignment.name

    assert name in building.browser("student").get("/").text
    assert name not in building.browser("parent").get("/").text
    assert "more" not in building.browser("foreign teacher").get("/").text


def test_a_lesson_starts_from_the_first_page_in_one_go(building):
    browser = building.browser("teacher")
    form = {"csrf_token": browser.form_token("/"), "class_id": building.class_id}

    answer = browser.post("/sessions/start", data={**form, "assignment_id": building.school.assignment.id})

    session_id = int(answer.headers["Location"].rsplit("/", 1)[1])
    assert answer.status_code == 302
    assert browser.get(f"/api/sessions/{session_id}").json["status"] == "IN_PROGRESS"


def test_a_lesson_of_a_wrong_class_or_exercise_does_not_start(building):
    browser = building.browser("teacher")
    right = {"class_id": building.class_id, "assignment_id": building.school.assignment.id}
    right["csrf_token"] = browser.form_token("/")
    before = len(browser.get("/api/sessions").json["items"])

    for name in ("class_id", "assignment_id"):
        for wrong in ("", "x", "0", "-1", "9" * 9, "9" * 5000):
            answer = browser.post("/sessions/start", data={**right, name: wrong})
            assert answer.status_code in (404, 422), (name, wrong[:20])

    assert len(browser.get("/api/sessions").json["items"]) == before


def test_a_lesson_is_planned_for_a_time_or_its_waiting_room_opened(building):
    browser = building.browser("teacher")
    form = {"class_id": building.class_id, "assignment_id": building.school.assignment.id}
    form["csrf_token"] = browser.form_token(building.path("/sessions/plan?class_id={class}"))

    planned = browser.post(
        "/sessions/plan", data={**form, "scheduled_at": "2099-01-01T08:00:00.000Z", "time_limit_minutes": "45"}
    )
    opened = browser.post("/sessions/plan", data=form)

    told = [browser.get(f"/api{answer.headers['Location']}").json for answer in (planned, opened)]
    assert [row["status"] for row in told] == ["SCHEDULED", "WAITING_FOR_STUDENTS"]
    assert (told[0]["scheduled_at"], told[0]["time_limit_minutes"]) == ("2099-01-01T08:00:00Z", 45)


@pytest.mark.parametrize(
    ("field", "value"),
    [("scheduled_at", "tomorrow"), ("scheduled_at", "2099-01-01T08:00"), ("time_limit_minutes", "0")],
)
def test_a_wrong_plan_is_told_and_nothing_is_planned(building, field, value):
    browser = building.browser("teacher")
    form = {"class_id": building.class_id, "assignment_id": building.school.assignment.id}
    form["csrf_token"] = browser.form_token(building.path("/sessions/plan?class_id={class}"))
    before = len(browser.get("/api/sessions").json["items"])

    answer = browser.post("/sessions/plan", data={**form, field: value})

    assert (answer.status_code, 'role="alert"' in answer.text) == (422, True)
    assert len(browser.get("/api/sessions").json["items"]) == before


def test_nobody_else_starts_a_lesson(building):
    form = {"class_id": building.class_id, "assignment_id": building.school.assignment.id}

    for who in ("student", "outsider", "foreign teacher", "parent"):
        browser = building.browser(who)
        for path in ("/sessions/start", "/sessions/plan"):
            answer = browser.post(path, data={**form, "csrf_token": browser.form_token("/")})
            assert answer.status_code == 404, (who, path)


def test_built_files_may_be_kept_for_ever_only_under_their_own_address(building):
    browser = building.browser("nobody")

    kept = browser.get("/static/dist/no-such-file.js?v=1")
    plain = browser.get("/static/dist/no-such-file.js")

    assert plain.status_code == kept.status_code == 404
    assert "immutable" not in plain.headers.get("Cache-Control", "")
    assert "immutable" not in kept.headers.get("Cache-Control", "")


def test_programs_that_want_json_get_it_from_pages_too(building):
    answer = building.browser("nobody").get("/", headers={"Accept": "application/json"})

    assert (answer.status_code, answer.json["error"]) == (401, "not_logged_in")


# --- a course's numbers ---


def numbers(building, query=""):
    return building.browser("teacher").get(building.path("/courses/{course}/numbers") + query)


def test_a_courses_numbers_say_how_old_they_are_and_what_is_not_counted(building, run_jobs):
    work = building.school.submission()
    run_jobs()
    fresh = numbers(building).text
    store(make_event(work), make_event(work))

    stale = numbers(building).text

    assert fresh.count("everything is counted") == 3
    assert stale.count("2 events not counted yet") == 3
    assert re.search(r"as of <time datetime=\"[^\"]+\">\d\d:\d\d:\d\d UTC</time>", stale)


@pytest.mark.parametrize("query", ["", "?period=day", "?period=week"])
def test_a_courses_numbers_are_bars_and_a_table_of_the_same(building, run_jobs, query):
    work = building.school.submission()
    start = now_ms() - 100_000
    store(*(make_event(work, at_ms=start + n * 4000) for n in range(4)))
    store(make_event(work, "Compile.Error", message="SyntaxError: bad"))
    run_jobs()

    text = numbers(building, query).text

    assert re.search(r"<title>[^<]+: 4</title>", text)
    assert re.search(r"<title>[^<]+: 1 syntax, 0 at run time</title>", text)
    assert re.search(r'<th scope="row"><time[^>]+>[^<]+</time></th><td class="num">4</td><td class="num">1</td>', text)
    assert 'aria-label="Runs per ' in text
    assert '<td class="num first" title="of 3 times">4.0 s</td>' in text


def test_an_empty_courses_numbers_say_so(building):
    other = make_school(0)
    building.people["teacher"] = other.teacher

    text = building.browser("teacher").get(f"/courses/{other.course.id}/numbers").text

    assert "Nothing has happened in this time." in text
    assert "No report is kept" in text
    assert text.count(">nothing in this time<") == 4


def test_a_report_is_kept_from_the_page_and_taken_along(building, run_jobs):
    building.school.submission()
    run_jobs()
    browser, path = building.browser("teacher"), building.path("/courses/{course}/numbers")
    token = browser.form_token(path)

    answers = [
        browser.post(path, data={"csrf_token": token, "report_type": kind})
        for kind in ("submission_counts", "weekly_activity", "everything", "")
    ]
    page = browser.get(path).text
    links = re.findall(r'href="(/reports/\d+)"', page)
    files = re.findall(r'href="(/api/reports/\d+\?format=csv)"', page)

    assert [answer.status_code for answer in answers] == [302, 302, 422, 422]
    assert (len(links), len(files)) == (3, 3)
    assert building.people["student"].name in browser.get(links[1]).text
    assert browser.get(links[0]).status_code == 200
    assert browser.get(files[1]).text.startswith("submission_id,")


def test_a_report_is_kept_by_staff_with_a_token_of_the_page_only(building):
    path = building.path("/courses/{course}/numbers")
    form = {"report_type": "weekly_activity"}

    without = building.browser("teacher").post(path, data=form)
    student = building.browser("student")
    foreign = student.post(path, data={**form, "csrf_token": student.form_token("/")})

    assert (without.status_code, foreign.status_code) == (403, 403)


def test_a_teachers_first_page_leads_to_the_numbers_of_his_courses(building):
    path = building.path("/courses/{course}/numbers")

    assert f'href="{path}"' in building.browser("teacher").get("/").text
    assert f'href="{path}"' in building.browser("assistant").get("/").text
    assert f'href="{path}"' not in building.browser("student").get("/").text
