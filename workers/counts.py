"""Jobs on counters: fold what is new, recalculate from the log, with progress that a person can watch."""

import logging
import time

from sqlalchemy import select, update

from models import projections
from models.assignment import Assignment, AssignmentGroup
from models.counters import helpers
from models.course import Course
from models.db import db, release, transaction, utcnow
from models.errors import Conflict, Invalid, NotFound
from models.streams import CANCELLED, DONE, FAILED, QUEUED, RUNNING, JobRun, ProjectionHead
from models.submission import Submission
from models.user import User
from monitoring import broadcast
from workers import queue

log = logging.getLogger(__name__)

SCOPES = ("submission", "assignment", "user", "course", "all")
KIND = "recalculation"
RECALCULATE_JOB = "workers.counts.recalculate"
FIRST_DIFFERENCES = 100
TELL_SECONDS = 0.5
PAUSE_SECONDS = 0.002
PAGE = 500


def increment_counts():
    """Fold every stream that is behind, a batch per transaction, and tell the rooms what changed.

    A stream that cannot be folded is left where it is and named in the log; the others go on.
    """
    queue.woken()
    broken = set()
    while changed := _fold_batch(broken):
        broadcast.counts_changed(changed)
        time.sleep(PAUSE_SECONDS)
    if broken:
        raise projections.BrokenStream(f"streams that cannot be folded: user_id={sorted(broken)}")


def _fold_batch(broken):
    try:
        return projections.fold(but=broken)
    except Exception:
        log.exception("a batch was not folded, looking for the stream that is broken")
    changed = []
    for user_id in projections.users_behind(but=broken):
        try:
            changed += projections.fold(user_id=user_id)
        except Exception:
            log.exception("user_id=%s this stream was not folded", user_id)
            broken.add(user_id)
    return changed


def recalculate_submission_counts_from_logs(submission_id):
    """The job of S0's name: rebuild one submission's counts from the log; answers the differences found."""
    return helpers.recalculate_submission_counts_from_logs(submission_id)


def request_recalculation(*, scope, scope_id, dry_run, requested_by):
    """Ask for a recalculation; the same one waiting already is answered instead. Raises `Invalid`, `NotFound`."""
    if scope not in SCOPES:
        raise Invalid(f"A scope is one of {', '.join(SCOPES)}.", field="scope")
    if (scope_id is None) != (scope == "all"):
        raise Invalid("Every scope but `all` needs an id, and `all` has none.", field="id")
    _refuse_unknown(scope, scope_id)
    with transaction() as session:
        query = select(JobRun).filter_by(kind=KIND, scope=scope, scope_id=scope_id, dry_run=dry_run, status=QUEUED)
        run = session.scalar(query.limit(1))
        if run is None:
            run = JobRun(kind=KIND, scope=scope, scope_id=scope_id, dry_run=dry_run, created_at=utcnow())
            run.requested_by, run.differences = requested_by, []
            session.add(run)
            session.flush()
    queue.enqueue(queue.RECALCULATE, RECALCULATE_JOB, run.id)
    return run


def list_recalculations(most):
    """The newest recalculations, newest first."""
    return db.session.scalars(select(JobRun).filter_by(kind=KIND).order_by(JobRun.id.desc()).limit(most)).all()


def _refuse_unknown(scope, scope_id):
    table = {"submission": Submission, "assignment": Assignment, "user": User, "course": Course}.get(scope)
    if table is not None and db.session.get(table, scope_id) is None:
        raise NotFound(f"There is no {scope} {scope_id}.")


def cancel_recalculation(run):
    """Stop a recalculation before its next batch. Raises `Conflict` where it has ended."""
    with transaction() as session:
        stopped = session.execute(
            update(JobRun)
            .where(JobRun.id == run.id, JobRun.status.in_((QUEUED, RUNNING)))
            .values(status=CANCELLED, finished_at=utcnow())
        )
        if stopped.rowcount == 0:
            raise Conflict("The recalculation has ended already.")
    run = db.session.get(JobRun, run.id, populate_existing=True)
    broadcast.recalculation(run.as_dict())
    return run


