"""The queues: one wake-up at most waits, every job has an application around it, and nothing but JSON travels."""

import contextlib
import json
import logging
import os
import signal
import threading
import time

import redis
from flask import current_app
from rq import Queue, Retry, SimpleWorker, Worker
from rq.job import Job, JobStatus
from rq.results import get_key
from rq.serializers import JSONSerializer

from models.db import db
from monitoring import memory, rooms
from monitoring.errands import later
from workers import failures

log = logging.getLogger(__name__)

COUNTS, RECALCULATE, ANALYTICS, UPKEEP = "counts", "recalculate", "analytics", "upkeep"
NAMES = (COUNTS, RECALCULATE, ANALYTICS, UPKEEP)
WAKE_KEY = "blockpy:wake:counts"
WAITING_KEY = "blockpy:waiting"
FAILED_KEY = "blockpy:failed"
WAKE_SECONDS = 10
FOLD_JOB = "workers.counts.increment_counts"
# Long enough in sum for a database that is restarted or replaced by its stand-by.
RETRY_SECONDS = [1, 5, 15, 60, 300]
FAILURE_SECONDS = 7 * 24 * 3600

STEP_SECONDS = AGAIN_SECONDS = 1
BEAT_SECONDS = 15
LOST_SECONDS = BEAT_SECONDS + 60
MAINTENANCE_SECONDS = 30
# Service managers kill after 8 to 10 seconds; what has gone back into its queue by then is neither lost nor failed.
GRACE_SECONDS = 5

_stopping = threading.Event()


def init_app(app):
    """Nothing connects here: queues are made when they are used."""
    app.extensions["queues"] = {}


def queue(name):
    """One of the four queues."""
    queues = current_app.extensions["queues"]
    if name not in queues:
        queues[name] = Queue(name, connection=memory(), serializer=JSONSerializer, job_class=KeptJob)
    return queues[name]


def wake(app=None, events=None):
    """Tell the workers that something is new; at most one such job waits. Losing it costs latency: a sweep follows."""
    later(_wake)


def _wake(_items):
    """Nobody waits for a Redis that is known to be away."""
    if rooms().blind:
        return
    try:
        if memory().set(WAKE_KEY, "1", nx=True, ex=WAKE_SECONDS):
            enqueue_once(COUNTS, FOLD_JOB)
    except redis.RedisError as error:
        log.warning("no wake-up was sent, the sweep will find the events: %s", error)


def woken():
    """The job that was waiting runs: what comes from now on needs another one."""
    memory().delete(WAKE_KEY)


def stopping():
    """Whether this worker was asked to stop: a job that can go on elsewhere ends after its batch."""
    return _stopping.is_set()


def fetch(job_ids):
    """Jobs by their ids, in this order; None for each that is gone."""
    return KeptJob.fetch_many(job_ids, memory(), JSONSerializer)


def enqueue(name, job, *arguments, **options):
    """Put a job (its dotted name) into a queue; what may pass is tried again with growing pauses.

    Not on `counts`: its jobs come again by themselves, within two seconds.
    """
    made = queue(name).enqueue(
        job, args=arguments, retry=tries(name), job_timeout=3600, result_ttl=60, failure_ttl=FAILURE_SECONDS, **options
    )
    if not arguments:
        memory().hset(WAITING_KEY, f"{name} {job}", made.id)
    return made


def tries(name):
    """How a job of a queue is tried again; on `counts` only after a killed worker, see `KeptJob.perform`."""
    return Retry(max=1) if name == COUNTS else Retry(max=len(RETRY_SECONDS), interval=RETRY_SECONDS)


def enqueue_once(name, job):
    """Put a job without arguments into a queue, unless one waits there or waits to be tried again."""
    if not waiting(name, job):
        enqueue(name, job)


def waiting(name, job):
    """Whether a job without arguments waits in a queue, or waits to be tried again; as cheap when the queue is long."""
    job_id = memory().hget(WAITING_KEY, f"{name} {job}")
    if job_id is None:
        return False
    with memory().pipeline(transaction=False) as pipeline:
        pipeline.lpos(queue(name).key, job_id)
        pipeline.zscore(queue(name).scheduled_job_registry.key, job_id)
        return any(place is not None for place in pipeline.execute())


class KeptJob(Job):
    """A job whose error is told without anybody's data, and whose failures stand in one line of the list."""

    told = None

    @property
    def same(self):
        """What two jobs have in common that do the same."""
        return f"{self.origin} {self.func_name}{json.dumps(self.args)}"

    def perform(self):
        """Do it; what will not pass is not tried again."""
        self._note(runs=self.meta.get("runs", 0) + 1)
        try:
            return super().perform()
        except Exception as error:
            self.told = failures.told(error)
            self._note(error=failures.words(error))
            if self.origin == COUNTS or not failures.may_pass(error):
                self.retries_left = 0
            raise

    def _note(self, **values):
        self.meta.update(values)
        with contextlib.suppress(redis.RedisError):
            self.save_meta()

    def _handle_failure(self, exc_string, pipeline, **options):
        """Take the place of an earlier failure of the same job: a sweep fails every two seconds where one is broken."""
        if self.told is None:
            self.meta["error"] = failures.last_line(exc_string)
        if earlier := self._earlier_failure():
            self.meta["failures"] = earlier.meta.get("failures", 1) + 1
            earlier.forget(pipeline)
        super()._handle_failure(self.told or exc_string, pipeline, **options)
        pipeline.hset(self.key, "meta", self.serializer.dumps(self.meta))
        pipeline.hset(FAILED_KEY, self.same, self.id)
        pipeline.expire(FAILED_KEY, FAILURE_SECONDS)

    def _handle_success(self, result_ttl, pipeline, **options):
        """The same job has failed before and works now: that is over."""
        if earlier := self._earlier_failure():
            earlier.forget(pipeline)
        super()._handle_success(result_ttl, pipeline, **options)

    def forget(self, pipeline):
        """Remove all that is kept of a failed job."""
        pipeline.zrem(self.failed_job_registry.key, self.id)
        pipeline.hdel(FAILED_KEY, self.same)
        pipeline.delete(get_key(self.id))
        self.delete(pipeline=pipeline)

    def _earlier_failure(self):
        job_id = (self.connection.hget(FAILED_KEY, self.same) or b"").decode()
        return None if job_id in ("", self.id) else self.fetch_many([job_id], self.connection, self.serializer)[0]


