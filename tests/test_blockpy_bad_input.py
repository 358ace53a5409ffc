"""Bad input: each kind gets the answer that its contract names, and nothing is half-written."""

import json
import uuid
from dataclasses import dataclass

import pytest
from sqlalchemy import select

from models.analytics_events import StudyEvent
from models.db import db, release
from models.live import ClassModel, SessionModel
from models.submission import CodeState, Submission
from models.user import User
from monitoring import sessions
from monitoring.repositories import sql_class_repository as classes
from tests.factories import Caller, School, make_school, make_user, now_ms, payload, viewer

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
LIMIT = 8 * 1024 * 1024
HUGE = (2**31, 2**63 - 1, 2**63, 2**200, -(2**63))
DEEP = "[" * 200_000
UNKNOWN = 999_999


@dataclass
class Desk:
    """A learner at work, somebody else's work beside his, and people around."""

    school: School
    work: Submission
    other: Submission
    learner: Caller
    teacher: Caller
    admin: Caller
    class_id: int
    session_id: int


@pytest.fixture
def desk(school, as_):
    """The learner has a submission, another learner too; the teacher has a class and a planned session."""
    row = classes.new_class(viewer(school.teacher), name="Class", student_ids=[school.learners[0].id])
    planned = sessions.new_session(viewer(school.teacher), class_id=row.id, assignment_id=school.assignment.id)
    admin = make_user("Admin", is_admin=True)
    return Desk(
        school=school,
        work=school.submission(0),
        other=school.submission(1),
        learner=as_(school.learners[0]),
        teacher=as_(school.teacher),
        admin=as_(admin),
        class_id=row.id,
        session_id=planned.id,
    )


def everything():
    """Every row of every table, as text."""
    release()
    with db.engine.connect() as connection:
        return {
            table.name: sorted(repr(tuple(row)) for row in connection.execute(select(table)))
            for table in db.metadata.sorted_tables
        }


def form(desk, **fields):
    """A form that every call of the editor takes; a field of None is left out."""
    common = payload(desk.work, filename="answer.py", code="y = 1\n", score="0.5", status="Submitted")
    return {name: value for name, value in {**common, **fields}.items() if value is not None}


def assert_refused(answer, *, field=None, case=None):
    """The editor's permanent refusal: 200 and `success: false` with a sentence and the address."""
    shown = str(case)[:200]
    assert answer.status_code == 200, shown
    assert answer.content_type == "application/json", shown
    assert answer.json["success"] is False, shown
    assert answer.json["message"].strip(), shown
    assert answer.json["ip"] == "127.0.0.1", shown
    assert field is None or answer.json.get("field") == field, shown


def assert_api_error(answer, status, code, *, field=None, case=None):
    """The API's form of an error."""
    shown = str(case)[:200]
    assert (answer.status_code, answer.json["error"]) == (status, code), shown
    assert answer.json["message"].strip(), shown
    assert field is None or answer.json.get("field") == field, shown


# --- the editor's calls ---

