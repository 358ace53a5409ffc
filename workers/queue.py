"""The queues: one wake-up at most waits, every job has an application around it, and nothing but JSON travels."""

import logging
import os

import redis
from flask import current_app
from rq import Queue, Retry, SimpleWorker, Worker
from rq.serializers import JSONSerializer

from models.db import db
from monitoring import memory, rooms

log = logging.getLogger(__name__)

COUNTS, RECALCULATE, ANALYTICS, UPKEEP = "counts", "recalculate", "analytics", "upkeep"
NAMES = (COUNTS, RECALCULATE, ANALYTICS, UPKEEP)
WAKE_KEY = "blockpy:wake:counts"
WAKE_SECONDS = 10
FOLD_JOB = "workers.counts.increment_counts"
RETRY_SECONDS = [1, 5, 15]
FAILURE_SECONDS = 7 * 24 * 3600


def init_app(app):
    """Nothing connects here: queues are made when they are used."""
    app.extensions["queues"] = {}


def queue(name):
    """One of the four queues."""
    queues = current_app.extensions["queues"]
    if name not in queues:
        queues[name] = Queue(name, connection=memory(), serializer=JSONSerializer)
    return queues[name]


def wake(app=None, events=None):
    """Tell the workers that something is new; at most one such job waits. Losing it costs latency: a sweep follows.

    So nobody waits for a Redis that is known to be away.
    """
    if rooms().blind:
        return
    try:
        if memory().set(WAKE_KEY, "1", nx=True, ex=WAKE_SECONDS):
            enqueue(COUNTS, FOLD_JOB)
    except redis.RedisError as error:
        log.warning("no wake-up was sent, the sweep will find the events: %s", error)


def woken():
    """The job that was waiting runs: what comes from now on needs another one."""
    memory().delete(WAKE_KEY)


def enqueue(name, job, *arguments, **options):
    """Put a job (its dotted name) into a queue; what may pass is tried again with growing pauses.

    Not on `counts`: its jobs come again by themselves, within two seconds.
    """
    retry = None if name == COUNTS else Retry(max=len(RETRY_SECONDS), interval=RETRY_SECONDS)
    return queue(name).enqueue(
        job, args=arguments, retry=retry, job_timeout=3600, result_ttl=60, failure_ttl=FAILURE_SECONDS, **options
    )


def waiting(name, job):
    """Whether such a job waits in a queue, or waits to be tried again."""
    return any(item.func_name == job for item in queue(name).jobs)


def workers():
    """The names of the queues that somebody works on."""
    return {name for worker in Worker.all(connection=memory()) for name in worker.queue_names()}


def failed_count():
    """How many jobs of all queues have failed for good and are kept."""
    return sum(queue(name).failed_job_registry.count for name in NAMES)


class _InAnApplication:
    """A job has the application of its worker around it, and leaves no database session behind."""

    app = None

    def perform_job(self, job, queue):
        """Run one job inside the application context."""
        with self.app.app_context():
            try:
                return super().perform_job(job, queue)
            finally:
                db.session.remove()


class CountsWorker(_InAnApplication, SimpleWorker):
    """Runs jobs in its own process: no fork, so that the room never waits for one."""


class OtherWorker(_InAnApplication, Worker):
    """Runs each job in a fork."""

    def fork_work_horse(self, job, queue):
        """No connection of the database is shared with the fork."""
        with self.app.app_context():
            db.engine.dispose()
        return super().fork_work_horse(job, queue)


def work(app, names, *, burst=False, forks=None):
    """Work on these queues until stopped, or until they are empty (`burst`); the counts alone without forks."""
    forks = list(names) != [COUNTS] if forks is None else forks
    kind = OtherWorker if forks else CountsWorker
    kind.app = app
    worker = kind(
        [queue(name) for name in names],
        connection=memory(),
        serializer=JSONSerializer,
        name=f"{'-'.join(names)}.{os.uname().nodename}.{os.getpid()}",
    )
    return worker.work(burst=burst, logging_level="WARNING", with_scheduler=forks)
