"""`/api/events`, counts and recalculations over HTTP."""

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import func, select, update

from models.analytics_events import StudyEvent
from models.counters import SubmissionCounts, UserCounts
from models.db import db, iso, release, transaction, utcnow
from models.streams import AnalyticsAccessAudit, JobRun
from models.submission import CodeState, Submission
from models.user import TEACHING_ASSISTANT
from tests.factories import make_event, make_school, make_user, now_ms, store

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def event(work, event_type="Run.Program", **fields):
    """One event of a batch; a field of None is left out."""
    common = {
        "event_id": str(uuid.uuid4()),
        "event_type": event_type,
        "assignment_id": work.assignment_id,
        "submission_id": work.id,
        "timestamp": now_ms(),
    }
    return {name: value for name, value in {**common, **fields}.items() if value is not None}


def post(caller, *events):
    """Deliver a batch; answers its results."""
    answer = caller.post("/api/events", json={"events": list(events)})
    assert answer.status_code == 200
    return answer.json["results"]


def stored(work):
    """How many events of a submission are in the log."""
    release()
    return db.session.scalar(select(func.count()).where(StudyEvent.submission_id == work.id))


def spoil(work, **values):
    """Make the stored counts wrong, as no program of ours does."""
    with transaction() as session:
        session.execute(update(SubmissionCounts).where(SubmissionCounts.submission_id == work.id).values(values))


# --- batches ---


def test_each_event_of_a_batch_is_stored_a_duplicate_or_rejected(school, as_):
    work, other, caller = school.submission(0), school.submission(1), as_(school.learners[0])
    known, before = event(work), stored(work)
    first = post(caller, known)[0]
    fresh = event(work)

    results = post(caller, known, fresh, fresh, {**known, "message": "other"}, event(other), event(work, event_id=None))

    assert [r["status"] for r in results] == ["duplicate", "stored", "duplicate", "rejected", "rejected", "rejected"]
    assert results[0]["log_id"] == first["log_id"]
    assert results[1]["log_id"] == results[2]["log_id"]
    assert [r["event_id"] for r in results[:4]] == [known["event_id"]] + [fresh["event_id"]] * 2 + [known["event_id"]]
    assert all(r["message"] for r in results[3:])
    assert stored(work) == before + 2


@SQLITE
def test_a_batch_sent_again_is_all_duplicates_with_the_same_places(school, as_):
    work, caller = school.submission(), as_(school.learners[0])
    batch = [event(work) for _ in range(20)]

    first, again = post(caller, *batch), post(caller, *reversed(batch))

    assert {r["status"] for r in again} == {"duplicate"}
    assert [r["log_id"] for r in reversed(again)] == [r["log_id"] for r in first]


@SQLITE
def test_the_largest_batch_is_500(school, as_):
    work, before = school.submission(), stored(school.submission())

    results = post(as_(school.learners[0]), *(event(work) for _ in range(500)))

    assert [r["status"] for r in results] == ["stored"] * 500
    assert len({r["log_id"] for r in results}) == 500
    assert stored(work) == before + 500


@SQLITE
def test_an_event_id_of_another_learner_tells_nothing_about_it(school, as_):
    mine, other = school.submission(0), school.submission(1)
    theirs = event(other)
    post(as_(school.learners[1]), theirs)

    result = post(as_(school.learners[0]), {**theirs, "submission_id": mine.id})[0]

    assert result["status"] == "rejected"
    assert "log_id" not in result


@SQLITE
def test_an_iso_time_wins_over_the_timestamp(school, as_):
    work, moment = school.submission(), utcnow().replace(microsecond=123000) - timedelta(seconds=1)
    caller = as_(school.learners[0])

    post(caller, event(work, "X-One", occurred_at=iso(moment), timestamp=5))
    post(caller, event(work, "X-Two", occurred_at=moment.replace(tzinfo=None).isoformat(), timestamp=5))

    told = caller.get(f"/api/submissions/{work.id}/events?limit=2").json["items"]
    assert [item["event_type"] for item in told] == ["X-Two", "X-One"]
    assert [item["occurred_at"] for item in told] == [iso(moment)] * 2


