"""The table of periodic jobs, and RQ's cron made to enqueue through `queue.py`.

As it comes, RQ's cron pickles, enqueues again while the last job still waits, and does both in as many processes as
are started.
"""

import contextlib
import logging

import redis
from rq.cron import CronScheduler

from models.db import utcnow
from monitoring import memory
from workers import counts, live, queue, recalculation, upkeep

log = logging.getLogger(__name__)

# (seconds between two runs, queue, job)
EVERY = (
    (2, queue.COUNTS, counts.increment_counts),
    (2, queue.COUNTS, live.flush_presence),
    (5, queue.COUNTS, recalculation.sweep_recalculations),
    (10, queue.UPKEEP, live.open_planned),
    (30, queue.UPKEEP, live.close_overdue),
    (60, queue.UPKEEP, counts.tell_assigned),
    (6 * 3600, queue.UPKEEP, upkeep.make_partitions),
)
# (when in UTC, as cron writes it, queue, job)
AT = (("45 4 * * *", queue.UPKEEP, counts.verify_sample),)

LEASE_KEY = "blockpy:scheduler"
LEASE_SECONDS = 6


class Scheduler(CronScheduler):
    """Enqueues by name with our serializer, and nothing that waits already; one at a time, whoever holds the lease."""

    app = None

    def enqueue_jobs(self):
        """Enqueue what is due; answers the jobs. Without the lease another process does it, and we keep time."""
        due = [job for job in self.get_jobs() if job.should_run()]
        leads = bool(due) and self.leads()
        with self.app.app_context():
            for job in due:
                if leads:
                    _enqueue(job)
                job.set_enqueue_time(utcnow())
        return due

    def leads(self):
        """Take the lease, or keep it; False where somebody else has it, or Redis is away."""
        try:
            return self.lease.reacquire() if self.lease.owned() else self.lease.acquire(blocking=False)
        except redis.RedisError as error:
            log.warning("no lease, another scheduler may have it: %s", error)
            return False

    def register_death(self, pipeline=None):
        """Leave; the next one need not wait until the lease has ended."""
        with contextlib.suppress(redis.RedisError):
            if self.lease.owned():
                self.lease.release()
        super().register_death(pipeline)


def _enqueue(job):
    try:
        queue.enqueue_once(job.queue_name, job.func_name)
    except redis.RedisError as error:
        log.warning("job=%s was not enqueued: %s", job.func_name, error)


def make(app):
    """A scheduler with the whole table, which does nothing yet."""
    Scheduler.app = app
    scheduler = Scheduler(connection=memory(), logging_level="WARNING")
    scheduler.lease = memory().lock(LEASE_KEY, timeout=LEASE_SECONDS)
    for seconds, queue_name, job in EVERY:
        scheduler.register(job, queue_name=queue_name, interval=seconds)
    for when, queue_name, job in AT:
        scheduler.register(job, queue_name=queue_name, cron=when)
    return scheduler


def run(app):
    """Enqueue periodic jobs until stopped; a second one only waits to take over."""
    make(app).start()
