"""A teacher who sleeps while a class works hard: it costs the server no memory and the others nothing."""

import statistics
import time

import psutil
import pytest

from tests.faults import FULL
from tests.faults.load import Sender, until_written, writing

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

STUDENTS = 15
EVENTS_PER_SECOND = 300
MOST_GROWTH_MB = 5
OUTSTANDING = 3
# The sleeper's own client has to find that its line is dead, and may be in the middle of a call that hangs.
WAKE_SECONDS = 30
SAMPLES = 10


class Steady(Sender):
    """Sends its share of the load, whatever an answer takes."""

    size = EVENTS_PER_SECOND // STUDENTS

    def run(self):
        due = time.monotonic()
        while not self.stopped.is_set():
            self.write()
            due += 1
            self.stopped.wait(max(due - time.monotonic(), 0))


def memory_mb(process, seconds):
    """What a process holds, as the median of some looks."""
    looks = []
    for _ in range(SAMPLES):
        looks.append(process.memory_info().rss / 1_000_000)
        time.sleep(seconds / SAMPLES)
    return statistics.median(looks)


@pytest.fixture
def school(twins, room):
    """A class that is ready to work hard, half of it at each process."""
    made = room(twins, STUDENTS)
    for index, pupil in enumerate(made.pupils):
        pupil.url = twins.installation.url_of(("web", "web2")[index % 2])
        pupil.open(made.assignment_id)
    made.writers = [Steady(pupil) for pupil in made.pupils]
    return made


class Sleepers:
    """One page is throttled, its engine answers pings and its script does not run; of the other the lid is closed."""

    def __init__(self, dozing, asleep, line):
        self.dozing, self.asleep, self.line = dozing, asleep, line
        self.told = 0

    def sleep(self):
        """Nothing is acknowledged from now on."""
        self.dozing.acks = False
        self.line.hold()
        self.told = len(self.dozing.frames)

    def wake(self):
        """Both come back, and wait until they see what happens; answers when (monotonic) they awoke."""
        told = len(self.dozing.frames) - self.told
        self.line.let_go()
        self.dozing.acks = True
        self.dozing.answer()
        woken = time.monotonic()
        for watcher, who in ((self.dozing, "who dozed"), (self.asleep, "who slept")):
            watcher.until(lambda w=watcher: w.frames[-1][0] > woken, WAKE_SECONDS, f"{who} sees what happens")
            print(f"{who} sees what happens after {time.monotonic() - woken:.1f} s")
        assert told <= OUTSTANDING
        return woken


def test_a_teacher_who_sleeps_costs_no_memory_and_wakes_to_the_truth(twins, proxy, school):
    line = proxy(twins.url)
    awake = school.watch()
    sleepers = Sleepers(school.watch(), school.watch(url=line.url), line)
    process = psutil.Process(twins.installation.running["web"].pid)

    with writing(school.writers):
        until_written(school.writers, 2 * Steady.size)
        time.sleep(60 if FULL else 2)
        before = memory_mb(process, 10 if FULL else 1)
        sleepers.sleep()
        slept, sent = time.monotonic(), written(school)
        time.sleep(290 if FULL else 4)
        after = memory_mb(process, 10 if FULL else 1)
        seconds, load = time.monotonic() - slept, written(school) - sent
        frames = sum(at > slept for at, _ in awake.frames)
        woken = sleepers.wake()

    print(
        f"{seconds:.0f} s at {load / seconds:.0f} events/s, {frames} frames to who is awake: {after - before:+.1f} MB"
    )
    assert load > EVENTS_PER_SECOND / 3 * seconds
    assert frames > seconds / 5
    assert after - before < MOST_GROWTH_MB
    school.check(ended=woken)


def written(school):
    """How many events were acknowledged so far."""
    return sum(len(writer.acknowledged) for writer in school.writers)