LONG = "x" * 256
IDS = [None, "", "null", "undefined", "NaN", "abc", "1.5", "1e3", " ", "0x1", "9" * 5000, "1;DROP TABLE users"]
NO_ROWS = ["0", "-1", str(UNKNOWN), *map(str, HUGE)]
TEXT_CASES = [
    ("log_event", {"event_type": None}, "event_type"),
    ("log_event", {"event_type": ""}, "event_type"),
    ("log_event", {"event_type": LONG}, "event_type"),
    ("log_event", {"category": LONG}, "category"),
    ("log_event", {"label": LONG}, "label"),
    ("log_event", {"file_path": LONG}, "file_path"),
    ("log_event", {"event_id": "no uuid"}, "event_id"),
    ("log_event", {"event_id": "1234"}, "event_id"),
    ("log_event", {"event_id": "\x00"}, "event_id"),
    ("log_event", {"message": "x" * (1024 * 1024 + 1)}, "message"),
    ("log_event", {"message": "ü" * (512 * 1024 + 1)}, "message"),
    ("log_event", {"event_type": "File.Edit", "message": "x" * (750 * 1024 + 1)}, "message"),
    ("save_file", {"filename": None}, "filename"),
    ("save_file", {"filename": ""}, "filename"),
    ("save_file", {"filename": "main.py"}, "filename"),
    ("save_file", {"filename": "Answer.py"}, "filename"),
    ("save_file", {"filename": "answer.py "}, "filename"),
    ("save_file", {"filename": "../answer.py"}, "filename"),
    ("save_file", {"filename": "answer.py\x00"}, "filename"),
    ("save_file", {"filename": "answer.py#part"}, "filename"),
    ("save_file", {"filename": "!secret.py"}, "filename"),
    ("save_file", {"filename": "!on_run.py"}, None),
    ("save_file", {"code": None}, "code"),
    ("save_file", {"code": "x" * (750 * 1024 + 1)}, "code"),
    ("save_file", {"code": "ü" * (375 * 1024 + 1)}, "code"),
    ("save_file", {"part_id": "x" * 201}, "part_id"),
    ("save_file", {"event_id": "no uuid"}, "event_id"),
    ("save_file", {"filename": "#extra_student_files.blockpy", "code": "{"}, "code"),
    ("save_file", {"filename": "#extra_student_files.blockpy", "code": "[]"}, "code"),
    ("save_file", {"filename": "#extra_student_files.blockpy", "code": '{"a": 1}'}, "code"),
    ("save_file", {"filename": "#extra_student_files.blockpy", "code": "null"}, "code"),
    ("save_file", {"filename": "#extra_student_files.blockpy", "code": DEEP}, "code"),
    ("load_assignment", {"course_id": "abc"}, "course_id"),
    ("load_assignment", {"student_id": "abc"}, "student_id"),
    ("load_assignment", {"user_id": str(2**64)}, "user_id"),
    ("load_assignment", {"user_id": str(2**62)}, None),
    ("load_assignment", {"user_id": "-5"}, None),
    ("load_assignment", {"event_id": "no uuid"}, "event_id"),
    ("update_submission", {"score": "full"}, "score"),
    ("update_submission", {"event_id": "no uuid"}, "event_id"),
    ("update_submission_status", {"status": "Completed"}, "status"),
    ("update_submission_status", {"event_id": "no uuid"}, "event_id"),
]


@SQLITE
@pytest.mark.parametrize("call", sorted({case[0] for case in TEXT_CASES}))
def test_a_wrong_field_is_refused_for_good_and_named(desk, call):
    before = everything()
    cases = [(fields, field) for name, fields, field in TEXT_CASES if name == call]

    answers = [desk.learner.post(f"/blockpy/{call}", data=form(desk, **fields)) for fields, _ in cases]

    for (fields, field), answer in zip(cases, answers, strict=True):
        assert_refused(answer, field=field, case=fields)
    assert everything() == before


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ("load_assignment", "assignment_id"),
        ("log_event", "assignment_id"),
        ("log_event", "submission_id"),
        ("save_file", "submission_id"),
        ("update_submission", "submission_id"),
        ("update_submission_status", "submission_id"),
    ],
)
def test_an_id_that_is_missing_unreadable_or_of_no_row_is_refused_for_good(desk, call, name):
    before = everything()

    answers = {told: desk.learner.post(f"/blockpy/{call}", data=form(desk, **{name: told})) for told in IDS}
    if (call, name) != ("log_event", "assignment_id"):
        unknown = {told: desk.learner.post(f"/blockpy/{call}", data=form(desk, **{name: told})) for told in NO_ROWS}
        answers |= unknown

    for told, answer in answers.items():
        assert_refused(answer, field=name if told in IDS else None, case=told)
    assert everything() == before


@SQLITE
@pytest.mark.parametrize("call", ["log_event", "save_file", "update_submission", "update_submission_status"])
def test_somebody_elses_submission_answers_like_one_that_does_not_exist(desk, call):
    before = everything()

    others = desk.learner.post(f"/blockpy/{call}", data=form(desk, submission_id=desk.other.id))
    unknown = desk.learner.post(f"/blockpy/{call}", data=form(desk, submission_id=UNKNOWN))

    assert_refused(others)
    assert others.data == unknown.data
    assert everything() == before


@SQLITE
def test_json_where_a_form_belongs_is_refused_for_good(desk):
    before = everything()

    for call in ("load_assignment", "log_event", "save_file", "update_submission", "update_submission_status"):
        for body in (form(desk), [form(desk)]):
            assert_refused(desk.learner.post(f"/blockpy/{call}", json=body), case=call)

    assert everything() == before


