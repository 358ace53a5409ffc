"""A worker that is killed in a recalculation, and five hundred who ask for one: rooms and counts stay right."""

import threading
import time

import pytest

from tests.clients import Person, eventually
from tests.faults import FULL
from tests.faults.checking import check_recalculations, until_counted
from tests.faults.load import Asker, Mixer, query, until_written, writing
from tests.faults.managing import managed
from tests.processes import kill_tree

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

TRIGGERS = 500
TRIGGER_SECONDS = 5
THREADS = 5
MOST_RUNS = 100


def trigger(asker, number, seconds):
    """Ask so many times within so many seconds, not later."""
    began = time.monotonic()
    for index in range(number):
        asker.write()
        time.sleep(max(began + (index + 1) * seconds / number - time.monotonic(), 0))


def ask_all(askers, number, seconds):
    """All of these ask at once; answers how long that took."""
    began = time.monotonic()
    threads = [threading.Thread(target=trigger, args=(asker, number // len(askers), seconds)) for asker in askers]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return time.monotonic() - began


def test_a_worker_killed_in_a_recalculation_and_500_triggers_leave_every_count_right(twins, room):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 6)
    watchers = [school.watch(), school.watch(url=web2)]
    for pupil in school.pupils:
        pupil.open(school.assignment_id)
    school.writers = [Mixer(pupil, pause_seconds=0.1) for pupil in school.pupils]
    scopes = [("all", None), ("course", twins.demo["course_id"]), ("assignment", school.assignment_id)]
    scopes += [("submission", pupil.submission["id"]) for pupil in school.pupils]
    login = {"token": twins.admin.token, "user_id": twins.admin.user_id}
    askers = [Asker(Person(url, login), scopes) for url in (twins.url, web2) * (THREADS // 2 + 1)][:THREADS]
    newest = query(twins, "SELECT coalesce(max(id), 0) FROM job_runs")[0][0]

    with managed(twins), writing(school.writers):
        until_written(school.writers, 3)
        run_id = askers[0].ask(scope="all")
        kill_while_it_runs(twins, run_id)
        number = TRIGGERS if FULL else TRIGGERS // 10
        took = ask_all(askers, number, number * TRIGGER_SECONDS / TRIGGERS)
        until_written(school.writers, 3)
        until_counted(twins)
    [asker.pupil.close() for asker in askers]

    runs = query(twins, "SELECT count(*) FROM job_runs WHERE id > :newest", newest=newest)[0][0]
    print(f"{number} triggers in {took:.1f} s became {runs} recalculations")
    assert sum(len(asker.acknowledged) for asker in askers) == number
    # Of one scope one runs and at most one waits, however many ask.
    assert runs <= MOST_RUNS
    school.check()
    if FULL:
        check_recalculations(twins)
        school.check()
    assert all("LOST" not in seen for watcher in watchers for seen in watcher.states.values())


def kill_while_it_runs(house, run_id):
    """Kill the worker of recalculations as soon as this one has begun."""
    began = "SELECT 1 FROM job_runs WHERE id = :id AND status <> 'queued'"
    eventually(lambda: query(house, began, id=run_id), 30, "the recalculation has begun")
    kill_tree(house.installation.running["others"])
