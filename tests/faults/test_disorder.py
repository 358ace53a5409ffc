"""Events out of order, repeated, mixed over lines and HTTP, from clocks that are hours off: all is counted."""

import random
import threading
import time

import pytest

from tests.clients import eventually
from tests.faults import FULL
from tests.faults.load import KINDS

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SEED = 20260801
HOUR_MS = 3_600_000
SHIFTS_HOURS = (0, -11, 7, -2, 13)
BATCH = 20


def shifted(pupil, number, hours, chance):
    """Events of a device whose clock is off, and jumps while it works."""
    now_ms = int(time.time() * 1000)
    made = []
    for index in range(number):
        jump = chance.choice((0, 0, 0, -1, 1)) * HOUR_MS
        at_ms = now_ms + hours * HOUR_MS + index * 700 + jump
        made.append(pupil.fields(chance.choice(KINDS), timestamp=at_ms))
    return made


def disordered(events, chance):
    """Batches in which everything comes at least once, a third again, in no order."""
    everything = [*events, *chance.sample(events, len(events) // 3)]
    chance.shuffle(everything)
    return [everything[start : start + BATCH] for start in range(0, len(everything), BATCH)]


class Deliverer(threading.Thread):
    """Delivers one learner's batches by his line and over HTTP by turns, from two threads at once."""

    def __init__(self, tab, batches, chance):
        super().__init__()
        self.tab, self.batches, self.chance = tab, batches, chance
        self.pupil = tab.pupil
        self.acknowledged, self.wrong = [], []

    def run(self):
        for batch in self.batches:
            self.note(self.by_line(batch) if self.chance.random() < 0.5 else self.by_http(batch))

    def by_line(self, batch):
        return self.tab.say("events", {"session_id": self.tab.session_id, "events": batch})["results"]

    def by_http(self, batch):
        return self.pupil.api("POST", "/api/events", {"events": batch})["results"]

    def note(self, results):
        self.wrong += [result for result in results if result["status"] == "rejected"]
        self.acknowledged += [(result["event_id"], result["log_id"]) for result in results]


def test_disorder_duplicates_and_clocks_that_are_hours_off_change_no_count_and_lose_nobody(twins, room):
    chance = random.Random(SEED)
    web2 = twins.installation.url_of("web2")
    school = room(twins, len(SHIFTS_HOURS))
    watchers = [school.watch(), school.watch(url=web2)]
    tabs = school.tabs(urls=[twins.url, web2])
    school.until_joined(tabs)
    number, deliverers = 400 if FULL else 60, []
    for tab, hours in zip(tabs, SHIFTS_HOURS, strict=True):
        events = shifted(tab.pupil, number, hours, chance)
        deliverers += [Deliverer(tab, disordered(events, chance), random.Random(chance.random())) for _ in range(2)]

    [deliverer.start() for deliverer in deliverers]
    [deliverer.join() for deliverer in deliverers]
    school.writers = deliverers

    school.check()
    for watcher in watchers:
        for pupil in school.pupils:
            assert watcher.states[pupil.user_id][-1] == "CONNECTED"
            assert "UNSTABLE" not in watcher.states[pupil.user_id]
    check_numbers(twins, school)


def check_numbers(house, school):
    """What is counted is what a recalculation of everybody's log finds, gaps of shifted clocks too."""
    run = house.admin.recalculate(scope="all", dry_run=True)
    assert (run["status"], run["differences"]) == ("done", [])
    for pupil in school.pupils:
        counts = pupil.api("GET", f"/api/submissions/{pupil.submission['id']}/counts")
        assert all(value >= 0 for value in counts.values() if isinstance(value, (int, float)))


def test_a_slow_network_changes_the_order_of_nothing(twins, proxy, room):
    front = proxy(twins.url, twins.installation.url_of("web2"))
    school = room(twins, 4)
    far = proxy(twins.url)
    watcher = school.watch(url=far.url)
    tabs = school.tabs(urls=[front.url])
    school.until_joined(tabs)

    for latency in (0.3, 0.05, 0.6, 0.0):
        front.latency_seconds, far.latency_seconds = latency, latency / 2
        [tab.work(10) for tab in tabs]
        eventually(lambda: not any(tab.outbox for tab in tabs), 10, "all is sent")

    school.check()
    assert watcher.resyncs == []
