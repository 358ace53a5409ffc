"""The editor's calls as its client makes them (contract blockpy 0 to 2)."""

import json
import threading
import uuid

import pytest
from sqlalchemy import select

from models.analytics_events import StudyEvent
from models.assignment import Assignment
from models.counters import SubmissionCounts
from models.db import db, from_ms, release, transaction
from models.streams import AnalyticsAccessAudit
from models.submission import CodeState, Submission
from models.user import INSTRUCTOR, TEACHING_ASSISTANT
from tests.factories import make_learner, make_school, make_token, make_user, now_ms, payload

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
CALLS = ("load_assignment", "save_file", "log_event", "update_submission", "update_submission_status")
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/126.0.1.2 Safari/537.36"
ASSIGNMENT_FIELDS = {
    "id": int,
    "version": int,
    "name": str,
    "type": str,
    "instructions": str,
    "on_run": str,
    "starting_code": str,
}
SUBMISSION_FIELDS = {
    "id": int,
    "code": str,
    "version": int,
    "score": float,
    "correct": bool,
    "course_id": int,
    "user_id": int,
    "extra_files": str,
    "submission_status": str,
    "grading_status": str,
}


def load_form(school, user, **fields):
    """The form of the page's first call."""
    common = {
        "assignment_id": school.assignment.id,
        "course_id": school.course.id,
        "submission_id": "",
        "user_id": user.id,
        "version": "",
        "assignment_version": "",
        "timestamp": now_ms(),
        "timezone": -60,
        "passcode": "",
        "part_id": "",
    }
    return {name: value for name, value in {**common, **fields}.items() if value is not None}


def save_form(work, code, **fields):
    """The form of an autosave."""
    common = payload(work, event_type=None, file_path=None)
    return {**common, "filename": "answer.py", "code": code, "part_id": "", **fields}


def result_form(work, **fields):
    """The form of a graded run."""
    common = payload(work, event_type=None, file_path=None)
    return {**common, "score": 0, "correct": "false", "hidden_override": "false", "image": "", **fields}


def events_of(work_or_id, event_type=None):
    """The stored events of a submission, oldest first."""
    release()
    submission_id = getattr(work_or_id, "id", work_or_id)
    query = select(StudyEvent).where(StudyEvent.submission_id == submission_id).order_by(StudyEvent.user_seq)
    found = db.session.scalars(query).all()
    return [event for event in found if event_type in (None, event.event_type)]


def types_of(work_or_id):
    return [event.event_type for event in events_of(work_or_id)]


def now(work):
    """The submission as it is stored now."""
    release()
    return db.session.get(Submission, work.id)


def change(row, **values):
    """Change a row as an instructor's form would."""
    with transaction() as session:
        stored = session.get(type(row), row.id)
        for name, value in values.items():
            setattr(stored, name, value)


# --- every call ---


@SQLITE
def test_nobody_is_answered_401_and_never_redirected(as_, school):
    right = payload(school.submission(), filename="answer.py", code="")

    for path in (f"/blockpy/{call}{slash}" for call in CALLS for slash in ("", "/")):
        for form in (right, {"filename": "no such file"}, {}):
            answer = as_(None).post(path, data=form)
            assert answer.status_code == 401, path
            assert (answer.json["success"], answer.json["ip"]) == (False, "127.0.0.1"), path
            assert "Location" not in answer.headers, path


@SQLITE
def test_an_ended_token_is_answered_401_and_the_same_call_is_taken_after_a_new_login(as_, school):
    work, learner = school.submission(), school.learners[0]
    caller, form = as_(learner), payload(work)
    caller.delete("/api/tokens/current")

    refused = caller.post("/blockpy/log_event", data=form)
    taken = as_(learner).post("/blockpy/log_event", data=form)

    assert (refused.status_code, taken.status_code) == (401, 200)
    assert types_of(work).count("Run.Program") == 1


@SQLITE
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_call_answers_success_and_ip_with_and_without_a_slash(as_, school, slash):
    work, caller = school.submission(), as_(school.learners[0])
    forms = {
        "load_assignment": load_form(school, school.learners[0]),
        "save_file": save_form(work, "x = 1\n"),
        "log_event": payload(work),
        "update_submission": result_form(work),
        "update_submission_status": result_form(work, status="Submitted"),
    }

    answers = {call: caller.post(f"/blockpy/{call}{slash}", data=forms[call]) for call in CALLS}

    for call, answer in answers.items():
        assert answer.status_code == 200, call
        assert answer.content_type == "application/json", call
        assert (answer.json["success"], answer.json["ip"]) == (True, "127.0.0.1"), call


@SQLITE
def test_reading_by_get_is_refused_and_changes_nothing(as_, school):
    work = school.submission()
    before = types_of(work)

    for call in CALLS:
        answer = as_(school.learners[0]).get(f"/blockpy/{call}", query_string=payload(work))
        assert answer.status_code == 200, call
        assert (answer.json["success"], answer.json["ip"]) == (False, "127.0.0.1"), call

    assert types_of(work) == before


