"""Folding, recalculating and shared rows: the golden trace of domain 10, and what repairs what."""

import contextlib
import json
import re
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy import delete, func, insert, select, text, update

from models import projections
from models.analytics_events import CONTRIBUTING_EVENTS, StudyEvent
from models.assignment import Assignment, AssignmentGroup
from models.counters import (
    AssignmentCounts,
    AssignmentGroupCounts,
    CountsDaily,
    CourseCounts,
    SubmissionCounts,
    UserCounts,
    helpers,
)
from models.course import Course
from models.db import db, from_ms, release, to_ms, transaction, utcnow
from models.errors import NotFound
from models.events import Event
from models.projections.moves import CONTRIBUTIONS
from models.streams import ProjectionHead, UserStream
from models.submission import Submission
from models.user import INSTRUCTOR, LEARNER, TEACHING_ASSISTANT, change_roles, set_roles
from tests.factories import make_event, make_user, now_ms, store

GOLDEN = json.loads((Path(__file__).parent / "vectors" / "golden_trace.json").read_text())
ALL_COUNTS = (UserCounts, SubmissionCounts, AssignmentCounts, AssignmentGroupCounts, CourseCounts, CountsDaily)


class Trace:
    """The golden trace on the first learner's stream, a while ago."""

    def __init__(self, school):
        self.school = school
        self.start_ms = to_ms(utcnow()) - 2_000_000
        self.submission = Submission.from_assignment(
            school.assignment, school.learners[0].id, client_ms=self.start_ms, timed=True
        )
        self.events = [self.event(**said) for said in GOLDEN["events"]]
        self.owner_id = self.submission.user_id
        self.late = self.event(**GOLDEN["late_event"])

    def event(self, *, at_ms, event_type, **properties):
        event_id = str(uuid.uuid4())
        return make_event(self.submission, event_type, at_ms=self.start_ms + at_ms, event_id=event_id, **properties)


def fold_all(limit=projections.BATCH):
    while projections.fold(limit=limit):
        pass
    release()


def named(row, names):
    return {name: getattr(row, name) for name in names}


def assert_golden(trace):
    release()
    school, expected = trace.school, GOLDEN
    work = db.session.get(SubmissionCounts, trace.submission.id)
    person = db.session.get(UserCounts, trace.owner_id)
    exercise = db.session.get(AssignmentCounts, school.assignment.id)
    course = db.session.get(CourseCounts, school.course.id)

    assert named(work, expected["submission_counts"]) == expected["submission_counts"]
    told = work.as_dict()
    assert round(told["edit_statistics"]["standard_deviation"] ** 2, 5) == expected["edit_variance"]
    assert round(told["attempt_statistics"]["standard_deviation"] ** 2, 5) == expected["attempt_variance"]
    assert named(person, expected["user_counts"]) == expected["user_counts"]
    assert to_ms(person.last_edited) - trace.start_ms == expected["last_edited_ms"]
    assert named(exercise, expected["assignment_counts"]) == expected["assignment_counts"]
    assert exercise.edit_hist == work.edit_hist
    assert named(course, expected["course_counts"]) == expected["course_counts"]


def everything():
    """Every counts row there is, as data."""
    release()
    return {
        table.__tablename__: sorted(str(row.as_dict()) for row in db.session.scalars(select(table)))
        for table in ALL_COUNTS
    }


def heads():
    release()
    rows = db.session.execute(select(ProjectionHead.user_id, ProjectionHead.folded_seq))
    return {row.user_id: row.folded_seq for row in rows}


def corrupt(table, **values):
    with transaction() as session:
        session.execute(update(table).values(**values))


def recalculate_everything(school, *, dry_run=False):
    people = [school.teacher, *school.learners]
    found = [d for user in people for d in projections.recalculate_learner(user.id, dry_run=dry_run)]
    found += projections.recalculate_shared("assignment_counts", school.assignment.id, dry_run=dry_run)
    return found + projections.recalculate_shared("course_counts", school.course.id, dry_run=dry_run)