@SQLITE
def test_an_instructor_may_deliver_for_his_learners_and_an_assistant_for_nobody(school, as_):
    work, assistant = school.submission(), make_user("Assistant")
    assistant.add_role(TEACHING_ASSISTANT, school.course.id)

    results = [post(as_(who), event(work))[0]["status"] for who in (school.teacher, assistant)]
    foreign = post(as_(make_school(0).teacher), event(work))[0]["status"]

    assert (results, foreign) == (["stored", "rejected"], "rejected")


@SQLITE
def test_code_is_kept_beside_the_log(school, as_):
    work, caller = school.submission(), as_(school.learners[0])

    post(caller, event(work, "File.Edit", message="print(1)", file_path="answer.py"))

    told = caller.get(f"/api/submissions/{work.id}/events?limit=1").json["items"][0]
    assert (told["message"], told["file_path"]) == ("", "answer.py")
    assert db.session.get(CodeState, told["code_state_id"]).code == "print(1)"


@SQLITE
def test_events_are_told_newest_first_and_as_many_as_asked(school, as_):
    work, caller = school.submission(), as_(school.learners[0])
    post(caller, *(event(work, f"X-{n}") for n in range(60)))

    default = caller.get(f"/api/submissions/{work.id}/events").json["items"]
    few = caller.get(f"/api/submissions/{work.id}/events?limit=3").json["items"]

    assert [item["event_type"] for item in few] == ["X-59", "X-58", "X-57"]
    assert len(default) == 50
    assert all(item["created_at"].endswith("Z") for item in default)


# --- counts ---


def test_counts_say_how_far_they_are_behind_and_fresh_ones_are_not(school, as_):
    work, caller = school.submission(), as_(school.learners[0])
    path = f"/api/submissions/{work.id}/counts"
    caller.get(f"{path}?fresh=1")
    post(caller, *(event(work) for _ in range(7)))

    before, fresh, after = (caller.get(f"{path}{query}").json for query in ("", "?fresh=1", ""))

    assert (before["runs"], before["behind"]) == (0, 7)
    assert (fresh["runs"], fresh["behind"]) == (7, 0)
    assert after == fresh


def test_the_worker_and_a_fresh_answer_come_to_the_same(school, as_, run_jobs):
    work, caller = school.submission(), as_(school.learners[0])
    post(caller, *(event(work, kind) for kind in ("Run.Program", "File.Edit", "Compile", "X-Unknown")))

    run_jobs()
    worked = caller.get(f"/api/submissions/{work.id}/counts").json
    fresh = caller.get(f"/api/submissions/{work.id}/counts?fresh=1").json

    assert worked == fresh
    assert (worked["runs"], worked["edits"], worked["behind"]) == (1, 1, 0)


@SQLITE
def test_counts_have_every_column_of_their_table(school, as_):
    work, caller = school.submission(), as_(school.learners[0])
    post(caller, event(work))

    told = caller.get(f"/api/submissions/{work.id}/counts?fresh=1").json

    columns = {column.key for column in SubmissionCounts.__table__.columns}
    assert set(told) == columns | {"behind", "edit_statistics", "attempt_statistics"}
    assert told["last_event_at"].endswith("Z")


@SQLITE
def test_counts_of_a_course_an_assignment_and_a_person_follow(school, as_):
    works, teacher = [school.submission(n) for n in range(2)], as_(school.teacher)
    for work, learner in zip(works, school.learners, strict=False):
        post(as_(learner), event(work))

    stale = teacher.get(f"/api/courses/{school.course.id}/counts").json
    course = teacher.get(f"/api/courses/{school.course.id}/counts?fresh=1").json
    assignment = teacher.get(f"/api/assignments/{school.assignment.id}/counts?fresh=1").json
    person = as_(school.learners[0]).get(f"/api/users/{school.learners[0].id}/counts?fresh=1").json

    assert (stale["total_users"], stale["behind"] > 4) == (0, True)
    assert (course["total_submissions"], course["total_assignments"], course["behind"]) == (2, 1, 0)
    assert (course["total_users"], course["total_students"], course["total_instructors"]) == (4, 3, 1)
    assert (assignment["total_submissions"], assignment["behind"]) == (2, 0)
    assert (person["total_submissions"], person["total_courses_in"], person["behind"]) == (1, 1, 0)


