"""Jobs on counters: one wake-up waits, none is lost, a recalculation tells how far it is and can be run again."""

import threading
import time
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from models import projections
from models.assignment import Assignment, AssignmentGroup
from models.counters import CourseCounts, SubmissionCounts, UserCounts
from models.db import db, release, transaction, utcnow
from models.errors import Conflict, Invalid, NotFound
from models.streams import CANCELLED, DONE, FAILED, QUEUED, RUNNING, VERIFICATION, JobRun, ProjectionHead
from models.user import TEACHING_ASSISTANT
from monitoring import memory
from tests.factories import make_event, make_learner, store
from workers import counts, queue, recalculation


def runs_of(submission):
    release()
    row = db.session.get(SubmissionCounts, submission.id)
    return row.runs if row else None


def waiting_jobs(name=queue.COUNTS):
    return [job.func_name for job in queue.queue(name).jobs]


def ask(school, scope="course", **options):
    ids = {"course": school.course.id, "all": None, "user": school.learners[0].id, "assignment": school.assignment.id}
    return recalculation.request_recalculation(
        scope=scope, scope_id=ids[scope], dry_run=options.get("dry_run", False), requested_by=school.teacher.id
    )


def as_it_is(run):
    release()
    return db.session.get(JobRun, run.id)


def set_run(run, **values):
    with transaction() as session:
        session.execute(update(JobRun).where(JobRun.id == run.id).values(values))


def spoil(**values):
    with transaction() as session:
        session.execute(update(SubmissionCounts).values(values))


@pytest.fixture
def work(school, run_jobs):
    """The first learner's work with three runs, all of them counted."""
    submission = school.submission()
    store(*(make_event(submission) for _ in range(3)))
    run_jobs()
    return submission


def test_what_is_stored_is_counted_by_a_job_that_nobody_asked_for(school, run_jobs):
    submission = school.submission()
    store(make_event(submission))

    run_jobs()

    assert runs_of(submission) == 1
    assert projections.users_behind() == []


def test_one_wake_up_waits_however_much_is_stored(school, run_jobs):
    run_jobs()

    for index in range(3):
        store(*(make_event(school.submission(index)) for _ in range(3)))

    assert waiting_jobs() == [queue.FOLD_JOB]


def test_a_wake_up_follows_the_next_event_once_the_waiting_one_has_run(school, work, run_jobs):
    assert waiting_jobs() == []

    store(make_event(work))

    assert waiting_jobs() == [queue.FOLD_JOB]
    run_jobs()
    assert runs_of(work) == 4


def test_an_event_that_comes_while_the_job_runs_is_not_forgotten(app, school, work, run_jobs):
    event = make_event(work)
    memory().set(queue.WAKE_KEY, "1", ex=60)

    def job():
        with app.app_context():
            counts.increment_counts()
            db.session.remove()

    with transaction() as session:
        session.execute(select(CourseCounts).with_for_update())
        running = threading.Thread(target=job)
        running.start()
        give_up = time.monotonic() + 10
        while memory().exists(queue.WAKE_KEY) and time.monotonic() < give_up:
            time.sleep(0.005)
        store(event)
    woken = waiting_jobs()
    running.join(timeout=30)

    assert woken == [queue.FOLD_JOB]
    run_jobs()
    assert runs_of(work) == 4


def test_folding_with_nothing_to_do_changes_nothing(work):
    before = runs_of(work)

    counts.increment_counts()
    counts.increment_counts()

    assert runs_of(work) == before


def test_a_backlog_of_many_batches_is_drained_by_one_job(school, run_jobs):
    submission = school.submission()
    for _ in range(3):
        store(*(make_event(submission) for _ in range(projections.BATCH)))

    run_jobs()

    assert runs_of(submission) == 3 * projections.BATCH


def test_a_lost_wake_up_costs_time_only(school, run_jobs):
    submission = school.submission()
    store(make_event(submission))
    memory().flushdb()
    run_jobs()
    assert runs_of(submission) is None

    queue.enqueue(queue.COUNTS, queue.FOLD_JOB)
    run_jobs()

    assert runs_of(submission) == 1


def test_the_job_of_the_sources_name_repairs_one_submission(school, work, run_jobs):
    spoil(runs=40)

    queue.enqueue(queue.RECALCULATE, "workers.counts.recalculate_submission_counts_from_logs", work.id)
    run_jobs()

    assert runs_of(work) == 3


@pytest.mark.parametrize(("scope", "steps"), [("course", 7), ("assignment", 3), ("user", 1), ("all", 7)])
def test_a_recalculation_repairs_its_scope_and_tells_its_progress(school, work, run_jobs, scope, steps):
    spoil(runs=40)
    asked = ask(school, scope)
    assert (asked.status, asked.done, asked.requested_by) == (QUEUED, 0, school.teacher.id)

    run_jobs()

    run = as_it_is(asked)
    assert (run.status, run.error, run.done, run.total, run.changed) == (DONE, None, steps, steps, 1)
    assert [(d["field"], d["was"], d["is"]) for d in run.differences] == [("runs", 40, 3)]
    assert asked.created_at <= run.started_at <= run.finished_at
    assert runs_of(work) == 3