def recalculate(run_id):
    """Do a requested recalculation, learner by learner and then the rows they share; killed, it begins again."""
    if not _begin(run_id):
        return
    progress = Progress(run_id)
    try:
        run = db.session.get(JobRun, run_id)
        steps, dry_run = steps_of(run.scope, run.scope_id), run.dry_run
        progress.expect(len(steps))
        for function, arguments in steps:
            progress.add(function(*arguments, dry_run=dry_run))
            if progress.cancelled:
                return
        progress.finish(DONE)
        if progress.changed and not dry_run:
            broadcast.everything_changed()
    except Exception as error:
        progress.finish(FAILED, error=f"{type(error).__name__}: {error}"[:500])
        raise


def _begin(run_id):
    """Take the run; answers False where it was cancelled or done. A killed worker's run is taken again."""
    with transaction() as session:
        taken = session.execute(
            update(JobRun)
            .where(JobRun.id == run_id, JobRun.status.in_((QUEUED, RUNNING, FAILED)))
            .values(status=RUNNING, started_at=utcnow(), done=0, changed=0, error=None)
        )
        return taken.rowcount == 1


def steps_of(scope, scope_id):
    """What a scope comes to: [(function, arguments)], own rows of learners before the rows they share (domain 8)."""
    own = [(projections.recalculate_learner, (user_id,)) for user_id in _learners(scope, scope_id)]
    shared = [(projections.recalculate_shared, place) for place in _shared(scope, scope_id)]
    release()
    return own + shared


def _learners(scope, scope_id):
    if scope == "user":
        return [scope_id]
    if scope == "all":
        return list(db.session.scalars(select(ProjectionHead.user_id).order_by(ProjectionHead.user_id)))
    column = {"submission": Submission.id, "assignment": Submission.assignment_id, "course": Submission.course_id}
    query = select(Submission.user_id).where(column[scope] == scope_id).distinct().order_by(Submission.user_id)
    return list(db.session.scalars(query))


def _shared(scope, scope_id):
    """The shared rows of a scope, in the lock order of their tables."""
    if scope == "submission":
        submission = db.session.get(Submission, scope_id)
        return [("assignment_counts", submission.assignment_id), ("course_counts", submission.course_id)]
    if scope == "assignment":
        return [("assignment_counts", scope_id), ("course_counts", db.session.get(Assignment, scope_id).course_id)]
    if scope == "user":
        return []
    tables = ((Assignment, "assignment_counts"), (AssignmentGroup, "assignment_group_counts"))
    rows = [(name, key) for model, name in tables for key in _ids_in_course(model, scope, scope_id)]
    courses = [scope_id] if scope == "course" else db.session.scalars(select(Course.id).order_by(Course.id))
    return rows + [("course_counts", key) for key in courses]


def _ids_in_course(model, scope, scope_id):
    query = select(model.id).order_by(model.id)
    if scope == "course":
        query = query.where(model.course_id == scope_id)
    return list(db.session.scalars(query))


class Progress:
    """How far a run is: kept in its row, told to admins at most twice a second."""

    def __init__(self, run_id):
        self.run_id = run_id
        self.done = self.changed = self.total = 0
        self.differences = []
        self.cancelled = False
        self.next_tell = 0.0

    def expect(self, total):
        """There are so many steps."""
        self.total = total
        self._tell()

    def add(self, differences):
        """One step is done, with these differences found."""
        self.done += 1
        self.changed += bool(differences)
        self.differences += differences[: FIRST_DIFFERENCES - len(self.differences)]
        if time.monotonic() >= self.next_tell:
            self._tell()

    def finish(self, status, *, error=None):
        """The run has ended."""
        self._tell(status=status, finished_at=utcnow(), error=error)

    def _tell(self, **values):
        """Write the progress down, unless the run was cancelled meanwhile; then tell."""
        self.next_tell = time.monotonic() + TELL_SECONDS
        values |= {"done": self.done, "total": self.total, "changed": self.changed, "differences": self.differences}
        with transaction() as session:
            statement = update(JobRun).where(JobRun.id == self.run_id, JobRun.status == RUNNING).values(values)
            self.cancelled = session.execute(statement).rowcount == 0
        broadcast.recalculation(db.session.get(JobRun, self.run_id, populate_existing=True).as_dict())