@SQLITE
def test_counts_of_a_courses_submissions_are_listed_by_pages_and_sieved(school, as_):
    works, teacher = [school.submission(n) for n in range(3)], as_(school.teacher)
    teacher.get(f"/api/courses/{school.course.id}/counts?fresh=1")
    path = f"/api/courses/{school.course.id}/submission_counts"

    first = teacher.get(f"{path}?limit=2").json
    second = teacher.get(f"{path}?limit=2&after={first['next']}").json
    one = teacher.get(f"{path}?user_id={works[1].user_id}").json
    none = teacher.get(f"{path}?assignment_id=999999").json

    assert [item["submission_id"] for item in first["items"] + second["items"]] == [work.id for work in works]
    assert (first["next"], second["next"]) == (works[1].id, None)
    assert [item["submission_id"] for item in one["items"]] == [works[1].id]
    assert none == {"items": [], "next": None}


@SQLITE
def test_a_look_at_somebody_elses_counts_is_written_down_and_one_at_ones_own_is_not(school, as_):
    work = school.submission()

    as_(school.learners[0]).get(f"/api/submissions/{work.id}/counts")
    as_(school.teacher).get(f"/api/submissions/{work.id}/counts")

    rows = db.session.scalars(select(AnalyticsAccessAudit)).all()
    assert [(row.actor_id, row.subject_id, row.what, row.scope) for row in rows] == [
        (school.teacher.id, work.user_id, "counts", f"submission:{work.id}")
    ]


# --- recalculations ---


def test_a_recalculation_finds_and_mends_what_is_wrong_and_then_nothing(school, as_, run_jobs):
    work, teacher = school.submission(), as_(school.teacher)
    post(as_(school.learners[0]), event(work), event(work))
    run_jobs()
    spoil(work, runs=99, edits=5)

    asked = teacher.post("/api/recalculations", json={"scope": "submission", "id": work.id})
    run_jobs()
    done = teacher.get(f"/api/recalculations/{asked.json['id']}").json
    again = teacher.post("/api/recalculations", json={"scope": "submission", "id": work.id}).json
    run_jobs()

    found = {(d["table"], d["id"], d["field"]): (d["was"], d["is"]) for d in done["differences"]}
    assert (asked.status_code, asked.json["status"]) == (202, "queued")
    assert (done["status"], done["done"], done["changed"]) == ("done", done["total"], 1)
    assert found == {
        ("submission_counts", work.id, "runs"): (99, 2),
        ("submission_counts", work.id, "edits"): (5, 0),
    }
    assert done["requested_by"] == school.teacher.id
    assert done["started_at"] <= done["finished_at"]
    assert teacher.get(f"/api/recalculations/{again['id']}").json["differences"] == []
    assert teacher.get(f"/api/submissions/{work.id}/counts").json["runs"] == 2


@SQLITE
def test_a_dry_run_only_looks(school, as_, run_jobs):
    work, teacher = school.submission(), as_(school.teacher)
    run_jobs()
    spoil(work, runs=99)

    asked = teacher.post("/api/recalculations", json={"scope": "course", "id": school.course.id, "dry_run": True})
    run_jobs()

    done = teacher.get(f"/api/recalculations/{asked.json['id']}").json
    assert [(d["field"], d["was"], d["is"]) for d in done["differences"]] == [("runs", 99, 0)]
    assert teacher.get(f"/api/submissions/{work.id}/counts").json["runs"] == 99


@SQLITE
def test_the_same_scope_waiting_already_is_answered_with_the_waiting_one(school, as_, run_jobs):
    teacher, body = as_(school.teacher), {"scope": "course", "id": school.course.id}

    first, second = (teacher.post("/api/recalculations", json=body) for _ in range(2))
    dry = teacher.post("/api/recalculations", json={**body, "dry_run": True})
    run_jobs()
    third = teacher.post("/api/recalculations", json=body)

    assert [answer.status_code for answer in (first, second, dry, third)] == [202] * 4
    assert first.json["id"] == second.json["id"]
    assert len({first.json["id"], dry.json["id"], third.json["id"]}) == 3


