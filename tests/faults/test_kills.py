"""Every part is killed with -9 at random moments under load: nothing acknowledged is lost, and nobody has to help.

The seed is printed; TEST_FAULT_SEED draws the same moments again. TEST_FAULT_POINTS is the number of kills of
each part on each database; without it each part is killed three times.
"""

import contextlib
import os
import random
import time

import psutil
import pytest

from tests.clients import Person, eventually
from tests.faults.checking import check_log_and_counts, check_recalculations, until_counted
from tests.faults.load import Asker, Mixer, Sender, Writer, check_written, query, until_written, writing
from tests.faults.managing import managed
from tests.postgres_server import PostgresServer
from tests.processes import kill_tree

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SEED = int(os.environ.get("TEST_FAULT_SEED", random.SystemRandom().randrange(10**6)))
# phase: the longest time that it goes on before the kill
PHASES = {"appending": 0.5, "folding a backlog": 0.3, "recalculating": 0.8, "starting": 2.0}
BACKLOG = 450
# The machine has more to do than to carry the load: what was killed starts again beside it.
PAUSE_SECONDS = 0.1
BACK_SECONDS = 60
FEW = {"sqlite": 1, "postgresql": 2}
# A recalculation that was cut short goes on after a while: whom it needs is killed first, so that the while can pass.
CASES = [("sqlite", "others"), ("postgresql", "others"), ("postgresql", "postgresql")]
CASES += [(database, victim) for victim in ("counts", "web", "redis") for database in FEW]


@pytest.fixture(scope="module")
def houses(builder, tmp_path_factory):
    """`houses(database)`: a school on it with all its people at work; the same one for each test."""
    with contextlib.ExitStack() as closing:
        made = {}

        def house(database):
            if database not in made:
                made[database] = closing.enter_context(_school(builder, tmp_path_factory.mktemp(database), database))
            return made[database]

        yield house


@contextlib.contextmanager
def _school(builder, folder, database):
    with contextlib.ExitStack() as closing:
        servers, url = {}, database
        if database == "postgresql":
            servers[database] = PostgresServer().start()
            closing.callback(servers[database].close)
            url = servers[database].url
        house = closing.enter_context(builder.house(folder, url, redis_keeps=True))
        house.servers = {"redis": house.redis, **servers}
        house.asking = Person(house.url, house.demo["logins"]["admin"])
        closing.callback(house.asking.close)
        closing.enter_context(managed(house, *house.servers.values()))
        yield house


class Work:
    """Students at work on an exercise of their own, an admin beside them, and one more student for backlogs."""

    def __init__(self, house):
        self.assignment_id = house.exercise()
        pupils = [house.pupil(index) for index in range(6)]
        for pupil in pupils:
            pupil.open(self.assignment_id)
        *most, last = pupils
        kinds = (Writer, Writer, Mixer, Mixer, Sender)
        self.writers = [kind(p, pause_seconds=PAUSE_SECONDS) for kind, p in zip(kinds, most, strict=True)]
        self.backlog = Sender(last)
        first, second, *_ = pupils
        scopes = [("course", house.demo["course_id"]), ("user", first.user_id), ("submission", second.submission["id"])]
        self.asker = Asker(house.asking, scopes)

    def lead_to(self, phase):
        """Bring about what the kill shall fall into."""
        if phase == "folding a backlog":
            for _ in range(2):
                self.backlog.send(BACKLOG)
        elif phase == "recalculating":
            self.asker.until_answered(lambda: self.asker.ask(scope="all"))


def process_of(house, victim):
    """The process that is this part now."""
    return house.servers[victim].process if victim in house.servers else house.installation.running[victim]


def kill(house, victim, *, partly=False):
    """Kill a part with all its processes; `partly`: Redis keeps what it wrote down, a worker lives and its job dies."""
    if victim == "redis":
        house.redis.kill(forgets=not partly)
        return
    process = process_of(house, victim)
    children = psutil.Process(process.pid).children(recursive=True) if partly and victim == "others" else []
    for child in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            child.kill()
    if not children:
        kill_tree(process)


def kill_at(house, victim, work, *, phase, delay_seconds, partly):
    """One kill at one moment; it is started again by the manager."""
    if phase == "starting":
        before = process_of(house, victim)
        kill(house, victim)
        eventually(lambda: process_of(house, victim) is not before, BACK_SECONDS, f"{victim} is started again")
    work.lead_to(phase)
    time.sleep(delay_seconds)
    kill(house, victim, partly=partly)


def until_back(house, victim, work):
    """All goes on as before: events are acknowledged, and counted, and recalculations done."""
    until_written(work.writers, 2)
    until_counted(house)
    if victim in ("others", "redis"):
        asked = {"scope": "assignment", "id": work.assignment_id, "dry_run": True}
        run_id = work.asker.until_answered(lambda: work.asker.ask(**asked))
        ended = "SELECT 1 FROM job_runs WHERE id = :id AND status = 'done'"
        eventually(lambda: query(house, ended, id=run_id), BACK_SECONDS, "a recalculation after the kill")


def moments(database, victim):
    """The moments of a test's kills: each phase comes by turns."""
    chance = random.Random(f"{SEED} {database} {victim}")
    few = sum(FEW.values()) if victim == "postgresql" else FEW[database]
    first = chance.randrange(len(PHASES))
    for number in range(int(os.environ.get("TEST_FAULT_POINTS", few))):
        phase = list(PHASES)[(first + number) % len(PHASES)]
        yield {
            "phase": phase,
            "delay_seconds": round(chance.uniform(0, PHASES[phase]), 3),
            "partly": chance.random() < 0.5,
        }


@pytest.mark.parametrize("database", FEW)
def test_redis_emptied_under_load_changes_no_number_and_loses_no_recalculation(houses, database):
    house = houses(database)
    work = Work(house)

    with writing([*work.writers, work.asker]):
        until_written(work.writers, 1)
        kill(house, "others")
        run_id = work.asker.until_answered(lambda: work.asker.ask(scope="all"))
        house.redis.empty()
        emptied = query(house, "SELECT status FROM job_runs WHERE id = :id", id=run_id)
        until_written(work.writers, 2)
        until_counted(house)

    check_written(house, work.writers)
    check_log_and_counts(house)
    # Found again some seconds later: the last test sees it done, and the others need not wait for that.
    assert emptied == [("queued",)]


@pytest.mark.parametrize(("database", "victim"), CASES)
def test_a_part_that_is_killed_at_any_moment_loses_nothing_and_needs_no_hand(houses, database, victim):
    house = houses(database)
    work = Work(house)

    with writing([*work.writers, work.asker]):
        until_written(work.writers, 1)
        for moment in moments(database, victim):
            began = time.monotonic()
            print(f"seed {SEED}, {database}: {victim} is killed, {moment}", end=" ", flush=True)
            kill_at(house, victim, work, **moment)
            until_back(house, victim, work)
            print(f"back after {time.monotonic() - began:.1f} s")

    check_written(house, [*work.writers, work.backlog])
    check_log_and_counts(house)


@pytest.mark.parametrize("database", FEW)
def test_after_all_kills_every_recalculation_has_ended_and_none_finds_a_difference(houses, database):
    check_recalculations(houses(database))
