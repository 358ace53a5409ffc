"""Recalculations that somebody asked for: of one scope one runs and at most one waits, and a killed one goes on.

The list of what to do is the `job_runs` table. A queue entry is only a wake-up: a sweep finds runs whose entry was lost
and runs whose worker is gone.
"""

import logging
import time
from datetime import timedelta

from sqlalchemy import and_, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from models.db import db, release, transaction, utcnow
from models.errors import Conflict, Invalid, NotFound
from models.streams import CANCELLED, DONE, FAILED, QUEUED, RECALCULATION, RECALCULATIONS, RUNNING, JobRun
from monitoring import broadcast
from workers import failures, queue, scopes

log = logging.getLogger(__name__)

JOB = "workers.recalculation.recalculate"
FIRST_DIFFERENCES = 100
TELL_SECONDS = 0.5
LOST = timedelta(seconds=20)
SETTLED = timedelta(seconds=5)
BATCH = 500


class Stopped(Exception):
    """The run is not this worker's any more: cancelled, or taken by another."""


class Paused(Exception):
    """The worker is asked to end; another one goes on from the checkpoint."""


def request_recalculation(*, scope, scope_id, dry_run, requested_by, enqueue=True):
    """Ask for a recalculation; the same one waiting already is answered instead. Raises `Invalid`, `NotFound`."""
    if scope not in scopes.SCOPES:
        raise Invalid(f"A scope is one of {', '.join(scopes.SCOPES)}.", field="scope")
    if (scope_id is None) != (scope == "all"):
        raise Invalid("Every scope but `all` needs an id, and `all` has none.", field="id")
    if not scopes.exists(scope, scope_id):
        raise NotFound(f"There is no {scope} {scope_id}.")
    run = _waiting_or_new(scope, scope_id, dry_run, requested_by)
    if enqueue:
        _enqueue(run.id)
    return run


def _waiting_or_new(scope, scope_id, dry_run, requested_by):
    """Two who ask at the same moment get the same run: the database lets only one wait."""
    place = f"{scope}:{scope_id or ''}:{'look' if dry_run else 'mend'}"
    while True:
        waiting = db.session.scalar(select(JobRun).filter_by(place=place, status=QUEUED))
        if waiting is not None:
            release()
            return waiting
        run = JobRun(kind=RECALCULATION, scope=scope, scope_id=scope_id, place=place, dry_run=dry_run)
        run.created_at, run.requested_by, run.differences = utcnow(), requested_by, []
        try:
            with transaction() as session:
                session.add(run)
            return run
        except IntegrityError:
            log.info("place=%s was asked for twice at once", place)


def _enqueue(run_id):
    queue.enqueue(queue.RECALCULATE, JOB, run_id, job_id=_job_id(run_id))


def _job_id(run_id):
    """The queue's entry of a run has one name, so that one can see whether it is there."""
    return f"recalculation-{run_id}"


def list_recalculations(most):
    """The newest recalculations and nightly looks, newest first."""
    query = select(JobRun).where(JobRun.kind.in_(RECALCULATIONS)).order_by(JobRun.id.desc())
    return db.session.scalars(query.limit(most)).all()


def cancel_recalculation(run):
    """Stop a recalculation before its next batch. Raises `Conflict` where it has ended."""
    with transaction() as session:
        stopped = session.scalar(
            update(JobRun)
            .where(JobRun.id == run.id, JobRun.status.in_((QUEUED, RUNNING)))
            .values(status=CANCELLED, finished_at=utcnow())
            .returning(JobRun.id)
        )
        if stopped is None:
            raise Conflict("The recalculation has ended already.")
    run = db.session.get(JobRun, run.id, populate_existing=True)
    broadcast.recalculation(run.as_dict())
    return run


def find_interrupted(scope, scope_id, *, dry_run):
    """The newest run of a scope if it has stopped half-way, or None: what has run to its end since needs no more."""
    newest = select(func.max(JobRun.id)).filter_by(kind=RECALCULATION, scope=scope, scope_id=scope_id, dry_run=dry_run)
    stopped = or_(JobRun.status.in_((FAILED, CANCELLED)), _is_lost())
    return db.session.scalar(select(JobRun).where(JobRun.id == newest.scalar_subquery(), stopped))


def _is_lost():
    return and_(JobRun.status == RUNNING, JobRun.heartbeat_at < utcnow() - LOST)


def recalculate(run_id, *, batch=BATCH, show=None, resume=False):
    """Do a requested recalculation, learner by learner and then the rows they share; answers the `Progress`, or None.

    A killed or paused one goes on from its checkpoint; with `resume` a cancelled one too. None where the run has ended
    or another of its scope is running. `show(done, total)` is called as it goes on.
    """
    run = _taken(run_id, resume)
    if run is None:
        return None
    progress = Progress(run, show)
    try:
        progress.tick()
        for phase, key, work in scopes.steps(run.scope, run.scope_id, batch=batch, checkpoint=run.checkpoint):
            found = work(key, dry_run=run.dry_run, tick=progress.tick, wrong=progress.wrong)
            progress.add(found, phase, key)
        progress.finish(DONE)
    except Stopped:
        log.info("run_id=%s was stopped", run_id)
    except Paused:
        progress.pause()
    except KeyboardInterrupt:
        db.session.remove()
        progress.finish(CANCELLED)
        raise
    except Exception as error:
        progress.finish(FAILED, error=failures.words(error)[:500])
        raise
    finally:
        _call_the_waiting(run.place)
    if progress.changed and not run.dry_run:
        broadcast.everything_changed()
    return progress