class _Ours:
    """What both kinds of worker share: an application around each job, and a stop that neither fails nor loses one."""

    app = None
    gives_back = False

    def register_birth(self):
        """Whoever sees this worker may ask it to end: it must know how before it is seen."""
        self._install_signal_handlers()
        super().register_birth()

    def perform_job(self, job, queue):
        """Run one job inside the application context; no database session is left behind."""
        with self.app.app_context():
            try:
                return super().perform_job(job, queue)
            finally:
                db.session.remove()

    def dequeue_job_and_maintain_ttl(self, timeout, max_idle_time=None):
        """Wait in short steps: a stop comes between two, never between a job's way out of the queue and its start."""
        while not self._stop_requested:
            found = super().dequeue_job_and_maintain_ttl(timeout, STEP_SECONDS)
            if found or timeout is None:
                return found
        return None

    def _shutdown(self):
        """Asked to stop: end after the job at hand, or give it back when that takes too long."""
        self._stop_requested = True
        self._asked_at = time.monotonic()
        _stopping.set()
        if self.horse_pid:
            os.kill(self.horse_pid, signal.SIGTERM)
        insist = threading.Timer(GRACE_SECONDS, os.kill, (os.getpid(), signal.SIGTERM))
        insist.daemon = True
        insist.start()

    def request_force_stop(self, signum, frame):
        """The time is up, or somebody asks again."""
        if time.monotonic() - self._asked_at > AGAIN_SECONDS:
            self.gives_back = True
            if not self.horse_pid:
                raise SystemExit
            os.kill(self.horse_pid, signal.SIGKILL)

    def handle_exception(self, job, *exc_info):
        """Say in the log what went wrong, without anybody's data."""
        if not self.gives_back:
            log.error("job=%s %s failed\n%s", job.id, job.func_name, job.told or failures.told(exc_info[1]))

    def handle_job_failure(self, job, queue, started_job_registry=None, exc_string=""):
        """A job that was ended by our stop goes to the front of its queue, for another worker."""
        if self.gives_back:
            return self._give_back(job, queue)
        job.meta = job.get_meta() | ({} if job.told else {"error": failures.last_line(exc_string)})
        return super().handle_job_failure(job, queue, started_job_registry, exc_string)

    def _give_back(self, job, queue):
        with self.connection.pipeline() as pipeline:
            self.cleanup_execution(job, pipeline)
            job.set_status(JobStatus.QUEUED, pipeline=pipeline)
            queue.push_job_id(job.id, pipeline=pipeline, at_front=True)
            pipeline.execute()
        log.info("job=%s %s goes back into its queue, since this worker stops", job.id, job.func_name)


class CountsWorker(_Ours, SimpleWorker):
    """Runs jobs in its own process: no fork, so that the room never waits for one."""

    def get_heartbeat_ttl(self, job):
        """A thread beats while a job runs, so that a killed worker is missed soon."""
        return LOST_SECONDS

    def bootstrap(self, *arguments, **options):
        """Begin to beat."""
        self._over = threading.Event()
        super().bootstrap(*arguments, **options)
        threading.Thread(target=self._beat, daemon=True).start()

    def teardown(self):
        """End the beat."""
        self._over.set()
        super().teardown()

    def _beat(self):
        while not self._over.wait(BEAT_SECONDS):
            if execution := self.execution:
                with contextlib.suppress(redis.RedisError), self.connection.pipeline() as pipeline:
                    self.heartbeat(LOST_SECONDS, pipeline)
                    for one in self.queues:
                        execution.heartbeat(one.started_job_registry, LOST_SECONDS, pipeline)
                    pipeline.execute()


class OtherWorker(_Ours, Worker):
    """Runs each job in a fork."""

    def setup_work_horse_signals(self):
        """The fork only hears that it is to end: its worker decides what becomes of the job."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, lambda *_: _stopping.set())

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
        job_class=KeptJob,
        name=f"{'-'.join(names)}.{os.uname().nodename}.{os.getpid()}",
        worker_ttl=2 * BEAT_SECONDS,
        job_monitoring_interval=BEAT_SECONDS,
        maintenance_interval=MAINTENANCE_SECONDS,
    )
    return worker.work(burst=burst, logging_level="WARNING", with_scheduler=forks)
