"""The queues: what waits waits once, what may pass is tried again, what fails is listed truly and without data."""

import json
import time

import pytest

from models.errors import Conflict, NotFound
from models.submission import Submission
from monitoring import memory
from tests import jobs as some
from tests.factories import make_school, make_user
from workers import failures, jobs, queue, schedule

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FAIL = "tests.jobs.fail"
RECOUNT = "workers.counts.recalculate_submission_counts_from_logs"


@pytest.fixture
def drain(app):
    """`drain()` works all queues off; jobs may fail."""
    return lambda: queue.work(app, queue.NAMES, burst=True, forks=False)


def waits(name):
    return [job.func_name for job in queue.queue(name).jobs]


def scheduled(name):
    return queue.queue(name).scheduled_job_registry.get_job_ids(cleanup=False)


def failed():
    return jobs.list_failed(after=0, limit=500)[0]


# --- what waits ---


@on_sqlite
def test_wake_ups_do_not_pile_up_while_nobody_works(app):
    for _ in range(5):
        queue.wake()
        memory().delete(queue.WAKE_KEY)  # as its time would end it

    assert waits(queue.COUNTS) == [queue.FOLD_JOB]


@on_sqlite
def test_a_wake_up_follows_the_one_that_was_worked_off(app, drain):
    queue.wake()
    drain()
    queue.wake()

    assert waits(queue.COUNTS) == [queue.FOLD_JOB]


@on_sqlite
def test_whether_a_job_waits_is_known_at_once_in_a_queue_of_any_length(app):
    for _ in range(20):
        memory().rpush(queue.queue(queue.UPKEEP).key, *(f"job-{n}" for n in range(5000)))
    queue.enqueue(queue.UPKEEP, "workers.upkeep.make_partitions")

    began = time.monotonic()
    answers = [queue.waiting(queue.UPKEEP, f"workers.{name}") for name in ("upkeep.make_partitions", "live.close")]

    assert answers == [True, False]
    assert time.monotonic() - began < 1


@on_sqlite
def test_a_job_that_waits_to_be_tried_again_is_waiting(app, drain):
    made = queue.enqueue(queue.UPKEEP, "workers.upkeep.make_partitions")
    queue.queue(queue.UPKEEP).empty()
    memory().zadd(queue.queue(queue.UPKEEP).scheduled_job_registry.key, {made.id: time.time() + 60})

    queue.enqueue_once(queue.UPKEEP, "workers.upkeep.make_partitions")

    assert waits(queue.UPKEEP) == []


@on_sqlite
def test_each_periodic_job_has_a_name_in_words(app):
    names = {job.__module__ + "." + job.__name__ for _, _, job in schedule.EVERY}

    assert names <= set(jobs.WORDS)


# --- what fails ---


@on_sqlite
@pytest.mark.parametrize("way", some.WAYS)
def test_only_what_may_pass_is_tried_again(app, drain, way):
    job = queue.enqueue(queue.UPKEEP, FAIL, way)
    drain()

    # SQLite has one kind of error for a missing table and for a lock that was not given.
    is_tried_again = way in (*some.PASSES, "wrong statement")
    assert (scheduled(queue.UPKEEP) == [job.id], len(failed())) == (is_tried_again, 0 if is_tried_again else 1)


@on_sqlite
def test_pauses_grow_and_then_it_has_failed_for_good(app, drain):
    job = queue.enqueue(queue.UPKEEP, FAIL, "time is up")
    registry = queue.queue(queue.UPKEEP).scheduled_job_registry
    pauses = []

    drain()
    while scheduled(queue.UPKEEP):
        pauses.append(round(registry.get_scheduled_time(job.id).timestamp() - time.time()))
        registry.remove(job.id)
        queue.queue(queue.UPKEEP).push_job_id(job.id)
        drain()

    assert [abs(told - wanted) <= 2 for told, wanted in zip(pauses, queue.RETRY_SECONDS, strict=True)] == [True] * 5
    (told,) = failed()
    assert (told["id"], told["tries"]) == (job.id, 6)


@on_sqlite
def test_a_job_that_failed_is_kept_for_seven_days(app, drain):
    job = queue.enqueue(queue.UPKEEP, FAIL, "not found")
    drain()

    left = memory().ttl(f"rq:job:{job.id}")
    assert 7 * 24 * 3600 - 60 < left <= 7 * 24 * 3600
    memory().zadd(queue.queue(queue.UPKEEP).failed_job_registry.key, {job.id: time.time() - 1})
    assert jobs.failed_count() == 0


@on_sqlite
def test_a_sweep_that_fails_again_and_again_stands_in_one_line(app, drain):
    for _ in range(12):
        queue.enqueue(queue.COUNTS, FAIL, "not found")
        drain()
    queue.enqueue(queue.COUNTS, FAIL, "key")
    drain()

    assert {told["arguments"][0]: told["failures"] for told in failed()} == {"key": 1, "not found": 12}
    assert len(list(memory().scan_iter("rq:job:*"))) == 2
    assert len(list(memory().scan_iter("rq:results:*"))) == 2