@SQLITE
def test_a_call_that_does_not_exist_is_refused_for_good(as_, school):
    answer = as_(school.learners[0]).post("/blockpy/no_such_call", data={})

    assert answer.status_code == 200
    assert answer.json["success"] is False
    assert answer.json["ip"] == "127.0.0.1"


@SQLITE
def test_the_token_may_come_as_a_form_field(app, school):
    work = school.submission()
    form = payload(work, access_token=make_token(school.learners[0]))

    answer = app.test_client().post("/blockpy/log_event", data=form)

    assert answer.json["success"] is True
    assert events_of(work, "Run.Program")[0].actor_id == school.learners[0].id


# --- load_assignment ---


def test_the_first_load_makes_the_submission_and_the_next_one_finds_it(as_, school):
    learner = school.learners[0]
    caller = as_(learner)

    first = caller.post("/blockpy/load_assignment", data=load_form(school, learner, timestamp=now_ms() - 10))
    second = caller.post("/blockpy/load_assignment", data=load_form(school, learner))

    work_id = first.json["submission"]["id"]
    assert second.json["submission"]["id"] == work_id
    assert types_of(work_id) == ["Submission.Create", "File.Create", "Session.Start", "Session.Start"]


def test_a_repeated_load_is_one_session_start(as_, school):
    learner = school.learners[0]
    caller, form = as_(learner), load_form(school, learner)

    first = caller.post("/blockpy/load_assignment", data=form)
    second = caller.post("/blockpy/load_assignment", data=form)

    assert second.json["submission"] == first.json["submission"]
    assert types_of(first.json["submission"]["id"]).count("Session.Start") == 1


@SQLITE
def test_a_load_without_a_clock_goes_on_after_the_browser_was_updated(as_, school):
    learner = school.learners[0]
    caller, form = as_(learner), load_form(school, learner, timestamp=None)
    caller.post("/blockpy/load_assignment", data=form, headers={"User-Agent": BROWSER})

    newer = {"User-Agent": BROWSER.replace("126", "127")}
    answer = caller.post("/blockpy/load_assignment", data=form, headers=newer)

    assert answer.json["success"] is True


def test_a_load_says_everything_the_client_cannot_do_without(as_, school):
    learner = school.learners[0]

    told = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner)).json

    for part, fields in (("assignment", ASSIGNMENT_FIELDS), ("submission", SUBMISSION_FIELDS)):
        for name, kind in fields.items():
            assert type(told[part][name]) is kind, f"{part}.{name}"
    assert told["submission"]["code"] == "x = 0\n"
    assert told["submission"]["score"] == 0.0
    assert told["submission"]["user_id"] == learner.id


@SQLITE
def test_the_starting_files_are_copied_and_the_file_event_has_their_code_beside_it(as_, school):
    learner = school.learners[0]
    change(school.assignment, extra_starting_files='{"data.txt": "1"}')

    told = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner)).json["submission"]

    made = events_of(told["id"], "File.Create")[0]
    assert told["extra_files"] == '{"data.txt": "1"}'
    assert made.properties["file_path"] == "answer.py"
    assert db.session.get(CodeState, made.properties["code_state_id"]).code == "x = 0\n"


@SQLITE
def test_a_session_start_says_who_when_and_with_what_but_not_exactly_from_where(as_, school):
    learner = school.learners[0]
    form = load_form(school, learner)

    told = as_(learner).post("/blockpy/load_assignment", data=form, headers={"User-Agent": BROWSER}).json

    start = events_of(told["submission"]["id"], "Session.Start")[0]
    assert (start.user_id, start.actor_id) == (learner.id, learner.id)
    assert (start.course_id, start.assignment_id) == (school.course.id, school.assignment.id)
    assert start.occurred_at == from_ms(form["timestamp"])
    assert (start.user_agent, start.ip_address) == ("Chrome 126 Linux", "127.0.0.0")
    assert learner.name not in str(start.session_id)


def test_without_a_course_there_is_no_submission(as_, school):
    learner = school.learners[0]

    for missing in (None, "", "null"):
        told = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner, course_id=missing)).json
        assert told["success"] is True
        assert told["submission"] is None
        assert told["assignment"]["id"] == school.assignment.id

    release()
    assert db.session.scalars(select(Submission)).all() == []


@SQLITE
def test_a_learner_cannot_load_somebody_elses_work(as_, school):
    other = school.submission(1)
    before = types_of(other)
    caller = as_(school.learners[0])

    for name in ("user_id", "student_id"):
        answer = caller.post(
            "/blockpy/load_assignment", data=load_form(school, school.learners[0], **{name: other.user_id})
        )
        assert answer.status_code == 200
        assert answer.json["success"] is False
        assert "submission" not in answer.json

    assert types_of(other) == before