@SQLITE
def test_a_body_over_the_limit_is_refused_for_good(desk, app):
    before = everything()
    told = f"access_token=x&submission_id={desk.work.id}&code=".encode() + b"x" * LIMIT

    for call in ("load_assignment", "log_event", "save_file", "update_submission", "update_submission_status"):
        for caller in (desk.learner, app.test_client()):
            answer = caller.post(f"/blockpy/{call}", data=told, content_type="application/x-www-form-urlencoded")
            assert_refused(answer, case=call)

    assert everything() == before


@SQLITE
def test_a_form_of_thousands_of_fields_is_refused_for_good(desk):
    before = everything()
    parts = {f"field{n}": "x" for n in range(2000)}

    answer = desk.learner.post("/blockpy/log_event", data={**form(desk), **parts}, content_type="multipart/form-data")

    assert_refused(answer)
    assert everything() == before


@SQLITE
@pytest.mark.parametrize(("year", "timestamp"), [(1970, 86_400_000), (2100, 4_102_444_800_000)])
def test_an_impossible_clock_costs_nobody_an_event_or_a_save(desk, year, timestamp):
    logged = desk.learner.post("/blockpy/log_event", data=form(desk, timestamp=timestamp))
    saved = desk.learner.post("/blockpy/save_file", data=form(desk, timestamp=timestamp))

    release()
    events = db.session.scalars(select(StudyEvent).where(StudyEvent.submission_id == desk.work.id)).all()[-2:]
    assert (logged.json["success"], saved.json["success"]) == (True, True)
    assert db.session.get(Submission, desk.work.id).code == "y = 1\n"
    assert [event.properties["client_ms"] for event in events] == [timestamp] * 2
    assert all(event.occurred_at == event.created_at for event in events)
    assert all(event.created_at.year != year for event in events)


def test_nul_characters_are_replaced_wherever_a_client_puts_them(desk):
    names = ("event_type", "category", "label", "message", "file_path", "part_id", "timezone", "version")

    logged = desk.learner.post("/blockpy/log_event", data=form(desk, **{name: f"a\x00{name}" for name in names}))
    saved = desk.learner.post("/blockpy/save_file", data=form(desk, code="a\x00b", part_id="p\x00"))

    release()
    events = db.session.scalars(select(StudyEvent).where(StudyEvent.submission_id == desk.work.id)).all()[-2:]
    assert (logged.json["success"], saved.json["success"]) == (True, True)
    assert events[0].event_type == "a\ufffdevent_type"
    assert {events[0].properties[name] for name in names[1:]} == {f"a\ufffd{name}" for name in names[1:]}
    assert events[1].properties["file_path"] == "answer.py#p\ufffd"
    assert db.session.get(CodeState, events[1].properties["code_state_id"]).code == "a\ufffdb"


@SQLITE
def test_bytes_that_are_no_utf8_do_not_break_a_save(desk):
    told = f"submission_id={desk.work.id}&filename=answer.py&code=a%ED%A0%80%FFb&timestamp={now_ms()}"

    answer = desk.learner.post(
        "/blockpy/save_file", data=told.encode(), content_type="application/x-www-form-urlencoded"
    )

    release()
    assert answer.json["success"] is True
    assert db.session.get(Submission, desk.work.id).code == "a%ED%A0%80%FFb"


@SQLITE
def test_a_part_whose_name_has_a_line_break_does_not_forge_another_part(desk):
    whole = "##### Part one\n1\n##### Part two\n2"
    desk.learner.post("/blockpy/save_file", data=form(desk, code=whole, timestamp=now_ms() - 50))

    before = everything()

    for name in ("one\n##### Part two", "one\r", "\n", "a\x0bb\u2028"):
        answer = desk.learner.post("/blockpy/save_file", data=form(desk, code="x", part_id=name))
        assert_refused(answer, field="part_id", case=repr(name))

    assert everything() == before


WRONG_FILES = [
    {"filename": "!on_run.py", "assignment_id": None},
    {"filename": "!on_run.py", "assignment_id": str(UNKNOWN)},
    {"filename": "!on_run.py", "assignment_id": str(2**63)},
    {"filename": "!on_run.py", "code": "x" * (750 * 1024 + 1)},
    {"filename": "!assignment_settings.blockpy", "code": "{"},
    {"filename": "!assignment_settings.blockpy", "code": "[]"},
    {"filename": "!assignment_settings.blockpy", "code": DEEP},
    {"filename": "#extra_starting_files.blockpy", "code": '{"a": {}}'},
]