def test_a_dry_recalculation_finds_and_changes_nothing(school, work, run_jobs):
    spoil(runs=40)

    run = ask(school, dry_run=True)
    run_jobs()

    assert [d["field"] for d in as_it_is(run).differences] == ["runs"]
    assert runs_of(work) == 40


def test_the_same_recalculation_waiting_is_answered_again(school, work, run_jobs):
    first, again = ask(school), ask(school)
    others = [ask(school, dry_run=True), ask(school, "user"), ask(school, "all")]

    assert again.id == first.id
    assert len({first.id, *(other.id for other in others)}) == 4
    run_jobs()
    assert as_it_is(first).status == DONE
    assert ask(school).id != first.id


def test_a_recalculation_done_twice_by_two_workers_is_done_once(school, work, run_jobs):
    run = ask(school)
    ask(school)
    run_jobs()
    finished_at = as_it_is(run).finished_at
    spoil(runs=40)

    recalculation.recalculate(run.id)

    assert as_it_is(run).finished_at == finished_at
    assert runs_of(work) == 40


def test_a_cancelled_recalculation_does_nothing(school, work, run_jobs):
    spoil(runs=40)
    run = ask(school)

    cancelled = recalculation.cancel_recalculation(run)
    run_jobs()

    assert cancelled.status == as_it_is(run).status == CANCELLED
    assert cancelled.finished_at is not None
    assert runs_of(work) == 40


def begin(run):
    """A worker has taken the run and is at work on it."""
    set_run(run, status=RUNNING, started_at=utcnow(), heartbeat_at=utcnow())
    return recalculation.Progress(as_it_is(run))


def test_a_running_recalculation_stops_when_it_is_cancelled_and_stays_so(school, work):
    run = ask(school)
    progress = begin(run)
    progress.tick()
    recalculation.cancel_recalculation(run)

    progress.next_tell = 0
    with pytest.raises(recalculation.Stopped):
        progress.add([], 0, 1)
    progress.finish(DONE)

    assert as_it_is(run).status == CANCELLED


def test_what_has_ended_cannot_be_cancelled(school):
    run = ask(school)

    for status in (DONE, FAILED, CANCELLED):
        set_run(run, status=status, finished_at=utcnow())
        with pytest.raises(Conflict):
            recalculation.cancel_recalculation(run)

        assert as_it_is(run).status == status


def test_a_failed_recalculation_says_so_and_can_be_run_again(school, work):
    run = ask(school)
    broken = update(ProjectionHead).where(ProjectionHead.user_id == work.user_id)
    with transaction() as session:
        session.execute(broken.values(folded_seq=ProjectionHead.folded_seq + 1))

    with pytest.raises(projections.BrokenStream):
        recalculation.recalculate(run.id)

    failed = as_it_is(run)
    assert (failed.status, failed.finished_at is None) == (FAILED, False)
    assert failed.error.startswith("BrokenStream: ")
    with transaction() as session:
        session.execute(broken.values(folded_seq=ProjectionHead.folded_seq - 1))
    recalculation.recalculate(run.id)
    assert (as_it_is(run).status, as_it_is(run).error) == (DONE, None)


LONG_AGO = timedelta(minutes=5)


def test_a_killed_recalculation_goes_on_after_what_it_had_done(school, work, run_jobs):
    spoil(runs=40)
    run = ask(school, "assignment")
    begin(run).add([{"n": 1}], 0, work.user_id)
    set_run(run, heartbeat_at=utcnow() - LONG_AGO)

    recalculation.recalculate(run.id)

    row = as_it_is(run)
    assert (row.status, row.done, row.total, row.changed, row.differences) == (DONE, 3, 3, 1, [{"n": 1}])
    assert runs_of(work) == 40


def test_a_run_that_shows_life_is_not_taken_from_its_worker(school, work):
    run = ask(school)
    begin(run)

    assert recalculation.recalculate(run.id) is None

    assert as_it_is(run).status == RUNNING


def test_of_one_scope_one_runs_and_what_is_asked_meanwhile_waits_and_comes_next(school, work, run_jobs):
    first = ask(school)
    progress = begin(first)
    second, third = ask(school), ask(school)
    run_jobs()
    waited = as_it_is(second).status

    progress.finish(DONE)
    recalculation._call_the_waiting(first.place)
    run_jobs()

    assert (third.id, waited) == (second.id, QUEUED)
    assert second.id != first.id
    assert as_it_is(second).status == DONE


def test_asking_from_many_sides_at_once_makes_one_run(app, school):
    found, together = [], threading.Barrier(6)

    def asker():
        with app.app_context():
            together.wait(10)
            found.append(ask(school).id)
            db.session.remove()

    threads = [threading.Thread(target=asker) for _ in range(6)]
    [thread.start() for thread in threads]
    [thread.join(30) for thread in threads]

    assert len(found) == 6
    assert len(set(found)) == 1


