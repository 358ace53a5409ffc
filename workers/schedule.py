"""The table of periodic jobs, and RQ's cron made to enqueue through `queue.py`.

As it comes, RQ's cron pickles, and enqueues again while the last job still waits.
"""

import logging

import redis
from rq.cron import CronScheduler

from models.db import utcnow
from monitoring import memory
from workers import counts, live, queue, upkeep

log = logging.getLogger(__name__)

# (seconds between two runs, queue, job)
EVERY = (
    (2, queue.COUNTS, counts.increment_counts),
    (2, queue.COUNTS, live.flush_presence),
    (30, queue.UPKEEP, live.close_overdue),
    (6 * 3600, queue.UPKEEP, upkeep.make_partitions),
)


class Scheduler(CronScheduler):
    """Enqueues by name with our serializer, and nothing that waits already."""

    app = None

    def enqueue_jobs(self):
        """Enqueue what is due; answers the jobs."""
        due = [job for job in self.get_jobs() if job.should_run()]
        with self.app.app_context():
            for job in due:
                _enqueue(job)
        return due


def _enqueue(job):
    try:
        if not queue.waiting(job.queue_name, job.func_name):
            queue.enqueue(job.queue_name, job.func_name)
    except redis.RedisError as error:
        log.warning("job=%s was not enqueued: %s", job.func_name, error)
    job.set_enqueue_time(utcnow())


def run(app):
    """Enqueue periodic jobs until stopped; one per installation."""
    Scheduler.app = app
    scheduler = Scheduler(connection=memory(), logging_level="WARNING")
    for seconds, queue_name, job in EVERY:
        scheduler.register(job, queue_name=queue_name, interval=seconds)
    scheduler.start()
