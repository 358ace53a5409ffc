"""Classes and live sessions over HTTP (contract monitoring 2, domain 11)."""

import threading

import pytest
from sqlalchemy import select

from models.analytics_events import StudyEvent
from models.db import db, iso, release, transaction, utcnow
from models.live import PARTICIPANT_KEYS, AttemptModel, SessionModel
from models.streams import AnalyticsAccessAudit
from models.user import TEACHING_ASSISTANT, Role
from monitoring import sessions
from monitoring.repositories.sql_session_repository import mutate_participants
from tests.factories import make_school, make_user, now_ms, payload

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SCHEDULED, WAITING, RUNNING = "SCHEDULED", "WAITING_FOR_STUDENTS", "IN_PROGRESS"
COMPLETED, CANCELLED = "COMPLETED", "CANCELLED"
STATES = (SCHEDULED, WAITING, RUNNING, COMPLETED, CANCELLED)
STEPS = {
    SCHEDULED: (),
    WAITING: ("open",),
    RUNNING: ("open", "start"),
    COMPLETED: ("open", "start", "complete"),
    CANCELLED: ("cancel",),
}
# From each of STATES: where the action leads to, or None where it is refused.
MOVES = {
    "open": (WAITING, WAITING, None, None, None),
    "start": (None, RUNNING, RUNNING, None, None),
    "complete": (None, None, COMPLETED, COMPLETED, None),
    "cancel": (CANCELLED, CANCELLED, CANCELLED, None, CANCELLED),
}


class Room:
    """A class of two of three learners, its live session, and its people at the door."""

    def __init__(self, school, as_):
        self.school = school
        self.teacher = as_(school.teacher)
        self.students = [as_(learner) for learner in school.learners]
        ids = [learner.id for learner in school.learners[:2]]
        made = self.teacher.post("/api/classes", json={"name": "Class", "student_ids": ids})
        self.class_id = made.json["id"]
        self.session_id = self.plan().json["id"]

    def plan(self, **fields):
        body = {"class_id": self.class_id, "assignment_id": self.school.assignment.id, **fields}
        return self.teacher.post("/api/sessions", json=body)

    def do(self, action, caller=None):
        return (caller or self.teacher).post(f"/api/sessions/{self.session_id}/{action}")

    def bring_to(self, status):
        for action in STEPS[status]:
            assert self.do(action).status_code == 200

    def join(self, n):
        return self.do("join", self.students[n])

    def participants(self):
        return self.teacher.get(f"/api/sessions/{self.session_id}").json["participants"]

    def attempts(self):
        release()
        query = select(AttemptModel).where(AttemptModel.session_id == self.session_id).order_by(AttemptModel.id)
        return db.session.scalars(query).all()

    def events(self, event_type):
        release()
        query = select(StudyEvent).where(StudyEvent.event_type == event_type).order_by(StudyEvent.id)
        return db.session.scalars(query).all()


@pytest.fixture
def room(school, as_):
    return Room(school, as_)


# --- classes ---


def test_a_class_is_made_of_learners_of_a_course_that_one_teaches(school, as_):
    ids = [learner.id for learner in reversed(school.learners)]

    made = as_(school.teacher).post("/api/classes", json={"name": " 7b ", "student_ids": ids + ids[:1]})

    assert made.status_code == 201
    assert made.json == {
        "id": made.json["id"],
        "name": "7b",
        "teacher_id": school.teacher.id,
        "course_id": school.course.id,
        "student_ids": sorted(ids),
        "status": "ACTIVE",
    }
    assert as_(school.teacher).get("/api/classes").json["items"] == [made.json]


@SQLITE
def test_a_class_takes_no_strangers_and_no_teachers(school, as_):
    teacher, other = as_(school.teacher), make_school(1)

    for stranger in (other.learners[0].id, school.teacher.id, make_user().id):
        answer = teacher.post("/api/classes", json={"name": "7b", "student_ids": [school.learners[0].id, stranger]})
        assert (answer.status_code, answer.json["field"]) == (422, "student_ids")

    assert teacher.get("/api/classes").json["items"] == []


@SQLITE
def test_a_class_has_fewer_than_a_thousand_students(school, as_):
    answer = as_(school.teacher).post(
        "/api/classes", json={"name": "7b", "student_ids": list(range(1, 1001)), "course_id": school.course.id}
    )

    assert (answer.status_code, answer.json["field"]) == (422, "student_ids")