def test_a_run_whose_entry_redis_has_lost_is_found_by_the_sweep(school, work, run_jobs):
    run = ask(school)
    memory().flushdb()
    set_run(run, created_at=utcnow() - LONG_AGO)

    recalculation.sweep_recalculations()
    recalculation.sweep_recalculations()

    assert waiting_jobs(queue.RECALCULATE) == [recalculation.JOB]
    run_jobs()
    assert as_it_is(run).status == DONE


def test_a_run_whose_worker_is_gone_is_found_by_the_sweep_and_ends(school, work, run_jobs):
    run = ask(school)
    begin(run)
    memory().flushdb()
    set_run(run, heartbeat_at=utcnow() - LONG_AGO, created_at=utcnow() - LONG_AGO)

    recalculation.sweep_recalculations()
    run_jobs()

    assert as_it_is(run).status == DONE


def test_a_lost_run_gives_way_to_the_one_that_waits_for_it(school, work, run_jobs):
    lost = ask(school)
    begin(lost)
    memory().flushdb()
    waiting = ask(school)
    set_run(lost, heartbeat_at=utcnow() - LONG_AGO)

    recalculation.sweep_recalculations()
    run_jobs()

    assert (as_it_is(lost).status, as_it_is(waiting).status) == (FAILED, DONE)


def test_a_paused_run_waits_again_and_goes_on(school, work, run_jobs):
    run = ask(school)
    progress = begin(run)
    progress.add([], 0, 0)

    progress.pause()

    assert as_it_is(run).status == QUEUED
    run_jobs()
    assert as_it_is(run).status == DONE


def test_what_is_made_for_a_course_is_assigned_to_its_learners(school, run_jobs):
    group = AssignmentGroup.new(school.course.id, school.teacher.id, "Loops")
    for name in ("One", "Two"):
        Assignment.new(school.course.id, school.teacher.id, name, group_id=group.id)
    Assignment.new(school.course.id, school.teacher.id, "In no group")

    run_jobs()
    late = make_learner(school.course)
    run_jobs()

    release()
    people = [*school.learners, late]
    rows = [db.session.get(UserCounts, user.id) for user in people]
    assert [(row.total_assignments, row.total_assignment_groups) for row in rows] == [(2, 1)] * len(people)
    assert db.session.get(UserCounts, school.teacher.id).total_assignments == 0
    school.learners[0].update_roles([TEACHING_ASSISTANT], school.course.id)
    run_jobs()
    release()
    assert db.session.get(UserCounts, school.learners[0].id).total_assignments == 0
    assert all(projections.recalculate_learner(user.id) == [] for user in people)


def test_the_nightly_look_writes_down_what_differs_and_mends_nothing(school, work, run_jobs):
    counts.verify_sample()
    spoil(runs=40)

    counts.verify_sample()

    found = db.session.scalars(select(JobRun).filter_by(kind=VERIFICATION).order_by(JobRun.id)).all()
    assert [(run.changed, run.status) for run in found] == [(0, DONE), (1, DONE)]
    assert (found[1].differences[0]["field"], runs_of(work)) == ("runs", 40)


def test_only_the_first_differences_are_kept_and_all_are_counted(school, work):
    run = ask(school)
    progress = begin(run)

    for n in range(3):
        progress.add([{"n": n} for n in range(60)], 0, n)
    progress.finish(DONE)

    row = as_it_is(run)
    assert (row.changed, row.done, len(row.differences)) == (3, 3, recalculation.FIRST_DIFFERENCES)
    assert progress.found == 180


def test_what_cannot_be_recalculated_is_refused_before_it_waits(school):
    def refused(kind, scope, scope_id):
        with pytest.raises(kind):
            recalculation.request_recalculation(scope=scope, scope_id=scope_id, dry_run=False, requested_by=None)

    refused(Invalid, "universe", 1)
    refused(Invalid, "course", None)
    refused(Invalid, "all", 1)
    for scope in ("submission", "assignment", "group", "user", "course"):
        refused(NotFound, scope, 10**6)

    assert recalculation.list_recalculations(10) == []
    assert waiting_jobs(queue.RECALCULATE) == []


def test_a_dry_run_names_wrong_own_rows_and_not_the_shared_rows_that_are_right(school, work, run_jobs):
    spoil(edit_sum_ms=7)
    run = ask(school, "all", dry_run=True)

    run_jobs()

    row = as_it_is(run)
    assert [(d["table"], d["field"], d["was"], d["is"]) for d in row.differences] == [
        ("submission_counts", "edit_sum_ms", 7, 0)
    ]
    assert db.session.scalar(select(SubmissionCounts.edit_sum_ms)) == 7


def test_of_two_runs_of_one_place_the_second_to_begin_does_nothing(school, work, run_jobs):
    failed = ask(school)
    set_run(failed, status=FAILED)
    waiting = ask(school)
    begin(waiting)

    assert recalculation.recalculate(failed.id) is None

    assert (as_it_is(failed).status, as_it_is(waiting).status) == (FAILED, RUNNING)
