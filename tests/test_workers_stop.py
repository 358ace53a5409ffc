"""Workers as processes: they stop without failing or losing a job, a killed one is missed, several share the work."""

import contextlib
import signal
import subprocess
import time

import psutil
import pytest
import sqlalchemy

from models.db import db, release
from models.projections import users_behind
from monitoring import memory
from tests.clients import eventually
from tests.factories import make_event, make_learner, store
from tests.processes import Installation
from workers import jobs, queue, schedule

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
WORK = "tests.jobs.work_for"
END_SECONDS = 8  # what `bin/run` waits before it kills


@pytest.fixture
def house(app, tmp_path, database_url, redis_url):
    """Processes on the test's own database, which is migrated and empty."""
    made = Installation(tmp_path, database_url, redis_url)
    yield made
    made.stop()


def start(house, name):
    """Start a worker and wait until it waits for work."""
    house.start(name)
    queue_name = {"counts": queue.COUNTS, "others": queue.UPKEEP}[name]
    eventually(lambda: queue_name in jobs.worked_queues(), 20, f"{name} works")


def stop(house, name):
    """Ask a part to end; answers (exit code, seconds)."""
    process, asked = house.running.pop(name), time.monotonic()
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=END_SECONDS * 2)
    return process.poll(), time.monotonic() - asked


def running(name):
    return jobs.list_queues()[queue.NAMES.index(name)]["running"]


