"""The scheduler: one at a time, nothing twice, and another one takes over."""

import time

import pytest

from monitoring import memory
from tests.clients import eventually
from tests.processes import Installation
from workers import queue, schedule

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def waits():
    return sorted(job.func_name for name in queue.NAMES for job in queue.queue(name).jobs)


def at_once(scheduler):
    """Its jobs are due, however long ago they were enqueued."""
    for job in scheduler.get_jobs():
        job.next_enqueue_time = None


def test_nothing_is_enqueued_while_it_waits_already(app):
    scheduler = schedule.make(app)

    for _ in range(3):
        at_once(scheduler)
        scheduler.enqueue_jobs()

    assert waits() == sorted(f"{job.__module__}.{job.__name__}" for _, _, job in schedule.EVERY)


def test_of_two_schedulers_one_schedules(app):
    first, second = schedule.make(app), schedule.make(app)

    assert [one.leads() for one in (first, second, first, second)] == [True, False, True, False]

    second.enqueue_jobs()
    assert waits() == []
    assert second.calculate_sleep_interval() > 1


def test_another_one_takes_over_at_once_from_one_that_leaves_and_soon_from_one_that_is_gone(app):
    first, second, third = (schedule.make(app) for _ in range(3))
    first.register_birth()
    first.leads()
    first.register_death()

    assert (second.leads(), third.leads()) == (True, False)
    assert 0 < memory().pttl(schedule.LEASE_KEY) <= schedule.LEASE_SECONDS * 1000

    memory().pexpire(schedule.LEASE_KEY, 1)
    eventually(third.leads, 2, "the third has the lease")
    assert not second.leads()


def test_who_leaves_without_the_lease_leaves_it_to_its_holder(app):
    first, second = schedule.make(app), schedule.make(app)
    first.register_birth()
    first.leads()

    second.register_birth()
    second.register_death()

    assert memory().exists(schedule.LEASE_KEY)
    assert not second.leads()


def test_without_redis_nothing_is_scheduled_and_nothing_breaks(app):
    client = app.extensions["redis"]
    app.extensions["redis"] = type(client).from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    scheduler = schedule.make(app)
    app.extensions["redis"] = client

    assert scheduler.leads() is False
    scheduler.enqueue_jobs()
    assert waits() == []


def test_two_processes_started_by_mistake_enqueue_each_job_once_and_the_second_goes_on_alone(
    app, tmp_path, database_url, redis_url
):
    house = Installation(tmp_path, database_url, redis_url)
    try:
        house.start("scheduler")
        house.running["first"] = house.running.pop("scheduler")
        eventually(lambda: memory().exists(schedule.LEASE_KEY), 30, "the first one schedules")
        house.start("scheduler")
        eventually(lambda: len(waits()) == len(schedule.EVERY), 30, "everything waits")
        eventually(lambda: len(list(memory().scan_iter("rq:cron_scheduler:*"))) == 2, 30, "both run")
        began = time.monotonic()
        eventually(lambda: time.monotonic() - began > 4.5, 6, "two rounds more")
        assert len(waits()) == len(schedule.EVERY)

        holder = memory().get(schedule.LEASE_KEY)
        house.kill("first")
        queue.queue(queue.COUNTS).empty()
        eventually(lambda: queue.FOLD_JOB in waits(), schedule.LEASE_SECONDS + 4, "the other one goes on")
        assert memory().get(schedule.LEASE_KEY) != holder
    finally:
        house.stop()