@SQLITE
@pytest.mark.parametrize("role", [INSTRUCTOR, TEACHING_ASSISTANT])
def test_staff_who_load_a_learners_work_leave_a_mark_in_his_stream(as_, school, role):
    work, helper = school.submission(), make_user("Helper")
    helper.add_role(role, school.course.id)

    told = as_(helper).post("/blockpy/load_assignment", data=load_form(school, helper, user_id=work.user_id)).json

    looked = events_of(work, "X-Submission.Get")
    assert told["submission"]["id"] == work.id
    assert [(event.user_id, event.actor_id, event.occurred_at) for event in looked] == [(work.user_id, helper.id, None)]
    assert types_of(work).count("Session.Start") == 0
    audit = db.session.scalars(select(AnalyticsAccessAudit)).one()
    assert (audit.actor_id, audit.subject_id) == (helper.id, work.user_id)


@SQLITE
def test_an_assignment_of_a_foreign_course_is_not_there(as_, school):
    stranger = make_school(1).learners[0]

    answer = as_(stranger).post("/blockpy/load_assignment", data=load_form(school, stranger))
    unknown = as_(stranger).post("/blockpy/load_assignment", data=load_form(school, stranger, assignment_id=999_999))

    assert answer.status_code == 200
    assert answer.json == unknown.json
    assert answer.json["success"] is False


@SQLITE
def test_the_answer_keys_of_a_quiz_are_for_staff(as_, school):
    learner = school.learners[0]
    change(school.assignment, type="quiz", on_run="keys", on_eval="keys", extra_instructor_files='{"a": "b"}')

    shown = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner)).json["assignment"]
    staff = as_(school.teacher).post("/blockpy/load_assignment", data=load_form(school, school.teacher)).json

    assert {shown[name] for name in ("on_run", "on_change", "on_eval", "extra_instructor_files")} == {""}
    assert shown["extra_starting_files"] == ""
    assert staff["assignment"]["on_run"] == "keys"


@SQLITE
def test_force_quiz_takes_the_answer_keys_out_of_any_assignment(as_, school):
    learner = school.learners[0]
    change(school.assignment, on_run="keys")

    plain = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner))
    forced = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner, force_quiz="true"))

    assert plain.json["assignment"]["on_run"] == "keys"
    assert forced.json["assignment"]["on_run"] == ""


@SQLITE
def test_a_wrong_passcode_is_refused_with_a_sentence_and_the_right_one_enters(as_, school):
    learner = school.learners[0]
    change(school.assignment, settings='{"passcode": "sesame"}')

    wrong = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner, passcode="simsim"))
    right = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner, passcode="sesame"))

    assert wrong.status_code == 200
    assert (wrong.json["success"], wrong.json["message"]) == (False, "The passcode is not right.")
    assert "assignment" not in wrong.json
    assert right.json["success"] is True


RANGES = [
    ("", True),
    ("127.0.0.1", True),
    ("127.0.0.0/8", True),
    ("10.0.0.0/8", False),
    ("^127.0.0.1", False),
    ("^127.0.0.1, !127.0.0.0/8", True),
    ("10.0.0.0/8, 127.0.0.1", True),
    ("nonsense", False),
]


@SQLITE
def test_ip_ranges_decide_who_may_load(as_, school):
    learner = school.learners[0]

    for ranges, enters in RANGES:
        change(school.assignment, ip_ranges=ranges)
        answer = as_(learner).post("/blockpy/load_assignment", data=load_form(school, learner))
        assert (answer.status_code, answer.json["success"]) == (200, enters), ranges


# --- save_file ---


def test_a_save_becomes_the_code_a_version_and_a_file_edit(as_, school):
    work = school.submission()
    form = save_form(work, "print(1)\n")

    answer = as_(school.learners[0]).post("/blockpy/save_file", data=form)

    edit = events_of(work, "File.Edit")[0]
    assert answer.json == {"success": True, "ip": "127.0.0.1", "version_change": False, "current": True}
    assert (now(work).code, now(work).version) == ("print(1)\n", work.version + 1)
    assert edit.properties["file_path"] == "answer.py"
    assert edit.properties["submission_version"] == work.version + 1
    assert db.session.get(CodeState, edit.properties["code_state_id"]).code == "print(1)\n"
    assert "print(1)" not in json.dumps(edit.properties)
    assert edit.occurred_at == from_ms(form["timestamp"])


def test_a_byte_identical_save_again_changes_nothing(as_, school):
    work = school.submission()
    caller, form = as_(school.learners[0]), save_form(work, "print(1)\n")
    caller.post("/blockpy/save_file", data=form)
    before = (now(work).as_dict(), types_of(work))

    answer = caller.post("/blockpy/save_file", data=form)

    assert answer.json["success"] is True
    assert (now(work).as_dict(), types_of(work)) == before