@SQLITE
def test_a_wrong_instructor_file_is_refused_and_changes_nothing(desk):
    before = everything()

    for fields in WRONG_FILES:
        assert_refused(desk.teacher.post("/blockpy/save_file", data=form(desk, **fields)), case=fields)

    assert everything() == before


# --- the API ---

BODIES = [
    ("admin", "post", "/api/users"),
    ("admin", "post", "/api/courses"),
    ("teacher", "put", "/api/courses/{course}/roles"),
    ("teacher", "delete", "/api/courses/{course}/roles"),
    ("teacher", "post", "/api/courses/{course}/groups"),
    ("teacher", "post", "/api/courses/{course}/assignments"),
    ("teacher", "post", "/api/classes"),
    ("teacher", "patch", "/api/classes/{class_id}"),
    ("teacher", "post", "/api/sessions"),
    ("teacher", "post", "/api/recalculations"),
    ("learner", "post", "/api/events"),
    ("learner", "post", "/api/tokens"),
]


def path_of(desk, path):
    return path.format(
        course=desk.school.course.id,
        class_id=desk.class_id,
        session_id=desk.session_id,
        assignment=desk.school.assignment.id,
        learner=desk.school.learners[0].id,
    )


NO_OBJECTS = [
    {"data": "{", "content_type": "application/json"},
    {"data": "", "content_type": "application/json"},
    {"data": b"\xff\xfe", "content_type": "application/json"},
    {"data": '{"name": "x"}', "content_type": "text/plain"},
    {"data": {"name": "x"}},
    {"data": DEEP, "content_type": "application/json"},
    {"data": '{"x":' * 100_000, "content_type": "application/json"},
    {"data": f'{{"id": {"9" * 5000}}}', "content_type": "application/json"},
    {"json": []},
    {"json": [{"name": "x"}]},
    {"json": "text"},
    {"json": 5},
    {"json": None},
    {},
]


@SQLITE
def test_a_body_that_is_no_json_object_is_answered_400(desk):
    before = everything()

    for who, method, path in BODIES:
        for body in NO_OBJECTS:
            answer = getattr(getattr(desk, who), method)(path_of(desk, path), **body)
            assert_api_error(answer, 400, "invalid", case=(path, body))

    assert everything() == before


@SQLITE
def test_a_body_over_the_limit_is_answered_413(desk):
    before, body = everything(), b'{"name": "' + b"x" * LIMIT + b'"}'

    for who, method, path in BODIES:
        call = getattr(getattr(desk, who), method)
        answer = call(path_of(desk, path), data=body, content_type="application/json")
        assert_api_error(answer, 413, "too_large", case=path)

    assert everything() == before


def user_items(**fields):
    return {"items": [{"name": "Fine", "email": "fine@test.school"}, {"name": "N", "email": "n@t.x", **fields}]}