def _taken(run_id, resume):
    """As `_begin`; of two that begin at the same moment the database refuses one."""
    try:
        return _begin(run_id, resume)
    except IntegrityError:
        return None


def _begin(run_id, resume):
    """Take the run; answers it, or None where it has ended or another of its place is running."""
    now = utcnow()
    mine = [JobRun.status.in_((QUEUED, FAILED, CANCELLED) if resume else (QUEUED, FAILED)), _is_lost()]
    with transaction() as session:
        place = session.scalar(select(JobRun.place).where(JobRun.id == run_id))
        others = (JobRun.place == place) & (JobRun.id != run_id)
        session.execute(
            update(JobRun)
            .where(others, _is_lost())
            .values(status=FAILED, error="Its worker was lost.", finished_at=now)
        )
        if session.scalar(select(JobRun.id).where(others, JobRun.status == RUNNING)) is not None:
            return None
        values = {"status": RUNNING, "started_at": now, "heartbeat_at": now, "finished_at": None, "error": None}
        taken = update(JobRun).where(JobRun.id == run_id, or_(*mine)).values(values).returning(JobRun.id)
        if session.scalar(taken) is None:
            return None
    return db.session.get(JobRun, run_id, populate_existing=True)


def _call_the_waiting(place):
    """What was asked for while this one ran comes next."""
    waiting = db.session.scalar(select(JobRun.id).filter_by(place=place, status=QUEUED)) if place else None
    release()
    if waiting is not None:
        _enqueue(waiting)


def sweep_recalculations():
    """Bring back what was lost: runs that wait and have no entry in the queue, and runs whose worker is gone."""
    now = utcnow()
    with transaction() as session:
        for run in session.scalars(select(JobRun).where(JobRun.kind == RECALCULATION, _is_lost())).all():
            followed = session.scalar(select(JobRun.id).filter_by(place=run.place, status=QUEUED))
            run.status = QUEUED if followed is None else FAILED
            run.error = None if followed is None else "Its worker was lost; the one that waited does it."
            session.flush()
    query = select(JobRun.id).where(JobRun.kind == RECALCULATION, JobRun.status == QUEUED)
    waiting = db.session.scalars(query.where(JobRun.created_at < now - SETTLED)).all()
    release()
    entries = queue.fetch([_job_id(run_id) for run_id in waiting]) if waiting else []
    for run_id, entry in zip(waiting, entries, strict=True):
        if entry is None or entry.get_status() not in ("queued", "scheduled"):
            _enqueue(run_id)


class Progress:
    """How far a run is: kept in its row with a heartbeat, told to admins at most twice a second."""

    def __init__(self, run, show=None):
        self.run_id, self.started_at, self.checkpoint = run.id, run.started_at, run.checkpoint
        self.done, self.changed, self.differences = run.done, run.changed, list(run.differences)
        self.found = len(self.differences)
        if self.checkpoint is None:
            self.done, self.changed, self.differences, self.found = 0, 0, [], 0
        self.wrong = self.checkpoint["wrong"] if self.checkpoint else []
        self.total = scopes.count_steps(run.scope, run.scope_id)
        self.show = show or (lambda done, total: None)
        self.next_tell = 0.0

    def add(self, differences, phase, key):
        """One step is done, with these differences found."""
        self.done += 1
        self.changed += bool(differences)
        self.found += len(differences)
        self.differences += differences[: FIRST_DIFFERENCES - len(self.differences)]
        if differences and phase == scopes.LEARNERS:
            self.wrong.append(key)
        self.checkpoint = {"phase": phase, "after": key, "wrong": self.wrong}
        self.tick()

    def tick(self):
        """Still at work. Raises `Stopped` or `Paused` where this is not to go on here."""
        if time.monotonic() >= self.next_tell:
            if queue.stopping():
                raise Paused
            if not self._tell():
                raise Stopped

    def finish(self, status, *, error=None):
        """The run has ended; one that was cancelled meanwhile stays so."""
        self._tell(status=status, finished_at=utcnow(), error=error)

    def pause(self):
        """The run goes on in another worker: it waits again, unless another of its place waits already."""
        try:
            self._tell(status=QUEUED)
        except IntegrityError:
            self.finish(FAILED, error="Its worker was stopped; the one that waited does it.")

    def _tell(self, **values):
        """Write the progress down and tell it; False where the run is not this one's any more."""
        self.next_tell = time.monotonic() + TELL_SECONDS
        values |= {"done": self.done, "total": self.total, "changed": self.changed, "differences": self.differences}
        values |= {"checkpoint": self.checkpoint, "heartbeat_at": utcnow()}
        mine = (JobRun.id == self.run_id, JobRun.status == RUNNING, JobRun.started_at == self.started_at)
        with transaction() as session:
            told = session.scalar(update(JobRun).where(*mine).values(values).returning(JobRun.id))
        if told is None:
            return False
        broadcast.recalculation(db.session.get(JobRun, self.run_id, populate_existing=True).as_dict())
        release()
        self.show(self.done, self.total)
        return True