def test_an_older_save_is_history_and_not_the_current_code(as_, school):
    work, ms = school.submission(), now_ms()
    caller = as_(school.learners[0])
    caller.post("/blockpy/save_file", data=save_form(work, "new\n", timestamp=ms))

    old = save_form(work, "old\n", timestamp=ms - 60_000)
    answer, again = (caller.post("/blockpy/save_file", data=old) for _ in range(2))

    edits = events_of(work, "File.Edit")
    assert (answer.json["current"], again.json["current"]) == (False, False)
    codes = [db.session.get(CodeState, edit.properties["code_state_id"]).code for edit in edits]
    assert answer.json["success"] is True
    assert now(work).code == "new\n"
    assert now(work).version == work.version + 2
    assert codes == ["new\n", "old\n"]
    assert [edit.properties.get("stale", False) for edit in edits] == [False, True]


@SQLITE
def test_a_save_is_never_refused_for_its_clock(as_, school):
    work = school.submission()
    caller = as_(school.learners[0])

    for code, timestamp in (("a", 5), ("b", 6), ("c", 4_102_444_800_000), ("d", "nonsense"), ("e", "")):
        answer = caller.post("/blockpy/save_file", data=save_form(work, code, timestamp=timestamp))
        assert answer.json["success"] is True, timestamp
        assert now(work).code == code, timestamp


@SQLITE
def test_after_a_clock_of_the_future_the_next_save_is_current_all_the_same(as_, school):
    work = school.submission()
    caller = as_(school.learners[0])
    caller.post("/blockpy/save_file", data=save_form(work, "from 2100", timestamp=4_102_444_800_000))

    caller.post("/blockpy/save_file", data=save_form(work, "from now", timestamp=now_ms() + 1))

    assert now(work).code == "from now"