@SQLITE
def test_a_co_teacher_sees_and_changes_a_class_and_what_is_not_named_stays(room, as_):
    assistant = make_user("Assistant")
    assistant.add_role(TEACHING_ASSISTANT, room.school.course.id)
    caller = as_(assistant)

    changed = caller.patch(f"/api/classes/{room.class_id}", json={"name": "Renamed"})

    assert changed.status_code == 200
    assert changed.json["name"] == "Renamed"
    assert changed.json["student_ids"] == [learner.id for learner in room.school.learners[:2]]
    assert caller.get("/api/classes").json["items"] == [changed.json]


@SQLITE
def test_an_archived_class_starts_no_session(room):
    room.teacher.patch(f"/api/classes/{room.class_id}", json={"status": "ARCHIVED"})

    answer = room.plan()

    assert (answer.status_code, answer.json["error"]) == (409, "conflict")


# --- planning ---


@SQLITE
def test_a_planned_session_says_what_it_is_about(room):
    moment = utcnow().replace(microsecond=0)

    made = room.plan(scheduled_at=iso(moment), time_limit_minutes=45)

    assert made.status_code == 201
    assert made.json["scheduled_at"] == iso(moment)
    assert (made.json["status"], made.json["time_limit_minutes"]) == (SCHEDULED, 45)
    assert made.json["assignment_id"] == made.json["test_id"] == room.school.assignment.id
    assert (made.json["class_name"], made.json["assignment_name"]) == ("Class", "Exercise")
    assert (made.json["started_at"], made.json["completed_at"]) == (None, None)
    assert "participants" not in made.json


@SQLITE
def test_a_time_without_a_zone_is_utc(room):
    assert room.plan(scheduled_at="2026-09-01T08:00:00").json["scheduled_at"] == "2026-09-01T08:00:00Z"
    assert room.plan(scheduled_at="2026-09-01T08:00:00+02:00").json["scheduled_at"] == "2026-09-01T06:00:00Z"


@SQLITE
def test_a_time_limit_is_a_minute_to_a_day(room):
    told = {minutes: room.plan(time_limit_minutes=minutes).status_code for minutes in (-1, 0, 1, 1440, 1441, 1.5)}

    assert told == {-1: 422, 0: 422, 1: 201, 1440: 201, 1441: 422, 1.5: 422}


@SQLITE
def test_a_session_is_about_an_assignment_of_the_classs_course(room, as_):
    admin, other = as_(make_user("Admin", is_admin=True)), make_school(0)
    body = {"class_id": room.class_id, "assignment_id": other.assignment.id}

    mine, admins = room.teacher.post("/api/sessions", json=body), admin.post("/api/sessions", json=body)

    assert mine.status_code == 404
    assert (admins.status_code, admins.json["field"]) == (422, "assignment_id")


@SQLITE
def test_sessions_are_listed_soonest_first_and_active_ones_apart(room):
    later, sooner = room.plan(scheduled_at="2100-01-01T00:00:00Z"), room.plan(scheduled_at="2020-01-01T00:00:00Z")
    room.bring_to(CANCELLED)

    everything = [item["id"] for item in room.teacher.get("/api/sessions").json["items"]]
    active = [item["id"] for item in room.teacher.get("/api/sessions?active=1").json["items"]]
    students = [item["id"] for item in room.students[0].get("/api/sessions?active=1").json["items"]]

    assert everything == [sooner.json["id"], room.session_id, later.json["id"]]
    assert active == students == [sooner.json["id"], later.json["id"]]
    assert room.students[2].get("/api/sessions").json["items"] == []


# --- the state machine ---


@SQLITE
@pytest.mark.parametrize("action", MOVES)
@pytest.mark.parametrize("status", STATES)
def test_each_action_from_each_state(room, status, action):
    room.bring_to(status)
    leads_to = MOVES[action][STATES.index(status)]
    before = room.teacher.get(f"/api/sessions/{room.session_id}").json

    answer = room.do(action)

    after = room.teacher.get(f"/api/sessions/{room.session_id}").json
    if leads_to is None:
        assert (answer.status_code, answer.json["error"]) == (409, "conflict")
        assert after == before
    else:
        assert answer.status_code == 200
        assert answer.json["status"] == after["status"] == leads_to
        assert "participants" not in answer.json
    if leads_to == status:
        assert after == before


