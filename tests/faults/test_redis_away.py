"""Two web processes whose Redis stands still, dies or forgets all: students work on, and rooms come back."""

import contextlib
import time

import pytest

from tests.clients import eventually
from tests.faults.load import writing
from tests.faults.managing import managed

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

# "empty": it is killed and has forgotten everything; "forgets": it lives on and has.
QUICK = [("frozen", 8), ("forgets", 0)]
LONG = [(fault, seconds) for fault in ("frozen", "killed", "empty") for seconds in (3, 12, 40)]
CASES = [*QUICK, *(pytest.param(*case, marks=pytest.mark.long) for case in LONG)]
SILENT_SECONDS = 7
LEFT_SECONDS = 5
# Longer than the lease of a process lives.
CUT_OFF_SECONDS = 18


@contextlib.contextmanager
def away(redis, fault):
    """Meanwhile Redis is away; one that forgets is back at once."""
    take = {"frozen": redis.freeze, "killed": redis.kill, "forgets": redis.empty}
    take.get(fault, lambda: redis.kill(forgets=True))()
    try:
        yield
    finally:
        {"frozen": redis.thaw, "forgets": lambda: None}.get(fault, redis.start)()


@pytest.mark.parametrize(("fault", "seconds"), CASES)
def test_while_redis_is_away_work_goes_on_and_afterwards_both_processes_show_the_truth(twins, room, fault, seconds):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 8)
    watchers = [school.watch(), school.watch(url=web2)]
    tabs = school.tabs(urls=[twins.url, web2])
    school.until_joined(tabs)
    caller, leaver, dropper, doubled, *_ = school.pupils
    known = {tab: len(tab.acknowledged) for tab in tabs}

    with managed(twins), writing([school.caller(caller, pause_seconds=0.2)]) as (calling,):
        eventually(lambda: calling.acknowledged, 5, "he works")
        with away(twins.redis, fault):
            began, called = time.monotonic(), len(calling.acknowledged)
            tabs[2].drop()
            again = school.tab(doubled)
            [tab.work(2) for tab in tabs[3:]]
            tabs[1].close(goodbye=True)
            time.sleep(max(began + seconds - time.monotonic(), 0))
            stored = [len(tab.acknowledged) - known[tab] for tab in tabs[3:]]
            beats = [at for watcher in watchers for at, _ in watcher.beats if at > began + SILENT_SECONDS]
            worked = len(calling.acknowledged) - called
        ended = time.monotonic()
        present = [tabs[0], *tabs[2:], again]
        school.until_joined(present)
        took = time.monotonic() - ended
        print(f"Redis {fault} for {seconds} s: {worked} calls acknowledged, all lines right {took:.1f} s later")
        for watcher in watchers:
            watcher.until_row(leaver.user_id, seconds=LEFT_SECONDS + 5, state="LEFT", tabs=0)

    assert seconds == 0 or (worked > seconds and stored == [2] * len(stored))
    assert fault == "forgets" or beats == []
    for watcher in watchers:
        seen = {pupil: set(watcher.states[pupil.user_id]) for pupil in school.pupils}
        assert all("LOST" not in states for states in seen.values())
        wavering = (leaver, dropper)
        assert all("UNSTABLE" not in states for pupil, states in seen.items() if pupil not in wavering), seen
    school.check()


@pytest.fixture
def alone(twins, proxy):
    """What holds and lets go the lines of the second web process, and of no other part, to Redis."""
    line = proxy(twins.redis.url)
    for own in ({"REDIS_URL": f"redis://127.0.0.1:{line.port}/0"}, {}):
        twins.installation.own["web2"] = own
        twins.installation.kill("web2")
        twins.installation.start("web2")
        if own:
            yield line


@pytest.mark.long
def test_a_process_that_alone_is_cut_off_notices_by_itself_and_refills_its_rooms(twins, alone, room):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 6)
    watchers = [school.watch(), school.watch(url=web2)]
    tabs = school.tabs(urls=[twins.url, web2])
    school.until_joined(tabs)

    alone.hold()
    held = time.monotonic()
    [tab.work(4) for tab in tabs]
    eventually(lambda: not any(tab.outbox for tab in tabs), 10, "all is acknowledged all the same")
    time.sleep(max(held + CUT_OFF_SECONDS - time.monotonic(), 0))
    alone.let_go()
    ended = time.monotonic()
    school.until_joined(tabs)

    school.check(ended=ended)
    assert all("LOST" not in seen for watcher in watchers for seen in watcher.states.values())
    assert all(tab.joins == 1 for tab in tabs)