def test_a_part_replaces_its_region_only(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    whole = "top\n##### Part one\n1\n##### Part two\n2"
    caller.post("/blockpy/save_file", data=save_form(work, whole, timestamp=now_ms() - 50))

    caller.post("/blockpy/save_file", data=save_form(work, "changed\nlines", part_id="one"))

    assert now(work).code == "top\n##### Part one\nchanged\nlines\n##### Part two\n2"
    assert events_of(work, "File.Edit")[-1].properties["file_path"] == "answer.py#one"


@SQLITE
def test_a_missing_part_is_appended_with_its_heading(as_, school):
    work = school.submission()

    as_(school.learners[0]).post("/blockpy/save_file", data=save_form(work, "3", part_id="three"))

    assert "##### Part three\n3" in now(work).code
    assert now(work).code.startswith("x = 0\n")


@SQLITE
def test_parts_that_arrive_out_of_order_both_count(as_, school):
    work, caller, ms = school.submission(), as_(school.learners[0]), now_ms()
    caller.post("/blockpy/save_file", data=save_form(work, "1", part_id="one", timestamp=ms))

    caller.post("/blockpy/save_file", data=save_form(work, "2", part_id="two", timestamp=ms - 1000))

    assert "##### Part one\n1\n##### Part two\n2" in now(work).code


@SQLITE
def test_an_old_save_of_the_whole_file_does_not_undo_a_newer_part(as_, school):
    work, caller, ms = school.submission(), as_(school.learners[0]), now_ms()
    caller.post("/blockpy/save_file", data=save_form(work, "new", part_id="one", timestamp=ms))
    before = now(work).code

    caller.post("/blockpy/save_file", data=save_form(work, "the old whole", timestamp=ms - 60_000))

    assert now(work).code == before


@SQLITE
def test_an_old_save_of_a_part_does_not_undo_a_newer_whole_file(as_, school):
    work, caller, ms = school.submission(), as_(school.learners[0]), now_ms()
    caller.post("/blockpy/save_file", data=save_form(work, "##### Part one\nnew", timestamp=ms))

    caller.post("/blockpy/save_file", data=save_form(work, "old", part_id="one", timestamp=ms - 60_000))

    assert now(work).code == "##### Part one\nnew"


@SQLITE
def test_extra_files_are_kept_beside_the_answer(as_, school):
    work = school.submission()
    form = save_form(work, '{"data.txt": "1"}', filename="#extra_student_files.blockpy")

    answer = as_(school.learners[0]).post("/blockpy/save_file", data=form)

    assert answer.json["success"] is True
    assert (now(work).extra_files, now(work).code) == ('{"data.txt": "1"}', "x = 0\n")
    assert events_of(work, "File.Edit")[0].properties["file_path"] == "#extra_student_files.blockpy"


@SQLITE
def test_an_empty_file_is_a_save_like_any_other(as_, school):
    work = school.submission()

    answer = as_(school.learners[0]).post("/blockpy/save_file", data=save_form(work, ""))

    assert answer.json["success"] is True
    assert now(work).code == ""


@SQLITE
def test_a_save_says_that_the_assignment_has_moved_on(as_, school):
    work = school.submission()
    change(school.assignment, version=5)

    answer = as_(school.learners[0]).post("/blockpy/save_file", data=save_form(work, "y"))

    assert answer.json["version_change"] is True


@SQLITE
def test_the_first_save_begins_the_work(as_, school):
    work = school.submission()

    as_(school.learners[0]).post("/blockpy/save_file", data=save_form(work, "y"))

    assert (work.submission_status, now(work).submission_status) == ("Initialized", "inProgress")


INSTRUCTOR_FILES = [
    ("!instructions.md", "instructions", "# Do it"),
    ("!on_run.py", "on_run", "assert_equal(1, 1)"),
    ("!on_change.py", "on_change", "pass"),
    ("!on_eval.py", "on_eval", "pass"),
    ("^starting_code.py", "starting_code", "y = 0"),
    ("#extra_instructor_files.blockpy", "extra_instructor_files", '{"a.py": ""}'),
    ("#extra_starting_files.blockpy", "extra_starting_files", '{"a.py": ""}'),
]


@SQLITE
def test_instructor_files_are_the_instructors(as_, school):
    work, version = school.submission(), school.assignment.version
    learner, teacher = as_(school.learners[0]), as_(school.teacher)

    for n, (filename, field, code) in enumerate(INSTRUCTOR_FILES):
        form = save_form(work, code, filename=filename)
        refused = learner.post("/blockpy/save_file", data=form)
        release()
        untouched = db.session.get(Assignment, school.assignment.id)
        assert (refused.status_code, refused.json["success"]) == (200, False), filename
        assert (getattr(untouched, field), untouched.version) == (getattr(school.assignment, field), version + n)
        assert teacher.post("/blockpy/save_file", data=form).json["success"] is True, filename
        release()
        row = db.session.get(Assignment, school.assignment.id)
        assert (getattr(row, field), row.version) == (code, version + n + 1), filename


@SQLITE
def test_settings_that_the_client_does_not_know_survive_its_save(as_, school):
    change(school.assignment, settings='{"time_limit": "90min", "toolbox": "full"}')
    form = save_form(school.submission(), '{"toolbox": "ct"}', filename="!assignment_settings.blockpy")

    as_(school.teacher).post("/blockpy/save_file", data=form)

    release()
    stored = db.session.get(Assignment, school.assignment.id).settings
    assert json.loads(stored) == {"time_limit": "90min", "toolbox": "ct"}


@SQLITE
def test_not_even_staff_save_into_a_learners_work(as_, school):
    work = school.submission()

    answer = as_(school.teacher).post("/blockpy/save_file", data=save_form(work, "ours"))

    assert (answer.status_code, answer.json["success"]) == (200, False)
    assert now(work).code == "x = 0\n"


# --- log_event ---


def test_a_retry_gets_the_log_id_of_the_first_delivery(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    form = payload(work)

    ids = [caller.post("/blockpy/log_event", data=form).json["log_id"] for _ in range(3)]

    assert len(set(ids)) == 1
    assert [event.id for event in events_of(work, "Run.Program")] == ids[:1]


@SQLITE
def test_a_retry_is_known_by_its_payload_whatever_its_headers_and_token(as_, school):
    work, form = school.submission(), payload(school.submission())

    first = as_(school.learners[0]).post("/blockpy/log_event", data=form, headers={"User-Agent": BROWSER})
    again = as_(school.learners[0]).post("/blockpy/log_event", data=form, headers={"User-Agent": "another"})

    assert again.json["log_id"] == first.json["log_id"]
    assert types_of(work).count("Run.Program") == 1


def test_an_event_id_makes_one_event_and_refuses_another_content(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    form = payload(work, event_id=str(uuid.uuid4()))
    first = caller.post("/blockpy/log_event", data=form)

    again = caller.post("/blockpy/log_event", data=form)
    other = caller.post("/blockpy/log_event", data={**form, "message": "another"})

    assert again.json["log_id"] == first.json["log_id"]
    assert (other.status_code, other.json["success"], other.json["field"]) == (200, False, "event_id")
    assert types_of(work).count("Run.Program") == 1


@SQLITE
def test_an_event_id_tells_two_events_of_the_same_payload_apart(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    form = payload(work)

    ids = {caller.post("/blockpy/log_event", data={**form, "event_id": str(uuid.uuid4())}).json["log_id"] for _ in "ab"}

    assert len(ids) == 2


def test_three_events_of_one_millisecond_are_three(as_, school):
    work, caller, ms = school.submission(), as_(school.learners[0]), now_ms()
    kinds = (("Compile", ""), ("Run.Program", ""), ("Run.Program", "again"))

    ids = {
        caller.post("/blockpy/log_event", data=payload(work, kind, message=message, timestamp=ms)).json["log_id"]
        for kind, message in kinds
    }

    assert len(ids) == 3
    assert [event.properties["client_ms"] for event in events_of(work)[-3:]] == [ms] * 3


@SQLITE
@pytest.mark.parametrize(
    ("dialect", "syntax", "runtime"),
    [
        (
            {"version": 1, "assignment_version": 0, "extended": "false"},
            ("Compile.Error", ""),
            ("Run.Program", "ProgramErrorOutput"),
        ),
        ({"version": 0}, ("Run.Program", "ProgramErrorOutput"), ("Compile.Error", "")),
    ],
    ids=["G2", "G1"],
)
def test_both_dialects_of_the_client_count_alike(as_, school, run_jobs, dialect, syntax, runtime):
    work, caller, ms = school.submission(), as_(school.learners[0]), now_ms()
    told = (
        (syntax, "SyntaxError: bad input on line 1"),
        (runtime, "NameError: name 'y' is not defined on line 1"),
        (("Run.Program", ""), '{"inputs": [], "outputs": []}'),
    )
    for n, ((kind, category), message) in enumerate(told):
        form = payload(work, kind, category=category, message=message, timestamp=ms - 100 + n, **dialect)
        assert caller.post("/blockpy/log_event", data=form).json["success"] is True

    run_jobs()

    release()
    row = db.session.get(SubmissionCounts, work.id)
    assert (row.runs, row.syntax_outcomes, row.runtime_outcomes) == (2, 1, 1)


@SQLITE
def test_an_event_may_lack_everything_but_its_name_and_its_place(as_, school):
    work = school.submission()
    form = {"event_type": "X-Rating", "assignment_id": work.assignment_id, "submission_id": work.id}

    answer = as_(school.learners[0]).post("/blockpy/log_event", data=form)

    event = events_of(work, "X-Rating")[0]
    assert answer.json["log_id"] == event.id
    assert event.properties.get("file_path", "") == ""
    assert event.occurred_at == event.created_at


@SQLITE
@pytest.mark.parametrize("nothing", ["", "null", "undefined", "NaN"])
def test_words_for_nothing_are_nothing(as_, school, nothing):
    work = school.submission()
    names = ("assignment_group_id", "course_id", "user_id", "version", "assignment_version", "timestamp", "timezone")

    answer = as_(school.learners[0]).post(
        "/blockpy/log_event", data=payload(work, **dict.fromkeys(names, nothing), event_id="")
    )

    event = events_of(work, "Run.Program")[0]
    assert answer.json["success"] is True
    assert (event.course_id, event.assignment_id, event.user_id) == (
        work.course_id,
        work.assignment_id,
        school.learners[0].id,
    )
    assert event.occurred_at == event.created_at


@SQLITE
def test_unknown_event_types_are_stored(as_, school):
    work, caller = school.submission(), as_(school.learners[0])

    for kind in ("Robot.Dance", "x" * 255, "Ünïcode ☃", "submission_graded", "Submission.Create"):
        assert caller.post("/blockpy/log_event", data=payload(work, kind)).json["success"] is True
        assert events_of(work)[-1].event_type == kind


def test_what_only_the_server_may_say_counts_for_nothing_when_a_client_says_it(as_, school, run_jobs):
    work, caller = school.submission(), as_(school.learners[0])
    run_jobs()
    before = caller.get(f"/api/users/{work.user_id}/counts").json

    for kind in ("Submission.Create", "role_changed", "user_login", "error_recorded", "gap_recorded"):
        form = payload(work, kind, message='{"type": "syntax", "count": 100}')
        assert caller.post("/blockpy/log_event", data=form).json["success"] is True
    run_jobs()

    after = caller.get(f"/api/users/{work.user_id}/counts").json
    assert after["folded_seq"] == before["folded_seq"] + 5
    for name in ("total_submissions", "total_courses_in", "last_logged_in"):
        assert after[name] == before[name], name


@SQLITE
def test_the_place_of_an_event_is_the_submissions_whatever_the_client_says(as_, school):
    work, other = school.submission(), make_school(1)
    form = payload(work, assignment_id=other.assignment.id, course_id=other.course.id, user_id=other.learners[0].id)

    answer = as_(school.learners[0]).post("/blockpy/log_event", data=form)

    event = events_of(work, "Run.Program")[0]
    assert answer.json["success"] is True
    assert (event.user_id, event.assignment_id, event.course_id) == (
        work.user_id,
        work.assignment_id,
        work.course_id,
    )


@SQLITE
def test_an_instructor_may_log_for_a_learner_and_an_assistant_may_not(as_, school):
    work, assistant = school.submission(), make_user("Assistant")
    assistant.add_role(TEACHING_ASSISTANT, school.course.id)

    teachers = as_(school.teacher).post("/blockpy/log_event", data=payload(work))
    assistants = as_(assistant).post("/blockpy/log_event", data=payload(work))

    logged = events_of(work, "Run.Program")
    assert (teachers.json["success"], assistants.json["success"]) == (True, False)
    assert [(event.user_id, event.actor_id) for event in logged] == [(work.user_id, school.teacher.id)]


@SQLITE
def test_a_dead_clock_counts_as_the_arrival_and_its_own_value_is_kept(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    dead = (5, 4_102_444_800_000, now_ms() - 8 * 24 * 3600 * 1000, -5)

    for timestamp in dead:
        caller.post("/blockpy/log_event", data=payload(work, timestamp=timestamp))

    logged = events_of(work, "Run.Program")
    assert [event.properties["client_ms"] for event in logged] == list(dead)
    assert all(event.occurred_at == event.created_at for event in logged)


@SQLITE
def test_an_unreadable_clock_counts_as_the_arrival_and_is_kept_as_it_was(as_, school):
    work = school.submission()

    answer = as_(school.learners[0]).post("/blockpy/log_event", data=payload(work, timestamp="half past nine"))

    event = events_of(work, "Run.Program")[0]
    assert answer.json["success"] is True
    assert event.occurred_at == event.created_at
    assert event.properties["client_timestamp"] == "half past nine"


@SQLITE
def test_a_week_old_event_keeps_its_own_time(as_, school):
    work, ms = school.submission(), now_ms() - 6 * 24 * 3600 * 1000

    as_(school.learners[0]).post("/blockpy/log_event", data=payload(work, timestamp=ms))

    assert events_of(work, "Run.Program")[0].occurred_at == from_ms(ms)


# --- update_submission ---


def test_a_score_becomes_the_best_and_is_answered(as_, school):
    work = school.submission()

    answer = as_(school.learners[0]).post("/blockpy/update_submission", data=result_form(work, score="0.5"))

    assert answer.json == {
        "success": True,
        "ip": "127.0.0.1",
        "submitted": True,
        "changed": True,
        "correct": False,
        "score": 0.5,
        "message": "",
        "feedbacks": {},
        "submission_status": "Submitted",
        "grading_status": "Pending",
    }
    assert (now(work).score, now(work).attempts, now(work).is_graded) == (0.5, 1, True)


SCORES = [
    ("NaN", 0.0),
    ("", 0.0),
    (None, 0.0),
    ("0", 0.0),
    ("-0.5", 0.0),
    ("-1e999999", 0.0),
    ("1e-999999", 0.0),
    ("Infinity", 0.0),
    ("-Infinity", 0.0),
    ("sNaN", 0.0),
    ("0.25", 0.25),
    ("0.3333333333333333", 0.333333),
    ("1", 1.0),
    ("1.0", 1.0),
    ("50", 0.5),
    ("33.333333333333336", 0.333333),
    ("100", 1.0),
    ("250", 1.0),
    ("1e999999", 1.0),
    ("9" * 400, 1.0),
]


@SQLITE
def test_a_score_is_read_as_every_client_writes_it(as_, school):
    work, caller = school.submission(), as_(school.learners[0])

    for score, stored in SCORES:
        change(work, percentage=0)
        form = {name: value for name, value in result_form(work, score=score).items() if value is not None}
        answer = caller.post("/blockpy/update_submission", data=form)
        assert (answer.status_code, answer.json["success"]) == (200, True), score
        assert now(work).score == pytest.approx(stored), score
        assert answer.json["score"] == now(work).score, score


@SQLITE
def test_a_score_that_is_no_number_is_refused_for_good(as_, school):
    work = school.submission()

    for score in ("full marks", "1,5", "\x00", "0x10"):
        answer = as_(school.learners[0]).post("/blockpy/update_submission", data=result_form(work, score=score))
        assert (answer.status_code, answer.json["success"], answer.json["field"]) == (200, False, "score"), score

    assert now(work).as_dict() == work.as_dict()


def test_the_best_score_stays_and_correct_stays(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    claims = (("0.6", "false"), ("0.2", "false"), ("0", "true"), ("0.1", "false"), ("0", "false"))

    seen = []
    for score, correct in claims:
        caller.post("/blockpy/update_submission", data=result_form(work, score=score, correct=correct))
        seen.append((now(work).score, now(work).correct, now(work).submission_status))

    assert seen == [
        (0.6, False, "Submitted"),
        (0.6, False, "Submitted"),
        (1.0, True, "Completed"),
        (1.0, True, "Completed"),
        (1.0, True, "Completed"),
    ]
    assert now(work).attempts == 5


def test_submit_and_graded_follow_a_change_once_in_the_same_stream(as_, school):
    work, caller = school.submission(), as_(school.learners[0])

    for n in range(3):
        form = result_form(work, score="0.5", timestamp=now_ms() - 10 + n)
        caller.post("/blockpy/update_submission", data=form)

    said = types_of(work)
    assert said.count("X-Submission.Update") == 3
    assert said[3:5] == ["Submit", "submission_graded"]
    assert (said.count("Submit"), said.count("submission_graded")) == (1, 1)
    graded = events_of(work, "submission_graded")[0]
    assert (float(graded.properties["percentage"]), float(graded.properties["previous"])) == (50, 0)


def test_a_retried_result_is_counted_once(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    form = result_form(work, score="0.5", correct="true")
    first = caller.post("/blockpy/update_submission", data=form)
    before = (now(work).as_dict(), types_of(work))

    again = caller.post("/blockpy/update_submission", data=form)

    assert (now(work).as_dict(), types_of(work)) == before
    assert now(work).attempts == 1
    for name in ("success", "score", "correct", "submission_status", "grading_status"):
        assert again.json[name] == first.json[name], name


@SQLITE
def test_a_failing_run_without_points_changes_nothing_but_the_attempts(as_, school):
    work = school.submission()

    answer = as_(school.learners[0]).post("/blockpy/update_submission", data=result_form(work, score="NaN"))

    assert (answer.json["success"], answer.json["changed"]) == (True, False)
    assert (now(work).attempts, now(work).submission_status) == (1, "Initialized")
    assert not {"Submit", "submission_graded"} & set(types_of(work))


@SQLITE
def test_a_reviewed_assignment_waits_for_its_reviewer(as_, school):
    work = school.submission()
    change(school.assignment, reviewed=True)

    answer = as_(school.learners[0]).post(
        "/blockpy/update_submission", data=result_form(work, score="1", correct="true")
    )

    assert (answer.json["submission_status"], answer.json["grading_status"]) == ("inProgress", "NotReady")
    assert "Submit" not in types_of(work)


@SQLITE
@pytest.mark.parametrize("who", ["other", "teacher"])
def test_nobody_claims_a_score_for_somebody_else(as_, school, who):
    work = school.submission()
    person = {"other": school.learners[1], "teacher": school.teacher}[who]

    answer = as_(person).post("/blockpy/update_submission", data=result_form(work, score="1", correct="true"))

    assert (answer.status_code, answer.json["success"]) == (200, False)
    assert now(work).as_dict() == work.as_dict()


# --- update_submission_status ---


def test_handing_in_and_taking_back(as_, school):
    work, caller = school.submission(), as_(school.learners[0])

    handed = caller.post("/blockpy/update_submission_status", data=result_form(work, status="Submitted")).json
    taken = caller.post("/blockpy/update_submission_status", data=result_form(work, status="inProgress")).json

    assert (handed["success"], handed["submission_status"], handed["grading_status"]) == (
        True,
        "Submitted",
        "PendingManual",
    )
    assert (taken["success"], taken["submission_status"], taken["grading_status"]) == (True, "inProgress", "NotReady")
    assert types_of(work).count("Submit") == 1
    assert now(work).date_submitted is not None


def test_handing_in_twice_is_one_submit(as_, school):
    work, caller, ms = school.submission(), as_(school.learners[0]), now_ms()

    for timestamp in (ms - 10, ms - 10, ms):
        form = result_form(work, status="Submitted", timestamp=timestamp)
        assert caller.post("/blockpy/update_submission_status", data=form).json["success"] is True

    assert types_of(work).count("X-Submission.Status") == 2
    assert types_of(work).count("Submit") == 1


@SQLITE
def test_handing_in_correct_work_completes_it(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    change(work, correct=True)

    answer = caller.post("/blockpy/update_submission_status", data=result_form(work, status="Submitted"))

    assert (answer.json["submission_status"], answer.json["grading_status"]) == ("Completed", "FullyGraded")


@SQLITE
@pytest.mark.parametrize("status", ["Completed", "FullyGraded", "", None, "null"])
def test_a_status_that_a_learner_may_not_set_is_refused(as_, school, status):
    work = school.submission()
    form = {name: value for name, value in result_form(work, status=status).items() if value is not None}

    answer = as_(school.learners[0]).post("/blockpy/update_submission_status", data=form)

    assert (answer.status_code, answer.json["success"], answer.json["field"]) == (200, False, "status")
    assert now(work).as_dict() == work.as_dict()


# --- several at once ---


def test_two_tabs_that_open_at_once_share_one_submission(app, as_, school):
    learner, answers = make_learner(school.course), []
    caller, gate = as_(learner), threading.Barrier(4)

    def load(n):
        gate.wait()
        with app.app_context():
            form = load_form(school, learner, timestamp=now_ms() - n)
            answers.append(caller.post("/blockpy/load_assignment", data=form).json)

    threads = [threading.Thread(target=load, args=(n,)) for n in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    ids = {answer["submission"]["id"] for answer in answers}
    assert [answer["success"] for answer in answers] == [True] * 4
    assert len(ids) == 1
    said = types_of(ids.pop())
    assert (said.count("Submission.Create"), said.count("File.Create")) == (1, 1)