def test_the_golden_trace_comes_to_its_figures(school):
    trace = Trace(school)

    store(*trace.events)
    fold_all()

    assert_golden(trace)


def test_the_golden_trace_delivered_twice_comes_to_the_same(school):
    trace = Trace(school)

    for event in trace.events:
        store(event, event)
    store(*trace.events)
    fold_all()

    assert_golden(trace)


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_the_golden_trace_comes_to_the_same_in_batches_of_any_size(school, limit):
    trace = Trace(school)

    store(*trace.events)
    fold_all(limit)

    assert_golden(trace)


def test_the_golden_trace_can_be_recalculated_at_any_point_and_goes_on(school):
    trace = Trace(school)
    found = recalculate_everything(school)

    for number, event in enumerate(trace.events):
        store(event)
        if number % 2:
            projections.fold(limit=1 + number % 3)
        found += recalculate_everything(school)
    fold_all()

    assert found == []
    assert_golden(trace)


def test_a_late_edit_changes_none_of_the_golden_figures(school):
    trace = Trace(school)

    store(*trace.events, trace.late)
    fold_all()

    assert_golden(trace)
    assert db.session.get(SubmissionCounts, trace.submission.id).edits == 6
    assert recalculate_everything(school) == []


def test_a_late_edit_that_is_folded_alone_changes_none_of_the_golden_figures(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()

    store(trace.late)
    fold_all()

    assert_golden(trace)


def test_nothing_is_folded_twice(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    before = everything()

    again = projections.fold()

    assert again == []
    assert everything() == before


def test_a_fold_tells_whose_counts_moved_and_how_far(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    store(make_event(trace.submission))

    changed = projections.fold()

    last_seq = db.session.get(UserStream, trace.owner_id).last_seq
    assert changed == [projections.Changed(trace.owner_id, last_seq, [trace.submission.id])]


def test_reading_ones_own_write_folds_nobody_else(school):
    mine, others = school.submission(0), school.submission(1)
    fold_all()
    store(make_event(mine), make_event(others))

    changed = projections.fold(user_id=mine.user_id)

    assert [item.user_id for item in changed] == [mine.user_id]
    assert len(projections.users_behind()) == 1


WRONG = {
    SubmissionCounts: {
        "runs": 999,
        "edit_sum_ms": -1,
        "edit_hist": {"1": 7},
        "average_edit_time": 0.5,
        "last_event_at": None,
        "folded_seq": 1,
    },
    UserCounts: {"time_spent_ms": 0, "last_edited": None, "total_courses_in": 9},
    AssignmentCounts: {"edit_sumsq_ms2": 0, "attempt_hist": {}, "date_last_submission": None, "total_submissions": 0},
    CourseCounts: {"total_students": 0, "total_users": 5, "total_submissions": 77, "date_last_user": None},
}


def test_corrupted_figures_are_named_and_repaired(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    right = everything()
    for table, values in WRONG.items():
        corrupt(table, **values)

    found = [d for d in recalculate_everything(school) if d["table"] != "user_counts" or d["id"] == trace.owner_id]

    wrong = {(table.__tablename__, name): value for table, values in WRONG.items() for name, value in values.items()}
    assert {(d["table"], d["field"]): d["was"] for d in found} == wrong
    assert all(d["was"] != d["is"] for d in found)
    json.dumps(found)
    assert everything() == right
    assert recalculate_everything(school) == []


def test_a_corrupted_row_does_not_stay_wrong_because_it_was_folded_on(school):
    trace = Trace(school)
    store(*trace.events[:8])
    fold_all()
    corrupt(SubmissionCounts, runs=40, edit_count=5)

    store(*trace.events[8:])
    fold_all()
    found = recalculate_everything(school)

    assert {d["field"] for d in found} >= {"runs", "edit_count", "average_edit_time"}
    assert_golden(trace)


def test_lost_rows_are_made_again(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    right = everything()
    with transaction() as session:
        for table in WRONG:
            session.execute(delete(table))

    found = recalculate_everything(school)

    assert {d["table"] for d in found} == {table.__tablename__ for table in WRONG}
    assert everything() == right


@pytest.mark.parametrize("harm", ["wrong", "lost"])
def test_a_dry_run_names_the_differences_and_writes_nothing(school, harm):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    with transaction() as session:
        for table, values in WRONG.items():
            session.execute(delete(table) if harm == "lost" else update(table).values(values))
    before = everything(), heads()

    found = recalculate_everything(school, dry_run=True)

    assert {d["table"] for d in found} == {table.__tablename__ for table in WRONG}
    assert (everything(), heads()) == before


def test_a_recalculation_folds_no_further_than_the_head_and_moves_it_nowhere(school):
    trace = Trace(school)
    fold_all()
    store(*trace.events)
    projections.fold(limit=6)
    before = everything(), heads()

    found = recalculate_everything(school)

    assert found == []
    assert (everything(), heads()) == before
    fold_all()
    assert_golden(trace)


def test_a_recalculation_run_twice_changes_nothing_more(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    corrupt(SubmissionCounts, runs=0)

    first = helpers.recalculate_submission_counts_from_logs(trace.submission.id)
    second = helpers.recalculate_submission_counts_from_logs(trace.submission.id)

    assert [(d["field"], d["was"], d["is"]) for d in first] == [("runs", 0, 4)]
    assert second == []
    assert_golden(trace)


def test_recalculating_what_does_not_exist_is_refused_and_whoever_never_did_anything_is_right(app, school):
    nobody = make_user()

    with pytest.raises(NotFound):
        helpers.recalculate_submission_counts_from_logs(10**6)

    assert projections.recalculate_learner(nobody.id) == []


def test_recalculation_reads_long_streams_in_pages(school):
    work = school.submission()
    start = to_ms(utcnow()) - 10_000_000
    events = [make_event(work, at_ms=start + n * 1000) for n in range(projections.PAGE + 50)]
    for begin in range(0, len(events), 700):
        store(*events[begin : begin + 700])
    fold_all()

    found = recalculate_everything(school)

    row = db.session.get(SubmissionCounts, work.id)
    assert found == []
    assert (row.runs, row.attempt_count, row.attempt_sum_ms) == (len(events), len(events) - 1, 1000 * (len(events) - 1))


def test_shared_rows_are_the_sums_of_what_learners_did(school):
    works = [school.submission(i) for i in range(3)]
    start = to_ms(utcnow()) - 500_000
    for number, work in enumerate(works, 1):
        store(*(make_event(work, "File.Edit", at_ms=start + n * number * 1000) for n in range(4)))

    fold_all(2)

    release()
    exercise = db.session.get(AssignmentCounts, school.assignment.id)
    rows = db.session.scalars(select(SubmissionCounts)).all()
    assert (exercise.edit_count, exercise.edit_sum_ms) == (9, 3 * (1000 + 2000 + 3000))
    assert exercise.edit_sum_ms == sum(row.edit_sum_ms for row in rows)
    assert exercise.edit_sumsq_ms2 == sum(row.edit_sumsq_ms2 for row in rows)
    assert sum(exercise.edit_hist.values()) == 9
    assert exercise.total_submissions == 3
    assert recalculate_everything(school) == []


def test_a_course_counts_its_assignments_groups_and_submissions(school):
    group = AssignmentGroup.new(school.course.id, school.teacher.id, "Loops")
    inside = Assignment.new(school.course.id, school.teacher.id, "In a group", group_id=group.id)
    elsewhere = Course.new("Elsewhere", school.teacher.id)
    Assignment.new(elsewhere.id, school.teacher.id, "Other")
    Submission.from_assignment(inside, school.learners[0].id)
    school.submission(0)

    fold_all()

    course = db.session.get(CourseCounts, school.course.id)
    row = db.session.get(AssignmentGroupCounts, group.id)
    assert (course.total_assignments, course.total_assignment_groups, course.total_submissions) == (2, 1, 2)
    assert (row.total_assignments, row.total_submissions) == (1, 1)
    assert row.date_last_submission <= course.date_last_submission
    assert db.session.get(CourseCounts, elsewhere.id).total_assignments == 1
    assert db.session.get(AssignmentCounts, inside.id).total_submissions == 1
    assert projections.recalculate_shared("assignment_group_counts", group.id) == []
    assert projections.recalculate_shared("course_counts", elsewhere.id) == []


def test_opening_the_same_work_again_counts_once(school):
    for _ in range(3):
        school.submission()

    fold_all()

    assert db.session.get(CourseCounts, school.course.id).total_submissions == 1
    assert db.session.get(UserCounts, school.learners[0].id).total_submissions == 1


def people_of(course):
    fold_all()
    row = db.session.get(CourseCounts, course.id)
    assert projections.recalculate_shared("course_counts", course.id) == []
    return row.total_users, row.total_students, row.total_instructors


def test_roles_are_counted_by_the_difference_of_sets(school):
    user, course = school.learners[0], school.course
    seen = [people_of(course)]

    for roles in (
        {LEARNER, INSTRUCTOR},
        {INSTRUCTOR},
        {TEACHING_ASSISTANT},
        set(),
        set(),
        {TEACHING_ASSISTANT, LEARNER},
        {LEARNER},
    ):
        set_roles({user.id: roles}, course.id, actor_id=school.teacher.id)
        seen.append(people_of(course))

    assert seen == [(4, 3, 1), (4, 3, 2), (4, 2, 2), (4, 2, 1), (3, 2, 1), (3, 2, 1), (4, 3, 1), (4, 3, 1)]
    assert db.session.get(UserCounts, user.id).total_courses_in == 1


def test_a_role_held_already_moves_nothing_and_writes_no_event(school):
    before = people_of(school.course), log_size()
    ids = [learner.id for learner in school.learners]

    change_roles(school.course.id, ids, LEARNER, add=True, actor_id=None)
    school.learners[0].update_roles({LEARNER}, school.course.id)
    change_roles(school.course.id, ids, INSTRUCTOR, add=False, actor_id=None)

    assert (people_of(school.course), log_size()) == before


def test_the_same_change_of_a_role_counts_each_time_it_happens(school):
    user = school.learners[0]

    for _ in range(3):
        change_roles(school.course.id, [user.id], LEARNER, add=False, actor_id=None)
        change_roles(school.course.id, [user.id], LEARNER, add=True, actor_id=None)

    assert people_of(school.course) == (4, 3, 1)
    change_roles(school.course.id, [user.id], LEARNER, add=False, actor_id=None)
    assert people_of(school.course) == (3, 2, 1)


def log_size():
    return db.session.scalar(select(func.count()).select_from(StudyEvent))


def test_what_no_client_timed_counts_but_takes_no_time(school):
    work = school.submission()
    start = to_ms(utcnow()) - 600_000
    untimed = [Event("Run.Program", work.user_id, submission_id=work.id), Event("File.Edit", work.user_id)]
    untimed[1].submission_id, untimed[1].code = work.id, "x"

    store(make_event(work, at_ms=start), *untimed, make_event(work, at_ms=start + 9000))
    fold_all()

    row = db.session.get(SubmissionCounts, work.id)
    assert (row.runs, row.edits, row.attempt_count, row.attempt_sum_ms) == (3, 1, 1, 9000)
    assert (row.time_spent_ms, row.edit_count, row.last_edit_at) == (9000, 0, None)


def test_a_person_knows_the_last_login_and_the_last_edit_by_their_own_clocks(school):
    work = school.submission()
    start = to_ms(utcnow()) - 600_000
    later, earlier = (make_event(work, "File.Edit", at_ms=at) for at in (start + 5000, start))
    later.code = earlier.code = "x"

    store(Event("user_login", work.user_id), later, earlier)
    fold_all()

    person = db.session.get(UserCounts, work.user_id)
    assert person.last_edited == from_ms(start + 5000)
    assert timedelta() <= utcnow() - person.last_logged_in < timedelta(minutes=5)


def promise(user_id, more):
    with transaction() as session:
        values = {"last_seq": UserStream.last_seq + more}
        session.execute(update(UserStream).where(UserStream.user_id == user_id).values(values))


def test_a_stream_that_promises_more_than_it_has_stops_the_fold_and_loses_nothing(school):
    trace = Trace(school)
    store(*trace.events)
    promise(trace.owner_id, 1)
    before = everything(), heads()

    with pytest.raises(projections.BrokenStream):
        projections.fold()

    assert (everything(), heads()) == before
    promise(trace.owner_id, -1)
    fold_all()
    assert_golden(trace)


def test_a_stream_with_a_hole_stops_the_fold_before_its_end_is_reached(school):
    work = school.submission()
    fold_all()
    promise(work.user_id, 2)
    with transaction() as session:
        seq = session.get(UserStream, work.user_id).last_seq
        row = {"event_id": str(uuid.uuid4()), "user_id": work.user_id, "user_seq": seq, "created_at": utcnow()}
        row |= {"event_type": "Run.Program", "submission_id": work.id, "properties": {}, "schema_version": 1}
        session.execute(insert(StudyEvent).values(row))
    before = everything(), heads()

    with pytest.raises(projections.BrokenStream):
        projections.fold(limit=1)

    assert (everything(), heads()) == before


def test_a_recalculation_of_a_stream_that_lacks_events_writes_nothing(school):
    trace = Trace(school)
    store(*trace.events)
    fold_all()
    with transaction() as session:
        values = {"folded_seq": ProjectionHead.folded_seq + 1}
        session.execute(update(ProjectionHead).values(values))
    before = everything()

    with pytest.raises(projections.BrokenStream):
        projections.recalculate_learner(trace.owner_id)

    assert everything() == before


@contextlib.contextmanager
def statements():
    """The statements that the database gets meanwhile."""
    told = []

    def hear(_connection, _cursor, statement, *_rest):
        told.append(statement)

    sqlalchemy.event.listen(db.engine, "before_cursor_execute", hear)
    yield told
    sqlalchemy.event.remove(db.engine, "before_cursor_execute", hear)


def test_a_fold_takes_as_many_statements_after_ten_thousand_events_as_after_ten(school):
    work = school.submission()
    start = now_ms() - 40_000_000
    counted = []
    for history in (10, 10_000):
        for first in range(0, history, 500):
            store(*(make_event(work, at_ms=start + n * 1000) for n in range(first, min(first + 500, history))))
        fold_all()
        store(*(make_event(work) for _ in range(20)))
        with statements() as told:
            projections.fold()
        counted.append(len(told))

    assert counted[0] == counted[1] < 20


def test_recalculating_a_shared_row_reads_few_events_by_their_index(school):
    if db.engine.dialect.name == "sqlite":
        explain = "EXPLAIN QUERY PLAN "
    else:
        explain = "EXPLAIN "
        db.session.execute(text("SET enable_seqscan = off"))
    query = select(StudyEvent.user_seq).where(CONTRIBUTING_EVENTS, StudyEvent.course_id == school.course.id)
    plan = db.session.execute(text(explain + str(query.compile(db.engine, compile_kwargs={"literal_binds": True}))))
    told = " ".join(str(row) for row in plan)
    release()

    assert "contributing" in told or "course_id_user_id_user_seq_idx1" in told


def test_what_moves_shared_rows_by_itself_is_what_the_index_knows():
    assert set(re.findall(r"'(.+?)'", str(CONTRIBUTING_EVENTS))) == set(CONTRIBUTIONS)