WRONG = [
    ("admin", "post", "/api/users", {}, "items"),
    ("admin", "post", "/api/users", {"items": []}, "items"),
    ("admin", "post", "/api/users", {"items": {}}, "items"),
    ("admin", "post", "/api/users", {"items": ["x"]}, "items.0"),
    ("admin", "post", "/api/users", user_items(name=""), "items.1.name"),
    ("admin", "post", "/api/users", user_items(name="x" * 256), "items.1.name"),
    ("admin", "post", "/api/users", user_items(email="nobody"), "items.1.email"),
    ("admin", "post", "/api/users", user_items(email="a b@c"), "items.1.email"),
    ("admin", "post", "/api/users", user_items(email=5), "items.1.email"),
    ("admin", "post", "/api/users", user_items(email="x" * 255 + "@a"), "items.1.email"),
    ("admin", "post", "/api/users", user_items(password="short"), "password"),
    ("admin", "post", "/api/users", user_items(email="FINE@test.school"), "items"),
    ("admin", "post", "/api/users", {"items": [{"name": "x", "email": f"{n}@t.x"} for n in range(501)]}, "items"),
    ("admin", "post", "/api/courses", {}, "name"),
    ("admin", "post", "/api/courses", {"name": ""}, "name"),
    ("admin", "post", "/api/courses", {"name": "   "}, "name"),
    ("admin", "post", "/api/courses", {"name": "x" * 256}, "name"),
    ("admin", "post", "/api/courses", {"name": ["x"]}, "name"),
    ("admin", "post", "/api/courses", {"name": None}, "name"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner"}, "user_ids"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner", "user_ids": []}, "user_ids"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "king", "user_ids": [1]}, "role"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "", "user_ids": [1]}, "role"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner", "user_ids": [1, UNKNOWN]}, "user_ids"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner", "user_ids": ["x"]}, "user_ids.0"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner", "user_ids": "1"}, "user_ids"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner", "user_ids": [1.5]}, "user_ids.0"),
    ("teacher", "put", "/api/courses/{course}/roles", {"role": "learner", "user_ids": [1] * 1001}, "user_ids"),
    ("teacher", "delete", "/api/courses/{course}/roles", {"role": "king", "user_ids": [1]}, "role"),
    ("teacher", "delete", "/api/courses/{course}/roles", {"role": "learner", "user_ids": [UNKNOWN]}, "user_ids"),
    ("teacher", "post", "/api/courses/{course}/groups", {"name": " "}, "name"),
    ("teacher", "post", "/api/courses/{course}/assignments", {}, "name"),
    ("teacher", "post", "/api/courses/{course}/assignments", {"name": "x", "type": "game"}, "type"),
    ("teacher", "post", "/api/courses/{course}/assignments", {"name": "x", "group_id": UNKNOWN}, "group_id"),
    ("teacher", "post", "/api/courses/{course}/assignments", {"name": "x", "group_id": "x"}, "group_id"),
    ("teacher", "post", "/api/courses/{course}/assignments", {"name": "x", "on_run": 5}, "on_run"),
    ("teacher", "post", "/api/classes", {"student_ids": []}, "name"),
    ("teacher", "post", "/api/classes", {"name": "", "student_ids": []}, "name"),
    ("teacher", "post", "/api/classes", {"name": "x"}, "student_ids"),
    ("teacher", "post", "/api/classes", {"name": "x", "student_ids": [UNKNOWN]}, "student_ids"),
    ("teacher", "post", "/api/classes", {"name": "x", "student_ids": ["x"]}, "student_ids.0"),
    ("teacher", "patch", "/api/classes/{class_id}", {"name": " "}, "name"),
    ("teacher", "patch", "/api/classes/{class_id}", {"name": "new", "status": "GONE"}, "status"),
    ("teacher", "patch", "/api/classes/{class_id}", {"name": "new", "student_ids": [UNKNOWN]}, "student_ids"),
    ("teacher", "post", "/api/sessions", {"assignment_id": 1}, "class_id"),
    ("teacher", "post", "/api/sessions", {"class_id": 1}, "assignment_id"),
    ("teacher", "post", "/api/sessions", {"class_id": 1, "assignment_id": 1, "scheduled_at": "soon"}, "scheduled_at"),
    (
        "teacher",
        "post",
        "/api/sessions",
        {"class_id": 1, "assignment_id": 1, "time_limit_minutes": 0},
        "time_limit_minutes",
    ),
    (
        "teacher",
        "post",
        "/api/sessions",
        {"class_id": 1, "assignment_id": 1, "time_limit_minutes": 1441},
        "time_limit_minutes",
    ),
    (
        "teacher",
        "post",
        "/api/sessions",
        {"class_id": 1, "assignment_id": 1, "time_limit_minutes": "x"},
        "time_limit_minutes",
    ),
    ("teacher", "post", "/api/recalculations", {}, "scope"),
    ("teacher", "post", "/api/recalculations", {"scope": "world"}, "scope"),
    ("teacher", "post", "/api/recalculations", {"scope": "course"}, "id"),
    ("teacher", "post", "/api/recalculations", {"scope": "submission"}, "id"),
    ("teacher", "post", "/api/recalculations", {"scope": "course", "id": "x"}, "id"),
    ("admin", "post", "/api/recalculations", {"scope": "all", "id": 1}, "id"),
    ("admin", "post", "/api/recalculations", {"scope": "user"}, "id"),
    ("learner", "post", "/api/events", {}, "events"),
    ("learner", "post", "/api/events", {"events": []}, "events"),
    ("learner", "post", "/api/events", {"events": {}}, "events"),
    ("learner", "post", "/api/events", {"events": ["x"]}, "events.0"),
    ("learner", "post", "/api/events", {"events": [[]]}, "events.0"),
    ("learner", "post", "/api/events", {"events": [{}] * 501}, "events"),
    ("learner", "post", "/api/tokens", {"email": "a@b"}, "password"),
    ("learner", "post", "/api/tokens", {"email": 5, "password": "x"}, "email"),
    ("learner", "post", "/api/tokens", {"email": ["a"], "password": "x"}, "email"),
]