@on_sqlite
def test_a_failure_leaves_the_list_when_the_same_job_works(app, drain, tmp_path):
    path = str(tmp_path / "needed")
    queue.enqueue(queue.COUNTS, "tests.jobs.need", path)
    drain()
    assert jobs.failed_count() == 1

    (tmp_path / "needed").touch()
    queue.enqueue(queue.COUNTS, "tests.jobs.need", path)
    drain()

    assert jobs.failed_count() == 0


# --- what is told of it ---


@pytest.mark.parametrize("way", some.WAYS)
def test_nobodys_data_is_in_what_is_told_of_a_failure(app, drain, caplog, way):
    made = queue.enqueue(queue.COUNTS, FAIL, way)
    drain()

    (told,) = failed()
    kept = repr(memory().hgetall(f"rq:job:{made.id}")) + caplog.text
    for text in (json.dumps(told, default=str), kept):
        assert "the answer of" not in text
        assert "Pupil 07" not in text
    assert "Traceback (most recent call last)" in told["traceback"]
    assert "tests/jobs.py" in told["traceback"]
    assert told["error"] in told["traceback"]


def test_what_helps_is_told(app, drain):
    expected = {
        "not found": "NotFound: There is no course 5.",
        "twice the same": {"sqlite": "users.email", "postgresql": "23505 users uq_users_email"},
        "database away": "refused",
        "redis away": "refused",
        "redis command": "ResponseError: WRONGTYPE",
        "while handling": "RuntimeError: " + failures.NOTHING,
    }
    kind = "sqlite" if "sqlite" in app.config["DATABASE_URL"] else "postgresql"
    for way in expected:
        queue.enqueue(queue.COUNTS, FAIL, way)
    drain()

    told = {one["arguments"][0]: one["error"] for one in failed()}
    for way, words in expected.items():
        assert (words if isinstance(words, str) else words[kind]) in told[way]


@on_sqlite
def test_the_first_error_is_told_before_those_that_it_led_to(app, drain):
    queue.enqueue(queue.COUNTS, FAIL, "while handling")
    drain()

    text = failed()[0]["traceback"]
    assert text.index("builtins.ValueError") < text.index("builtins.RuntimeError")


# --- again, or away ---


@on_sqlite
def test_a_retried_job_runs_again_and_leaves_the_list(app, drain, school):
    unknown = school.submission().id + 1
    job = queue.enqueue(queue.RECALCULATE, RECOUNT, unknown)
    drain()
    Submission.from_assignment(school.assignment, school.learners[1].id)

    told = jobs.retry(job.id)
    drain()

    assert (told["name"], told["arguments"]) == ("Recalculate a submission", [unknown])
    assert (failed(), jobs.failed_count()) == ([], 0)
    assert queue.fetch([job.id])[0].get_status() == "finished"


@on_sqlite
def test_a_retried_job_has_all_its_tries_again(app, drain):
    job = queue.enqueue(queue.UPKEEP, FAIL, "not found")
    drain()

    jobs.retry(job.id)

    assert queue.fetch([job.id])[0].retries_left == len(queue.RETRY_SECONDS)
    drain()
    assert [told["id"] for told in failed()] == [job.id]


@on_sqlite
def test_of_two_who_ask_at_once_one_gets_the_job(app, drain):
    job = queue.enqueue(queue.UPKEEP, FAIL, "not found")
    with pytest.raises(Conflict):
        jobs.retry(job.id)
    drain()

    jobs.retry(job.id)

    for ask in (jobs.retry, jobs.remove):
        with pytest.raises(Conflict):
            ask(job.id)
        with pytest.raises(NotFound):
            ask("no-such-job")
    assert len(waits(queue.UPKEEP)) == 1


@on_sqlite
def test_a_removed_job_leaves_nothing(app, drain):
    job = queue.enqueue(queue.UPKEEP, FAIL, "not found")
    drain()

    jobs.remove(job.id)

    assert failed() == []
    assert [key for key in memory().scan_iter("*") if job.id.encode() in key] == []
    assert memory().hlen(queue.FAILED_KEY) == 0


@on_sqlite
def test_all_that_failed_can_run_again(app, drain):
    make_school(0), make_user()
    for way in ("key", "number", "not found"):
        queue.enqueue(queue.UPKEEP, FAIL, way)
    queue.enqueue(queue.COUNTS, FAIL, "key")
    drain()

    count = jobs.retry_all()

    assert (count, failed()) == (4, [])
    assert (len(waits(queue.UPKEEP)), len(waits(queue.COUNTS))) == (3, 1)


@on_sqlite
def test_failed_jobs_come_by_pages_newest_first(app, drain):
    ids = []
    for n in range(5):
        name = queue.NAMES[n % 4]
        ids.append(queue.enqueue(name, RECOUNT, 1000 + n).id)
        drain()
        memory().zincrby(queue.queue(name).failed_job_registry.key, n, ids[-1])

    pages = [jobs.list_failed(after=after, limit=2) for after in (0, 2, 4)]

    assert [[told["id"] for told in page] for page, _ in pages] == [ids[:2:-1], ids[2:0:-1], ids[:1]]
    assert [more for _, more in pages] == [True, True, False]
