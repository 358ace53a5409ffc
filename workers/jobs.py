"""What the workers do, for admins: the queues, who works on them, and the failed jobs, which can run again."""

from datetime import UTC, datetime

from models.db import utcnow
from models.errors import Conflict, NotFound
from monitoring import memory
from workers import queue

WORDS = {
    "workers.counts.increment_counts": "Count what is new",
    "workers.counts.recalculate_submission_counts_from_logs": "Recalculate a submission",
    "workers.counts.tell_assigned": "Tell learners what is assigned",
    "workers.counts.verify_sample": "Compare a sample with the log",
    "workers.live.open_planned": "Open lessons whose time has come",
    "workers.live.close_overdue": "Close lessons that are over their time",
    "workers.live.flush_presence": "Write down who is here",
    "workers.recalculation.recalculate": "Recalculate from the log",
    "workers.recalculation.sweep_recalculations": "Look for lost recalculations",
    "workers.upkeep.make_partitions": "Make room for the next months of the log",
}
# What RQ writes where no error could be caught: part of its text, and what it means.
KILLED = {
    "AbandonedJobError": "Its worker was killed or lost its connection while the job ran.",
    "Work-horse terminated": "Its process was killed while it ran.",
    "stuck in intermediate queue": "Its worker was killed before it began.",
}
MOST_SHOWN = 20


def list_queues():
    """Each queue with what waits, what runs and what is to be tried again."""
    return [_queue(queue.queue(name)) for name in queue.NAMES]


def _queue(row):
    _look_after(row)
    waiting, scheduled = row.get_job_ids(0, MOST_SHOWN), row.scheduled_job_registry
    running = dict(row.started_job_registry.get_job_and_execution_ids(cleanup=False))
    return {
        "name": row.name,
        "waiting_count": row.count,
        "waiting": _jobs(waiting),
        "running": _jobs(running),
        "scheduled_count": scheduled.get_job_count(cleanup=False),
        "scheduled": [
            job | {"at": scheduled.get_scheduled_time(job["id"])}
            for job in _jobs(scheduled.get_job_ids(0, MOST_SHOWN - 1, cleanup=False))
        ],
    }


def _look_after(row):
    """What a killed worker has left behind fails, or is tried again, as soon as somebody looks."""
    if row.acquire_maintenance_lock():
        try:
            row.started_job_registry.cleanup()
            row.failed_job_registry.cleanup()
        finally:
            row.release_maintenance_lock()


def _jobs(job_ids):
    return [_told(job) for job in queue.fetch(list(job_ids)) if job is not None]


def _told(job):
    return {
        "id": job.id,
        "queue": job.origin,
        "job": job.func_name,
        "name": WORDS.get(job.func_name) or job.func_name.rpartition(".")[2].replace("_", " ").capitalize(),
        "arguments": list(job.args),
        "worker": job.worker_name or None,
        "enqueued_at": job.enqueued_at,
        "started_at": job.started_at,
        "tries": job.meta.get("runs", 0),
        "error": _error_words(job.meta.get("error")),
    }


def _error_words(text):
    return next((words for part, words in KILLED.items() if part in (text or "")), text)


def list_workers():
    """Every worker that has said something lately, by name."""
    keys = sorted(key.decode() for key in memory().smembers("rq:workers"))
    with memory().pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.hgetall(key)
        rows = pipeline.execute()
    found = zip(keys, rows, strict=True)
    return [_worker(key.removeprefix("rq:worker:"), row) for key, row in found if b"last_heartbeat" in row]


def _worker(name, row):
    row = {key.decode(): value.decode() for key, value in row.items()}
    beat = datetime.fromisoformat(row["last_heartbeat"]).astimezone(UTC)
    silent = (utcnow() - beat).total_seconds() > queue.LOST_SECONDS
    job = queue.fetch([row["current_job"]])[0] if row.get("current_job") else None
    return {
        "name": name,
        "queues": row["queues"].split(","),
        "state": "silent" if silent else "busy" if job else "idle",
        "job": _told(job) if job else None,
        "last_heartbeat_at": beat,
        "done": int(row.get("successful_job_count", 0)),
        "failed": int(row.get("failed_job_count", 0)),
    }


def worked_queues():
    """The names of the queues that somebody works on."""
    return {name for worker in list_workers() if worker["state"] != "silent" for name in worker["queues"]}


def failed_count():
    """How many jobs of all queues have failed for good and are kept."""
    rows = [queue.queue(name) for name in queue.NAMES]
    for row in rows:
        _look_after(row)
    return sum(row.failed_job_registry.get_job_count(cleanup=False) for row in rows)


def list_failed(*, after, limit):
    """(failed jobs, newest first, without the first `after`; whether there are more)."""
    found = _failed_ids(after + limit + 1)[after:]
    page = found[:limit]
    jobs = queue.fetch([job_id for job_id, _ in page])
    told = [_failed(job, expires) for job, (_, expires) in zip(jobs, page, strict=True) if job is not None]
    return told, len(found) > limit


def _failed_ids(most=None):
    """[(id, when it will be forgotten)] of the newest, or of all; each job is kept equally long."""
    last = -1 if most is None else most - 1
    with memory().pipeline(transaction=False) as pipeline:
        for name in queue.NAMES:
            pipeline.zrange(queue.queue(name).failed_job_registry.key, 0, last, desc=True, withscores=True)
        found = [(job_id.decode(), expires) for rows in pipeline.execute() for job_id, expires in rows]
    return sorted(found, key=lambda one: (-one[1], one[0]))[:most]


def _failed(job, expires):
    result = job.latest_result()
    return _told(job) | {
        "failed_at": datetime.fromtimestamp(expires - queue.FAILURE_SECONDS, UTC),
        "failures": job.meta.get("failures", 1),
        "traceback": result.exc_string if result else None,
    }


def retry(job_id):
    """Put a failed job back into its queue, with all its tries; answers it. Raises `NotFound`, `Conflict`."""
    job = _take_failed(job_id)
    memory().hdel(queue.FAILED_KEY, job.same)
    job.retries_left, job.started_at, job.ended_at = queue.tries(job.origin).max, None, None
    queue.queue(job.origin).enqueue_job(job)
    return _told(job)


def retry_all():
    """Put every failed job back into its queue; answers how many."""
    done = 0
    for job_id, _ in _failed_ids():
        try:
            retry(job_id)
            done += 1
        except (Conflict, NotFound):
            continue  # somebody else was quicker
    return done


def remove(job_id):
    """Forget a failed job. Raises `NotFound`, `Conflict`."""
    with memory().pipeline() as pipeline:
        _take_failed(job_id).forget(pipeline)
        pipeline.execute()


def _take_failed(job_id):
    """The job, which is no longer in the failed list: of two who ask at once, one gets it."""
    job = queue.fetch([job_id])[0]
    if job is None:
        raise NotFound("There is no such job; it may have been done and forgotten.")
    if not memory().zrem(job.failed_job_registry.key, job.id):
        raise Conflict("Only a job that has failed can run again or be removed.")
    return job