@SQLITE
@pytest.mark.parametrize("place", sorted({(case[1], case[2]) for case in WRONG}), ids=" ".join)
def test_a_wrong_field_is_answered_422_and_named(desk, place):
    before = everything()
    cases = [(who, body, field) for who, method, path, body, field in WRONG if (method, path) == place]

    for who, body, field in cases:
        answer = getattr(getattr(desk, who), place[0])(path_of(desk, place[1]), json=body)
        assert_api_error(answer, 422, "invalid", field=field, case=body)

    assert everything() == before


HUGE_BODIES = [
    ("put", "/api/courses/{course}/roles", lambda n: {"role": "learner", "user_ids": [n]}),
    ("delete", "/api/courses/{course}/roles", lambda n: {"role": "learner", "user_ids": [n]}),
    ("post", "/api/courses/{course}/assignments", lambda n: {"name": "x", "group_id": n}),
    ("post", "/api/classes", lambda n: {"name": "x", "student_ids": [n]}),
    ("post", "/api/classes", lambda n: {"name": "x", "student_ids": [], "course_id": n}),
    ("patch", "/api/classes/{class_id}", lambda n: {"student_ids": [n]}),
    ("post", "/api/sessions", lambda n: {"class_id": n, "assignment_id": 1}),
    ("post", "/api/sessions", lambda n: {"class_id": 1, "assignment_id": n}),
    ("post", "/api/sessions", lambda n: {"class_id": 1, "assignment_id": 1, "time_limit_minutes": n}),
    ("post", "/api/recalculations", lambda n: {"scope": "course", "id": n}),
    ("post", "/api/recalculations", lambda n: {"scope": "user", "id": n}),
    ("post", "/api/recalculations", lambda n: {"scope": "submission", "id": n}),
]


def test_numbers_too_large_for_a_row_are_refused_and_write_nothing(desk):
    before, wrong = everything(), []

    for method, path, body in HUGE_BODIES:
        for number in HUGE:
            answer = getattr(desk.admin, method)(path_of(desk, path), json=body(number))
            if answer.status_code not in (404, 422) or answer.json["error"] not in ("invalid", "not_found"):
                wrong.append((method, path, number, answer.status_code))

    assert wrong == []
    assert everything() == before


HUGE_PATHS = [
    "/api/courses/{n}",
    "/api/courses/{n}/users",
    "/api/courses/{n}/counts",
    "/api/assignments/{n}",
    "/api/assignments/{n}/counts",
    "/api/submissions/{n}",
    "/api/submissions/{n}/counts",
    "/api/submissions/{n}/events",
    "/api/users/{n}",
    "/api/users/{n}/counts",
    "/api/classes/{n}",
    "/api/sessions/{n}",
    "/api/sessions/{n}/snapshot",
    "/api/recalculations/{n}",
]


def test_numbers_too_large_for_a_row_in_a_path_are_not_found(desk):
    before, wrong = everything(), []

    for path in HUGE_PATHS:
        for number in (0, *(n for n in HUGE if n > 0)):
            answer = desk.admin.get(path.format(n=number))
            if answer.status_code != 404 or answer.json["error"] != "not_found":
                wrong.append((path, number, answer.status_code))

    assert wrong == []
    assert everything() == before


@SQLITE
def test_a_list_asked_for_in_a_wrong_way_is_answered_422(desk):
    wrong = ("x", "-1", "1.5", "٣", "9" * 30, "9" * 5000, "0x1", "1e3")
    cases = [(name, told) for name in ("limit", "after") for told in wrong] + [("limit", "0"), ("limit", "501")]

    for name, told in cases:
        answer = desk.teacher.get("/api/courses", query_string={name: told})
        assert_api_error(answer, 422, "invalid", field=name, case=(name, told))


BAD_TEXT = ("a\x00b", "a\ud800b", "\udfff")