def done(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


@on_sqlite
@pytest.mark.parametrize("name", ["counts", "others", "scheduler"])
def test_a_part_that_has_nothing_to_do_ends_when_asked(house, name):
    if name == "scheduler":
        house.start(name)
        eventually(lambda: memory().exists(schedule.LEASE_KEY), 20, "it schedules")
    else:
        start(house, name)

    code, took = stop(house, name)

    assert code == 0, house.log(name)
    assert took < END_SECONDS
    assert jobs.list_workers() == []
    assert not memory().exists(schedule.LEASE_KEY)


@on_sqlite
@pytest.mark.parametrize(("part", "name"), [("counts", queue.COUNTS), ("others", queue.RECALCULATE)])
def test_a_worker_ends_after_the_job_at_hand(house, tmp_path, part, name):
    start(house, part)
    queue.enqueue(name, WORK, 2, str(tmp_path / "done"))
    queue.enqueue(name, WORK, 0, str(tmp_path / "next"))
    eventually(lambda: running(name), 10, "the job runs")

    code, took = stop(house, part)

    assert code == 0, house.log(part)
    assert took < END_SECONDS
    assert (done(tmp_path / "done"), done(tmp_path / "next")) == (1, 0)
    assert (jobs.failed_count(), queue.queue(name).count, running(name)) == (0, 1, [])


@on_sqlite
@pytest.mark.parametrize(("part", "name"), [("counts", queue.COUNTS), ("others", queue.RECALCULATE)])
def test_a_long_job_goes_back_to_the_front_and_another_worker_does_it(house, tmp_path, part, name):
    start(house, part)
    long = queue.enqueue(name, "tests.jobs.slow_at_first", str(tmp_path / "done"))
    after = queue.enqueue(name, WORK, 0, str(tmp_path / "next"))
    eventually(lambda: running(name), 10, "the job runs")
    family = [psutil.Process(house.running[part].pid), *psutil.Process(house.running[part].pid).children(True)]

    code, took = stop(house, part)

    assert code == 0, house.log(part)
    assert took < END_SECONDS
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert queue.queue(name).job_ids == [long.id, after.id]
    assert (jobs.failed_count(), running(name), jobs.list_workers()) == (0, [], [])
    job = queue.fetch([long.id])[0]
    assert (job.get_status(), job.retries_left) == ("queued", queue.tries(name).max)
    start(house, part)
    eventually(lambda: done(tmp_path / "done") and done(tmp_path / "next"), 20, "both are done")
    assert jobs.failed_count() == 0


@on_sqlite
@pytest.mark.parametrize(("part", "name"), [("counts", queue.COUNTS), ("others", queue.RECALCULATE)])
def test_a_job_can_hear_that_its_worker_stops(house, tmp_path, part, name):
    start(house, part)
    queue.enqueue(name, "tests.jobs.until_stopped", str(tmp_path / "done"))
    eventually(lambda: running(name), 10, "the job runs")

    code, took = stop(house, part)

    assert (code, done(tmp_path / "done")) == (0, 1), house.log(part)
    assert took < END_SECONDS
    assert (jobs.failed_count(), queue.queue(name).count) == (0, 0)


@on_sqlite
def test_a_job_whose_process_was_killed_is_tried_again(house, tmp_path):
    start(house, "others")
    job = queue.enqueue(queue.RECALCULATE, WORK, 60, str(tmp_path / "done"))
    eventually(lambda: running(queue.RECALCULATE), 10, "the job runs")
    me = psutil.Process(house.running["others"].pid)
    children = eventually(lambda: me.children() if len(me.children()) == 2 else None, 10, "RQ's scheduler and the job")

    max(children, key=psutil.Process.create_time).kill()
    told = eventually(lambda: jobs.list_queues()[1]["scheduled"], 5, "it is to be tried again")

    assert (told[0]["id"], told[0]["error"]) == (job.id, "Its process was killed while it ran.")
    eventually(lambda: running(queue.RECALCULATE), 10, "it runs again")
    assert jobs.failed_count() == 0


@on_sqlite
@pytest.mark.parametrize(("part", "name"), [("counts", queue.COUNTS), ("others", queue.RECALCULATE)])
def test_the_job_of_a_killed_worker_is_tried_again_and_at_last_listed_as_failed(house, tmp_path, part, name):
    start(house, part)
    job = queue.enqueue(name, WORK, 600, str(tmp_path / "done"))
    eventually(lambda: running(name), 10, "the job runs")
    family = psutil.Process(house.running[part].pid).children(True)
    house.kill(part)
    for one in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    (key,) = memory().zrange(f"rq:wip:{name}", 0, -1)
    left = memory().zscore(f"rq:wip:{name}", key) - time.time()
    assert 0 < left <= queue.LOST_SECONDS

    memory().zadd(f"rq:wip:{name}", {key: time.time() - 1})  # that time has passed
    row = jobs.list_queues()[queue.NAMES.index(name)]
    again = [one["id"] for one in row["waiting"] + row["scheduled"]]

    assert (again, row["running"], jobs.failed_count()) == ([job.id], [], 0)
    job = queue.fetch([job.id])[0]
    job.retries_left = 0
    job.save()
    memory().zadd(f"rq:wip:{name}", {key: time.time() - 1})
    assert jobs.failed_count() == 1
    (told,) = jobs.list_failed(after=0, limit=9)[0]
    assert told["error"] == "Its worker was killed or lost its connection while the job ran."


@on_sqlite
def test_a_worker_at_work_goes_on_giving_signs_of_life(house, tmp_path):
    start(house, "counts")
    queue.enqueue(queue.COUNTS, WORK, queue.BEAT_SECONDS + 4, str(tmp_path / "done"))
    eventually(lambda: running(queue.COUNTS), 10, "the job runs")
    key = memory().zrange("rq:wip:counts", 0, -1)[0]
    first = jobs.list_workers()[0], memory().zscore("rq:wip:counts", key)

    eventually(lambda: (memory().zscore("rq:wip:counts", key) or 0) > first[1], queue.BEAT_SECONDS + 2, "a beat")

    told = jobs.list_workers()[0]
    assert (told["state"], told["job"]["job"]) == ("busy", WORK)
    assert told["last_heartbeat_at"] > first[0]["last_heartbeat_at"]
    eventually(lambda: done(tmp_path / "done"), 10, "the job is done")


@on_postgresql
def test_two_counts_workers_share_a_backlog_and_count_each_event_once(house, school):
    learners = [*school.learners, *(make_learner(school.course, f"More {n}") for n in range(17))]
    school.learners = learners
    works = [school.submission(n) for n in range(20)]
    for _ in range(5):
        for work in works:
            store(*(make_event(work) for _ in range(60)))
    house.start("counts")
    first = house.running.pop("counts")
    house.start("counts")
    house.running["first"] = first

    eventually(lambda: len(jobs.list_workers()) == 2, 30, "two work")
    for _ in range(40):
        for work in works[:5]:
            store(*(make_event(work) for _ in range(5)))
        queue.enqueue(queue.COUNTS, queue.FOLD_JOB)
        queue.enqueue(queue.COUNTS, queue.FOLD_JOB)
    eventually(lambda: _folded(), 60, "everything is folded")
    eventually(lambda: queue.queue(queue.COUNTS).count == 0 and not running(queue.COUNTS), 20, "both rest")

    runs = dict(db.session.execute(sqlalchemy.text("SELECT submission_id, runs FROM submission_counts")).all())
    assert runs == {work.id: 500 if n < 5 else 300 for n, work in enumerate(works)}
    courses = db.session.execute(sqlalchemy.text("SELECT total_users, total_submissions FROM course_counts")).all()
    assert courses == [(21, 20)]
    assert jobs.failed_count() == 0
    shares = [worker["done"] for worker in jobs.list_workers()]
    assert min(shares) > 0, shares


def _folded():
    release()
    return not users_behind()
