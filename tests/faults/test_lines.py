"""Lines that hang, break and multiply; a web process that dies with two hundred of them; a whole class that drops."""

import random
import time

import pytest

from tests.clients import eventually
from tests.faults import FULL
from tests.faults.load import writing
from tests.faults.proxy import DOWN, UP

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

BACK_SECONDS = 20
ENGINE_SECONDS = 20
LEASE_SECONDS = 15
LOST_SECONDS = 20
LEFT_SECONDS = 5
AT_WORK_SECONDS = 0.3


def keep_working(tabs, seconds):
    """Everybody does something now and then for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for tab in random.sample(tabs, max(len(tabs) // 10, 1)):
            tab.work(2)
        time.sleep(AT_WORK_SECONDS)


def joins(tabs):
    """How often these tabs have come in so far."""
    return sum(tab.joins for tab in tabs)


def test_a_web_process_killed_with_two_hundred_lines_costs_nothing_but_a_moment(twins, proxy, room):
    here = twins.installation
    # As a proxy before two processes does: who lost his process calls again and comes to the other.
    front = proxy(here.url_of("web"), here.url_of("web2"))
    school = room(twins, 100)
    watchers = [school.watch(url=here.url_of("web2")), school.watch(url=front.url), school.watch(url=front.url)]
    tabs = school.tabs(urls=[front.url], each=2)
    school.until_joined(tabs)
    keep_working(tabs, 1)

    here.kill("web")
    killed = time.monotonic()
    [tab.work(3) for tab in tabs]
    eventually(lambda: all(tab.joined for tab in tabs) and joins(tabs) > len(tabs) + 60, BACK_SECONDS, "all are back")

    print(f"{joins(tabs) - 200} of 200 lines dropped, all back after {time.monotonic() - killed:.1f} s")
    keep_working(tabs, 1)
    school.check()
    # The dead process's lines end with its lease: until then they are counted beside the new ones.
    for watcher in watchers if FULL else ():
        watcher.until(lambda w=watcher: school.shows_the_lines(w), LEASE_SECONDS + 5, "no ghosts")
    here.start("web")
    assert sum(watcher.client.connected for watcher in watchers) == 3
    school.check()


@pytest.mark.long
def test_a_process_that_is_asked_to_end_says_so_and_all_go_on_at_the_other(twins, proxy, room):
    here = twins.installation
    front = proxy(here.url_of("web"), here.url_of("web2"))
    school = room(twins, 10)
    watchers = [school.watch(), school.watch(url=front.url), school.watch(url=front.url)]
    tabs = school.tabs(urls=[front.url])
    school.until_joined(tabs)

    process = here.running["web"]
    process.terminate()
    [tab.work(3) for tab in tabs]
    process.wait(timeout=10)
    here.running.pop("web")
    eventually(lambda: joins(tabs) > len(tabs) and all(tab.joined for tab in tabs), BACK_SECONDS, "all are back")
    here.start("web")

    school.until_joined(tabs, LEASE_SECONDS + 5)
    school.check()
    said = [notice for _, frame in watchers[0].frames for notice in frame.get("notices", ())]
    assert "server_moving" in [notice["kind"] for notice in said]


def test_half_open_lines_are_noticed_and_who_calls_over_http_is_never_lost(twins, proxy, room):
    web = twins.installation.url_of("web2")
    school = room(twins, 4)
    silent, caller, deaf, well = school.pupils
    lines = [proxy(web) for _ in range(3)]
    tabs = school.tabs(urls=[*(line.url for line in lines), web])
    watchers = [school.watch(), school.watch(url=web)]
    school.until_joined(tabs)
    with writing([school.caller(caller)]):
        # The network of the first is gone in both directions; the second is not heard, the third does not hear.
        for line, directions in zip(lines, ([UP, DOWN], [UP], [DOWN]), strict=True):
            line.hold(*directions)
        held = time.monotonic()
        tabs[0].forsake()
        [tab.work(3) for tab in tabs[1:]]
        for watcher in watchers:
            for pupil in (silent, caller, deaf):
                watcher.until_row(pupil.user_id, seconds=ENGINE_SECONDS + 3, tabs=0)
        noticed = time.monotonic() - held
        if FULL:
            for watcher in watchers:
                watcher.until_row(silent.user_id, seconds=LOST_SECONDS + 3, state="LOST", tabs=0)
                assert "LOST" not in watcher.states[caller.user_id]
        [line.let_go() for line in lines]
        school.until_joined(tabs[1:])

    print(f"half-open lines noticed after {noticed:.1f} s")
    assert tabs[3].joins == 1
    assert watchers[0].row(silent.user_id)["state"] == ("LOST" if FULL else "UNSTABLE")
    assert {watchers[0].row(pupil.user_id)["state"] for pupil in (caller, deaf, well)} == {"CONNECTED"}
    school.check()


def test_a_class_that_drops_at_once_comes_back_as_it_was(twins, proxy, room):
    front = proxy(twins.installation.url_of("web"), twins.installation.url_of("web2"))
    school = room(twins, 30)
    watchers = [school.watch(), school.watch(url=twins.installation.url_of("web2"))]
    tabs = school.tabs(urls=[front.url])
    school.until_joined(tabs)

    front.refuses = True
    assert front.cut() == len(tabs)
    [tab.work(5) for tab in tabs]
    for watcher in watchers:
        watcher.until(lambda w=watcher: states(w) == {"UNSTABLE"}, 5, "all are shown as away for a moment")
        watcher.until(lambda w=watcher: dropped(w.notices) == [len(tabs)], 5, "that all dropped at once is said")
    for teacher in school.staff():
        assert dropped(teacher.snapshot(school.session_id)["notices"]) == [len(tabs)]
    if FULL:
        for watcher in watchers:
            watcher.until(lambda w=watcher: states(w) == {"LOST"}, LOST_SECONDS + 5, "all are lost")
    front.refuses = False
    ended = time.monotonic()
    school.until_joined(tabs)

    print(f"all back {time.monotonic() - ended:.1f} s after their network")
    for watcher in watchers:
        assert states(watcher) == {"CONNECTED"}
        watcher.until(lambda w=watcher: dropped(w.notices) == [], 5, "the notice is gone")
        assert FULL or all("LOST" not in seen for seen in watcher.states.values())
    school.check()


def test_tabs_and_devices_are_counted_as_what_they_are(twins, room):
    web, web2 = (twins.installation.url_of(name) for name in ("web", "web2"))
    school = room(twins, 5)
    watchers = [school.watch(url=web), school.watch(url=web2)]
    three, copied, devices, reloading, leaver = school.pupils
    tabs = {pupil: [school.tab(pupil, url=url) for url in (web, web2)] for pupil in (three, devices)}
    tabs[three].append(school.tab(three, url=web))
    tabs |= {pupil: [school.tab(pupil, url=web)] for pupil in (copied, reloading, leaver)}
    tabs[copied].append(school.tab(copied, url=web))
    # A duplicated tab brings the same id: two lines all the same.
    tabs[copied][1].tab_id = tabs[copied][0].tab_id
    school.until_joined([tab for some in tabs.values() for tab in some])

    for tab in (tabs[three][0], tabs[copied][1]):
        tab.close(goodbye=True)
    tabs[devices][0].close()
    for tab in (*tabs[three][1:], tabs[devices][1]):
        tab.work(3)
    for _ in range(30 if FULL else 8):
        tabs[reloading][-1].close(goodbye=True)
        tabs[reloading].append(school.tab(reloading, url=random.choice([web, web2])))
        tabs[reloading][-1].work(1)
        eventually(lambda: tabs[reloading][-1].joined, 5, "in again")
    tabs[leaver][0].close(goodbye=True)

    for watcher in watchers:
        for pupil, lines in ((three, 2), (copied, 1), (devices, 1), (reloading, 1)):
            watcher.until_row(pupil.user_id, state="CONNECTED", tabs=lines)
            assert set(watcher.states[pupil.user_id][1:]) <= {"CONNECTED", "UNSTABLE"}, pupil.user_id
        watcher.until_row(leaver.user_id, seconds=LEFT_SECONDS + 3, state="LEFT", tabs=0)
        assert all("UNSTABLE" not in watcher.states[pupil.user_id] for pupil in (three, copied, devices))
    school.check()


def dropped(notices):
    """How many dropped at once, by the notice of it."""
    return [notice["n"] for notice in notices if notice["kind"] == "mass_drop" and notice["message"]]


def states(watcher):
    """The states that a page shows now."""
    return {row["state"] for row in watcher.rows.values()}