def test_texts_that_no_database_takes_are_never_a_fault_of_ours(desk, app):
    course, wrong = desk.school.course.id, []

    for n, text in enumerate(BAD_TEXT):
        email = f"x{n}{text}@test.school"
        calls = [
            ("post", "/api/courses", {"name": text}),
            ("post", f"/api/courses/{course}/groups", {"name": text}),
            (
                "post",
                f"/api/courses/{course}/assignments",
                {"name": text, "instructions": text, "starting_code": text, "on_run": text},
            ),
            ("post", f"/api/courses/{course}/assignments", {"name": "x", "type": text}),
            ("put", f"/api/courses/{course}/roles", {"role": text, "user_ids": [1]}),
            ("post", "/api/users", {"items": [{"name": text, "email": email, "password": f"password {text}"}]}),
            ("post", "/api/classes", {"name": text, "student_ids": []}),
            ("patch", f"/api/classes/{desk.class_id}", {"name": text}),
            ("patch", f"/api/classes/{desk.class_id}", {"status": text}),
            ("post", "/api/recalculations", {"scope": text}),
            ("post", "/api/tokens", {"email": text, "password": text}),
            ("post", "/api/tokens", {"email": desk.school.teacher.email, "password": text}),
        ]
        for method, path, body in calls:
            answer = getattr(desk.admin, method)(path, data=json.dumps(body), content_type="application/json")
            if answer.status_code not in (200, 201, 401, 422):
                wrong.append((method, path, body, answer.status_code))

    release()
    stored = [row.name for model in (User, ClassModel) for row in db.session.scalars(select(model))]
    assert wrong == []
    assert not any("\x00" in name for name in stored)


@SQLITE
@pytest.mark.parametrize("text", ["%00", "%ff", "%ed%a0%80"])
def test_a_text_in_the_address_that_no_database_takes_is_no_fault_of_ours(desk, text):
    for path in (f"/admin/?q={text}", f"/api/courses?after={text}", f"/api/sessions?active={text}", f"/{text}"):
        assert desk.admin.get(path).status_code < 500, path


def test_a_search_for_nul_finds_nothing_and_breaks_nothing(desk):
    assert desk.admin.get("/admin/?q=%00").status_code == 200


# --- batches of events ---


def event(desk, **fields):
    """One good event of a batch, or as `fields` change it."""
    common = {
        "event_id": str(uuid.uuid4()),
        "event_type": "Run.Program",
        "assignment_id": desk.work.assignment_id,
        "submission_id": desk.work.id,
        "timestamp": now_ms(),
    }
    return {name: value for name, value in {**common, **fields}.items() if value is not ...}


WRONG_EVENTS = [
    {"event_id": ...},
    {"event_id": None},
    {"event_id": ""},
    {"event_id": "no uuid"},
    {"event_id": 5},
    {"event_id": ["x"]},
    {"event_id": "\ud800"},
    {"event_type": ...},
    {"event_type": ""},
    {"event_type": 5},
    {"event_type": None},
    {"event_type": ["Run.Program"]},
    {"event_type": LONG},
    {"submission_id": ...},
    {"submission_id": None},
    {"submission_id": "x"},
    {"submission_id": [1]},
    {"submission_id": {"id": 1}},
    {"submission_id": True},
    {"submission_id": 1.5},
    {"submission_id": 0},
    {"submission_id": -1},
    {"submission_id": UNKNOWN},
    {"submission_id": 2**31},
    {"submission_id": 2**63},
    {"submission_id": 2**200},
    {"submission_id": "9" * 40},
    {"category": 5},
    {"label": ["x"]},
    {"file_path": {}},
    {"file_path": LONG},
    {"message": 5},
    {"message": {"tests": 1}},
    {"message": "x" * (1024 * 1024 + 1)},
    {"occurred_at": "yesterday"},
    {"occurred_at": "2026-13-01T00:00:00Z"},
]


@SQLITE
def test_a_wrong_event_is_rejected_and_costs_the_others_nothing(desk):
    before = len(everything()["study_events"])
    batch = [event(desk), *(event(desk, **fields) for fields in WRONG_EVENTS), event(desk)]

    answer = desk.learner.post("/api/events", data=json.dumps({"events": batch}), content_type="application/json")

    first, *wrong, last = answer.json["results"]
    assert [first["status"], last["status"]] == ["stored", "stored"]
    for fields, result in zip(WRONG_EVENTS, wrong, strict=True):
        assert result["status"] == "rejected", fields
        assert result["message"].strip(), fields
        assert "log_id" not in result, fields
    assert len(everything()["study_events"]) == before + 2


@SQLITE
def test_a_batch_of_which_nothing_is_right_writes_nothing(desk):
    wrong = [event(desk, submission_id=desk.other.id), event(desk, event_type=""), event(desk, event_id="x")]
    before = everything()

    answer = desk.learner.post("/api/events", json={"events": wrong})

    assert [result["status"] for result in answer.json["results"]] == ["rejected"] * 3
    assert everything() == before