def test_a_whole_session_leaves_its_times_attempts_and_events(room):
    room.do("open")
    room.join(0)
    room.do("start")
    room.join(1)
    done = room.do("complete").json

    assert done["started_at"] < done["completed_at"]
    assert [(a.student_id, a.status, a.ended_at is None) for a in room.attempts()] == [
        (learner.id, "SUBMITTED", False) for learner in room.school.learners[:2]
    ]
    for event_type in ("session_created", "session_opened", "session_started", "session_completed"):
        said = room.events(event_type)
        assert [(event.user_id, event.properties["session_id"]) for event in said] == [
            (room.school.teacher.id, room.session_id)
        ], event_type
    learners = [learner.id for learner in room.school.learners[:2]]
    for event_type in ("participant_joined", "attempt_started", "attempt_submitted"):
        assert [event.user_id for event in room.events(event_type)] == learners, event_type
    assert {event.actor_id for event in room.events("attempt_submitted")} == {room.school.teacher.id}


@SQLITE
def test_a_repeated_action_writes_no_second_event(room):
    for action in ("open", "open", "start", "start", "complete", "complete"):
        assert room.do(action).status_code == 200

    for event_type in ("session_opened", "session_started", "session_completed"):
        assert len(room.events(event_type)) == 1


@SQLITE
def test_a_cancelled_session_abandons_its_attempts(room):
    room.do("open")
    room.join(0)
    room.do("start")

    told = room.do("cancel").json

    assert told["completed_at"] is not None
    assert [attempt.status for attempt in room.attempts()] == ["ABANDONED"]
    assert len(room.events("attempt_abandoned")) == 1