@SQLITE
def test_a_cancelled_recalculation_does_nothing_and_cannot_be_cancelled_again(school, as_, run_jobs):
    work, teacher = school.submission(), as_(school.teacher)
    run_jobs()
    spoil(work, runs=99)
    run_id = teacher.post("/api/recalculations", json={"scope": "course", "id": school.course.id}).json["id"]

    cancelled = teacher.delete(f"/api/recalculations/{run_id}")
    run_jobs()
    again = teacher.delete(f"/api/recalculations/{run_id}")

    assert (cancelled.status_code, cancelled.json["status"]) == (200, "cancelled")
    assert (again.status_code, again.json["error"]) == (409, "conflict")
    assert teacher.get(f"/api/recalculations/{run_id}").json["status"] == "cancelled"
    assert teacher.get(f"/api/submissions/{work.id}/counts").json["runs"] == 99


@SQLITE
def test_every_scope_is_done(school, as_, run_jobs):
    work, admin = school.submission(), as_(make_user("Admin", is_admin=True))
    run_jobs()
    spoil(work, runs=99)
    scopes = {"submission": work.id, "assignment": work.assignment_id, "user": work.user_id, "course": work.course_id}

    for scope, scope_id in (*scopes.items(), ("all", None)):
        spoil(work, runs=99)
        run = admin.post("/api/recalculations", json={"scope": scope, "id": scope_id}).json
        run_jobs()
        done = admin.get(f"/api/recalculations/{run['id']}").json
        assert (done["status"], done["scope"], done["changed"]) == ("done", scope, 1), scope


@SQLITE
def test_what_a_teacher_may_recalculate_ends_at_his_own_course(school, as_):
    other, teacher = make_school(1), as_(school.teacher)
    foreign = {
        "submission": other.submission().id,
        "assignment": other.assignment.id,
        "course": other.course.id,
    }

    answers = {
        scope: teacher.post("/api/recalculations", json={"scope": scope, "id": i}) for scope, i in foreign.items()
    }
    for_admins = [
        teacher.post("/api/recalculations", json=body) for body in ({"scope": "all"}, {"scope": "user", "id": 1})
    ]

    assert {answer.status_code for answer in answers.values()} == {404}
    assert [answer.status_code for answer in for_admins] == [403, 403]
    assert db.session.scalars(select(JobRun)).all() == []


@SQLITE
@pytest.mark.parametrize("scope", ["submission", "assignment", "user", "course"])
def test_what_does_not_exist_cannot_be_recalculated(school, as_, scope):
    admin = as_(make_user("Admin", is_admin=True))

    answer = admin.post("/api/recalculations", json={"scope": scope, "id": 999_999})

    assert (answer.status_code, answer.json["error"]) == (404, "not_found")
    assert db.session.scalars(select(JobRun)).all() == []


@SQLITE
def test_a_recalculation_tells_a_teacher_nothing_of_other_courses(school, as_, run_jobs):
    learner, elsewhere = school.learners[0], make_school(0)
    learner.add_role("learner", elsewhere.course.id)
    works = [school.submission(), Submission.from_assignment(elsewhere.assignment, learner.id)]
    store(*(make_event(work) for work in works))
    run_jobs()
    with transaction() as session:
        session.execute(update(SubmissionCounts).values(runs=99))
        session.execute(update(UserCounts).values(total_submissions=99))
    asked = {"scope": "submission", "id": works[0].id, "dry_run": True}

    run_id = as_(school.teacher).post("/api/recalculations", json=asked).json["id"]
    run_jobs()

    told = as_(school.teacher).get(f"/api/recalculations/{run_id}").json
    assert [(d["table"], d["id"]) for d in told["differences"]] == [("submission_counts", works[0].id)]
    whole = as_(make_user("Admin", is_admin=True)).get(f"/api/recalculations/{run_id}").json
    assert {d["table"] for d in whole["differences"]} == {"submission_counts", "user_counts"}