ODD_EVENTS = [
    {"timestamp": "x"},
    {"timestamp": None},
    {"timestamp": True},
    {"timestamp": []},
    {"timestamp": {"ms": 1}},
    {"timestamp": 2**62},
    {"timestamp": 2**64},
    {"timestamp": -(2**62)},
    {"timestamp": 1e18},
    {"occurred_at": "0001-01-01T00:00:00+14:00"},
    {"occurred_at": "9999-12-31T23:59:59-14:00"},
    {"occurred_at": "1970-01-01T00:00:00Z"},
    {"occurred_at": "2100-01-01T00:00:00"},
    {"timezone": {"a": 1}},
    {"version": ["\ud800"]},
    {"version": "a\x00b"},
    {"part_id": "a\x00b"},
    {"part_id": "\ud800"},
    {"category": "a\ud800b"},
    {"label": "a\x00b"},
    {"event_type": "Robot.\x00Dance"},
    {"message": "a\x00\ud800b"},
    {"message": DEEP},
    {"event_type": "Intervention", "message": '{"a":' * 50_000},
    {"event_type": "Intervention", "message": '{"unitTests": {"tests": "%s"}}' % ("9" * 5000)},
    {"event_type": "Intervention", "message": '{"unitTests": {"tests": %s}}' % ("9" * 5000)},
    {"event_type": "Intervention", "message": '{"unitTests": [], "message": {}, "syntaxError": "x"}'},
    {"event_type": "Intervention", "tests": "9" * 5000, "successes": [1]},
    {"event_type": "File.Edit", "message": "a\x00\ud800b"},
    {"event_type": "File.Edit", "message": ""},
    {"event_type": "Compile.Error", "message": ":" * 100_000},
    {"nobody knows this": {"deep": [1, 2, {"x": None}]}},
]


def test_odd_values_are_stored_and_the_counting_goes_on_after_them(desk, run_jobs):
    events = [event(desk, **fields) for fields in ODD_EVENTS]
    body = json.dumps({"events": events})

    results = desk.learner.post("/api/events", data=body, content_type="application/json").json["results"]
    run_jobs()

    refused = [(fields, result) for fields, result in zip(ODD_EVENTS, results, strict=True) if "log_id" not in result]
    told = desk.learner.get(f"/api/submissions/{desk.work.id}/counts").json
    assert refused == []
    assert told["behind"] == 0
    assert told["folded_seq"] > len(ODD_EVENTS)


@SQLITE
def test_odd_values_can_be_read_again(desk):
    events = [event(desk, **fields) for fields in ODD_EVENTS]
    desk.learner.post("/api/events", data=json.dumps({"events": events}), content_type="application/json")

    answer = desk.learner.get(f"/api/submissions/{desk.work.id}/events?limit=500")

    assert answer.status_code == 200
    assert [item["event_id"] for item in reversed(answer.json["items"])][-len(events) :] == [
        item["event_id"] for item in events
    ]


# --- what nobody sends by accident ---


@SQLITE
def test_a_session_of_somebody_else_cannot_be_commanded_by_a_guessed_number(desk, as_):
    stranger = as_(make_school(1).teacher)
    before = everything()

    answers = [
        stranger.post(f"/api/sessions/{number}/{action}")
        for number in (desk.session_id, UNKNOWN)
        for action in ("open", "start", "complete", "cancel", "join", "leave")
    ]

    assert {(answer.status_code, answer.data) for answer in answers} == {(404, answers[0].data)}
    assert everything() == before
    assert db.session.get(SessionModel, desk.session_id).status == "SCHEDULED"


@SQLITE
def test_a_wrong_method_is_an_error_of_the_api_and_changes_nothing(desk):
    before = everything()

    for method, path in (("get", "/api/events"), ("delete", "/api/courses"), ("put", "/api/sessions/1/open")):
        answer = getattr(desk.admin, method)(path)
        assert_api_error(answer, 405, "invalid")

    assert everything() == before


@SQLITE
def test_a_path_that_does_not_exist_is_an_error_of_the_api(desk):
    assert_api_error(desk.admin.get("/api/nothing/here"), 404, "not_found")


@SQLITE
@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Bearer nonsense", "Basic eDp4", "Bearer \xff\xfe", "nonsense"]
)
def test_an_authorization_that_is_none_is_answered_401(desk, app, header):
    answer = app.test_client().get("/api/me", headers={"Authorization": header})

    assert_api_error(answer, 401, "not_logged_in")