def race(app, *calls):
    """Make calls at the same moment; answers their answers in order."""
    answers, gate = [None] * len(calls), threading.Barrier(len(calls))

    def run(n, call):
        gate.wait()
        with app.app_context():
            answers[n] = call()

    threads = [threading.Thread(target=run, args=item) for item in enumerate(calls)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    release()
    return answers


def test_of_two_racing_commands_one_wins(app, room):
    room.bring_to(RUNNING)
    room.join(0)

    complete, cancel = race(app, lambda: room.do("complete"), lambda: room.do("cancel"))

    told = room.teacher.get(f"/api/sessions/{room.session_id}").json["status"]
    won = {COMPLETED: complete, CANCELLED: cancel}[told]
    assert sorted([complete.status_code, cancel.status_code]) == [200, 409]
    assert won.status_code == 200
    assert [attempt.status for attempt in room.attempts()] == [{COMPLETED: "SUBMITTED", CANCELLED: "ABANDONED"}[told]]
    assert len(room.events("session_completed")) + len(room.events("session_cancelled")) == 1
    assert len(room.events("attempt_submitted")) + len(room.events("attempt_abandoned")) == 1


def test_the_same_command_of_two_teachers_at_once_happens_once_and_is_refused_to_nobody(app, room, as_):
    assistant = make_user("Assistant")
    assistant.add_role(TEACHING_ASSISTANT, room.school.course.id)
    callers = [room.teacher, as_(assistant), room.teacher, as_(assistant)]

    answers = race(app, *(lambda caller=caller: room.do("open", caller) for caller in callers))

    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(room.events("session_opened")) == 1


def test_learners_who_join_while_the_session_starts_all_get_an_attempt(app, room):
    room.do("open")

    answers = race(app, lambda: room.do("start"), lambda: room.join(0), lambda: room.join(1), lambda: room.join(0))

    learners = [learner.id for learner in room.school.learners[:2]]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert sorted(attempt.student_id for attempt in room.attempts()) == learners
    assert {item["student_id"]: item["attempt_id"] for item in room.participants()} == {
        attempt.student_id: attempt.id for attempt in room.attempts()
    }
    assert sorted(event.user_id for event in room.events("attempt_started")) == learners


def test_changes_of_participants_at_once_are_all_kept(app, room):
    with transaction() as session:
        session.get(SessionModel, room.session_id).participants = [
            dict(zip(PARTICIPANT_KEYS, (n, None, iso(utcnow()), "CONNECTED", "0"), strict=True)) for n in range(1, 5)
        ]

    def count(participants, n):
        participants[n]["last_activity"] = str(int(participants[n]["last_activity"]) + 1)

    def work(n):
        return lambda: [mutate_participants(room.session_id, lambda p: count(p, n)) for _ in range(10)]

    race(app, *(work(n) for n in range(4)))

    assert [item["last_activity"] for item in room.participants()] == ["10"] * 4


# --- joining and leaving ---


def test_a_student_who_joins_before_the_start_gets_his_attempt_at_the_start(room):
    room.do("open")

    first = room.join(0)
    room.do("start")
    again = room.join(0)

    assert (first.status_code, first.json["attempt_id"]) == (200, None)
    assert first.json["submission_id"] == again.json["submission_id"]
    assert [attempt.id for attempt in room.attempts()] == [again.json["attempt_id"]]
    assert again.json["session"]["status"] == RUNNING
    assert "participants" not in again.json["session"]
    assert len(room.events("participant_joined")) == 1


@SQLITE
def test_a_late_student_gets_his_attempt_at_once(room):
    room.bring_to(RUNNING)

    answer = room.join(1)

    assert answer.json["attempt_id"] == room.attempts()[0].id
    assert [event.properties["attempt_id"] for event in room.events("attempt_started")] == [answer.json["attempt_id"]]


@SQLITE
def test_a_participant_has_exactly_five_keys_and_one_entry(room):
    room.bring_to(RUNNING)
    for _ in range(3):
        room.join(0)

    participants = room.participants()

    assert [tuple(item) for item in participants] == [tuple(sorted(PARTICIPANT_KEYS))]
    assert participants[0]["connection_status"] == "CONNECTED"
    assert participants[0]["joined_at"].endswith("Z")


@SQLITE
def test_leaving_keeps_the_place_and_coming_back_resumes_it(room):
    room.bring_to(RUNNING)
    first = room.join(0).json["attempt_id"]

    left = room.do("leave", room.students[0])
    gone = room.participants()
    back = room.join(0).json["attempt_id"]

    assert left.status_code == 200
    assert [item["connection_status"] for item in gone] == ["DISCONNECTED"]
    assert [item["connection_status"] for item in room.participants()] == ["CONNECTED"]
    assert back == first
    assert len(room.events("participant_left")) == 1


@SQLITE
def test_an_abandoned_attempt_goes_on_when_its_learner_comes_back(room):
    room.bring_to(RUNNING)
    first = room.join(0).json["attempt_id"]
    with transaction() as session:
        session.get(AttemptModel, first).status = "ABANDONED"

    back = room.join(0).json["attempt_id"]

    assert back == first
    assert [(attempt.status, attempt.ended_at) for attempt in room.attempts()] == [("IN_PROGRESS", None)]


@SQLITE
@pytest.mark.parametrize("status", [SCHEDULED, COMPLETED, CANCELLED])
def test_nobody_joins_before_the_opening_or_after_the_end(room, status):
    room.bring_to(status)
    before = room.participants()

    answer = room.join(0)

    assert (answer.status_code, answer.json["error"]) == (409, "conflict")
    assert (room.participants(), room.attempts()) == (before, [])


@SQLITE
def test_to_outsiders_a_session_is_one_that_does_not_exist(room, as_):
    room.bring_to(RUNNING)
    outsiders = [room.students[2], as_(make_school(0).teacher), as_(make_user())]
    calls = [("get", ""), ("get", "/snapshot"), ("get", "/students/1"), ("post", "/open"), ("post", "/start")]
    calls += [("post", "/complete"), ("post", "/cancel"), ("post", "/join"), ("post", "/leave")]

    for caller in outsiders:
        for method, tail in calls:
            known = getattr(caller, method)(f"/api/sessions/{room.session_id}{tail}")
            unknown = getattr(caller, method)(f"/api/sessions/999999{tail}")
            assert (known.status_code, known.data) == (404, unknown.data), tail


@SQLITE
def test_students_command_nothing_and_see_only_themselves(room):
    room.bring_to(RUNNING)
    room.join(0)
    room.join(1)

    told = room.students[0].get(f"/api/sessions/{room.session_id}").json
    commands = [room.do(action, room.students[0]).status_code for action in MOVES]
    pane = room.students[0].get(f"/api/sessions/{room.session_id}/students/{room.school.learners[0].id}")

    assert [item["student_id"] for item in told["participants"]] == [room.school.learners[0].id]
    assert commands == [404] * 4
    assert pane.status_code == 404


@SQLITE
def test_the_list_of_students_is_the_one_of_the_opening(room):
    first, second, third = (learner.id for learner in room.school.learners)
    room.teacher.patch(f"/api/classes/{room.class_id}", json={"student_ids": [second, third]})
    room.do("open")

    room.teacher.patch(f"/api/classes/{room.class_id}", json={"student_ids": [first]})

    assert [room.join(n).status_code for n in range(3)] == [404, 200, 200]


@SQLITE
def test_a_student_who_is_no_learner_of_the_course_any_more_cannot_join(room):
    room.do("open")
    with transaction() as session:
        for role in session.scalars(select(Role).filter_by(user_id=room.school.learners[0].id)):
            session.delete(role)

    assert room.join(0).status_code == 404


@SQLITE
def test_opening_the_assignment_in_the_editor_joins_the_live_session(room):
    room.bring_to(RUNNING)
    learner, assignment = room.school.learners[0], room.school.assignment
    form = {"assignment_id": assignment.id, "course_id": assignment.course_id, "timestamp": now_ms()}

    answer = room.students[0].post("/blockpy/load_assignment", data=form)
    outsider = room.students[2].post("/blockpy/load_assignment", data=form)

    assert (answer.json["success"], outsider.json["success"]) == (True, True)
    assert [item["student_id"] for item in room.participants()] == [learner.id]
    assert [attempt.submission_id for attempt in room.attempts()] == [answer.json["submission"]["id"]]


# --- the picture ---


def test_the_snapshot_has_a_row_for_everybody_expected(room, run_jobs):
    room.bring_to(RUNNING)
    work_id = room.join(0).json["submission_id"]
    form = payload(room.school.submission(), timestamp=now_ms())
    room.students[0].post("/blockpy/log_event", data=form)
    run_jobs()

    told = room.teacher.get(f"/api/sessions/{room.session_id}/snapshot").json

    rows = {row["user_id"]: row for row in told["rows"]}
    mine, other = (rows[learner.id] for learner in room.school.learners[:2])
    assert set(told) == {"session_id", "epoch", "seq", "at", "session", "rows", "totals", "notices"}
    assert len(rows) == 2
    assert (mine["name"], mine["submission_id"], mine["last_event_type"]) == ("Learner 0", work_id, "Run.Program")
    assert (mine["counts"]["runs"], other["counts"]["runs"]) == (1, 0)
    assert set(mine["counts"]) == {
        "runs",
        "edits",
        "syntax_errors",
        "runtime_errors",
        "failed_instructor_tests",
        "average_edit_time",
        "average_attempt_time",
        "estimated_time_spent",
    }
    assert (other["state"], other["attempt_id"]) == ("EXPECTED", None)
    assert told["totals"]["expected"] == 2
    assert told["session"]["status"] == RUNNING


@SQLITE
def test_a_students_pane_has_code_events_and_counts_and_a_look_is_written_down(room):
    room.bring_to(RUNNING)
    room.join(0)
    work, learner = room.school.submission(), room.school.learners[0]
    form = payload(work, event_type=None, filename="answer.py", code="print(1)")
    room.students[0].post("/blockpy/save_file", data=form)

    told = room.teacher.get(f"/api/sessions/{room.session_id}/students/{learner.id}").json

    audit = db.session.scalars(select(AnalyticsAccessAudit).filter_by(subject_id=learner.id)).all()
    assert (told["code"], told["code_version"], told["name"]) == ("print(1)", work.version + 1, "Learner 0")
    assert told["events"][0]["event_type"] == "File.Edit"
    assert told["counts"] == told["row"]["counts"]
    assert [(row.actor_id, row.what) for row in audit] == [(room.school.teacher.id, "pane")]


@SQLITE
def test_a_pane_has_at_most_the_last_200_events(room):
    work = room.school.submission()
    events = [
        {
            "event_id": f"00000000-0000-4000-8000-{n:012d}",
            "event_type": f"X-{n}",
            "assignment_id": work.assignment_id,
            "submission_id": work.id,
        }
        for n in range(250)
    ]
    room.students[0].post("/api/events", json={"events": events})

    told = room.teacher.get(f"/api/sessions/{room.session_id}/students/{work.user_id}").json

    assert [event["event_type"] for event in told["events"]] == [f"X-{n}" for n in range(249, 49, -1)]


@SQLITE
def test_the_pane_of_somebody_who_has_not_begun_is_empty(room):
    told = room.teacher.get(f"/api/sessions/{room.session_id}/students/{room.school.learners[1].id}").json

    assert (told["code"], told["code_version"], told["events"]) == ("", 0, [])


@SQLITE
def test_there_is_no_pane_of_who_does_not_belong_to_the_session(room):
    for user_id in (room.school.learners[2].id, room.school.teacher.id, 999_999):
        assert room.teacher.get(f"/api/sessions/{room.session_id}/students/{user_id}").status_code == 404


def test_the_table_of_this_test_is_the_products(app):
    assert set(sessions.TRANSITIONS) == set(MOVES)
