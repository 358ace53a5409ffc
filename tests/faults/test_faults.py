"""Processes are killed, Redis is emptied, frozen and lost: what was acknowledged stays, and rooms come right again."""

import signal
import time

import psutil
import pytest

from tests.clients import Pupil, eventually
from tests.faults.load import Writer, check_written, query, until_written, writing
from tests.faults.managing import managed

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

RECOVER_SECONDS = 5
LEASE_SECONDS = 15
LOST_SECONDS = 20
END_SECONDS = 10


@pytest.fixture(scope="module")
def house(builder, tmp_path_factory):
    """A running installation that is hurt by one test after the other, and must be whole after each."""
    with builder.house(tmp_path_factory.mktemp("house"), "sqlite") as made:
        yield made


@pytest.fixture
def supervised(house):
    """Parts that end by themselves are started again, as `bin/run` and any service manager do."""
    with managed(house):
        yield house


def check_counts(house, writers):
    """What they wrote is in the log and counted, and a recalculation finds no difference."""
    check_written(house, writers)
    for writer in writers:
        path = f"/api/submissions/{writer.pupil.submission['id']}/counts"

        def counted(path=path, writer=writer):
            told = writer.pupil.api("GET", path)
            return told if told["behind"] == 0 else None

        assert eventually(counted, 20, "everything counted")["runs"] == len(writer.acknowledged)
    run = house.admin.recalculate(scope="all")
    assert (run["status"], run["differences"]) == ("done", [])


def check_room(house, watcher, seconds=RECOVER_SECONDS):
    """The page shows what a fresh snapshot shows, and nothing came out of order on the way."""
    watcher.until_same_as(house.teacher, seconds)
    assert watcher.violations == []


@pytest.mark.long
def test_a_killed_web_process_loses_nothing_and_leaves_no_ghosts(house):
    session_id, pupils = house.room(*range(6))
    writers, ghosts = pupils[:4], pupils[4:]
    watcher = house.watcher(session_id)
    for ghost in ghosts:
        ghost.enter(session_id)
    watcher.until(lambda: all(watcher.rows[g.user_id]["tabs"] == 1 for g in ghosts), 5, "both are here")

    with writing([Writer(pupil) for pupil in writers]) as working:
        until_written(working, 5)
        house.installation.kill("web")
        killed = time.monotonic()
        house.installation.start("web")
        until_written(working, 5)
    check_counts(house, working)

    assert sum(writer.retries for writer in working) > 0
    watcher.until(lambda: watcher.session is not None and watcher.client.connected, 10, "the page is back")
    left = max(LEASE_SECONDS + 2 - (time.monotonic() - killed), 2)
    for ghost in ghosts:
        watcher.until(lambda g=ghost: watcher.rows[g.user_id]["tabs"] == 0, left, "no ghost beyond the lease")
        assert watcher.row(ghost.user_id)["state"] in ("UNSTABLE", "LOST")
    back, lost = ghosts
    back.line.shutdown()
    back.enter(session_id)
    watcher.until_row(back.user_id, state="CONNECTED", tabs=1)
    back.say("leave", {"session_id": session_id})
    watcher.until_row(back.user_id, seconds=9, state="LEFT", tabs=0)
    watcher.until_row(lost.user_id, seconds=LOST_SECONDS, state="LOST", tabs=0)
    check_room(house, watcher)


def test_a_counts_worker_that_is_killed_while_it_folds_a_backlog_counts_each_event_once(house):
    _, pupils = house.room(*range(12))
    house.installation.kill("counts")
    submissions = [pupil.submission["id"] for pupil in pupils]
    for pupil in pupils:
        for _ in range(2):
            batch = [pupil.fields("Run.Program") for _ in range(500)]
            results = pupil.api("POST", "/api/events", {"events": batch})["results"]
            assert {result["status"] for result in results} == {"stored"}
    behind = "SELECT sum(last_seq - folded_seq) FROM user_streams JOIN projection_heads USING (user_id)"
    backlog = query(house, behind)[0][0]
    assert backlog >= 12_000

    killed_at = []
    for _ in range(3):
        house.installation.start("counts")
        left = query(house, behind)[0][0]
        eventually(lambda left=left: query(house, behind)[0][0] < left, 30, "some events folded")
        house.installation.kill("counts")
        killed_at.append(query(house, behind)[0][0])
    house.installation.start("counts")
    eventually(lambda: query(house, behind)[0][0] == 0, 30, "everything folded")

    assert 0 < killed_at[0] < backlog
    for submission_id in submissions:
        assert query(house, "SELECT runs FROM submission_counts WHERE submission_id = :id", id=submission_id) == [
            (1000,)
        ]
    run = house.admin.recalculate(scope="all")
    assert (run["status"], run["differences"]) == ("done", [])


def test_redis_emptied_in_the_middle_costs_no_count_and_rooms_are_right_again(supervised):
    house = supervised
    session_id, pupils = house.room(*range(4))
    watcher = house.watcher(session_id)
    for pupil in pupils:
        pupil.enter(session_id)
    watcher.until(lambda: all(row["tabs"] == 1 for row in watcher.rows.values()), 5, "all are here")

    with writing([Writer(pupil) for pupil in pupils[:3]]) as working:
        until_written(working, 3)
        house.redis.empty()
        until_written(working, 3)
    watcher.until(
        lambda: all((row["state"], row["tabs"]) == ("CONNECTED", 1) for row in watcher.rows.values()),
        RECOVER_SECONDS,
        "all are shown as being here again",
    )
    check_room(house, watcher)
    check_counts(house, working)
    for writer in working:
        watcher.until_row(writer.pupil.user_id, runs=len(writer.acknowledged))
    seen = {state for pupil in pupils for state in watcher.states[pupil.user_id]}
    assert "LOST" not in seen


FROZEN = pytest.param("frozen", LOST_SECONDS + 3, marks=pytest.mark.long)


@pytest.mark.parametrize(("fault", "seconds"), [FROZEN, ("killed", 3)])
def test_without_redis_events_are_acknowledged_and_nobody_is_lost_by_it(supervised, fault, seconds):
    house = supervised
    session_id, pupils = house.room(*range(4))
    watcher = house.watcher(session_id)
    for pupil in pupils:
        pupil.enter(session_id)
    watcher.until(lambda: all(row["tabs"] == 1 for row in watcher.rows.values()), 5, "all are here")
    writer, *still, leaver = pupils

    with writing([Writer(writer)]) as working:
        until_written(working, 1)
        before = len(working[0].acknowledged)
        house.redis.freeze() if fault == "frozen" else house.redis.kill()
        began = time.monotonic()
        leaver.drop()
        eventually(lambda: time.monotonic() - began > seconds, seconds + 1, "the fault lasts")
        acknowledged = len(working[0].acknowledged) - before
        beats = [at for at, _ in watcher.beats if at > began + 6]
        house.redis.thaw() if fault == "frozen" else house.redis.start()
        over = time.monotonic()
        watcher.until(
            lambda: (
                all(watcher.rows[pupil.user_id]["tabs"] == 1 for pupil in (writer, *still))
                and watcher.rows[leaver.user_id]["tabs"] == 0
            ),
            RECOVER_SECONDS * 2,
            "who is here is shown as being here, and who is not is not",
        )
        recovered = time.monotonic() - over
    check_room(house, watcher)
    check_counts(house, working)

    told = f"longest acknowledgement {working[0].longest_seconds:.1f} s, recovered in {recovered:.1f} s"
    print(f"Redis {fault} for {seconds} s: {acknowledged} events acknowledged meanwhile, {told}")
    assert acknowledged >= 20
    assert beats == []
    assert recovered < RECOVER_SECONDS
    states = {pupil.user_id: set(watcher.states[pupil.user_id]) for pupil in (writer, *still)}
    assert all(not seen & {"LOST", "UNSTABLE"} for seen in states.values()), states


def test_every_part_ends_when_it_is_asked_to_and_leaves_no_child(house):
    parts = dict(house.installation.running)
    families = {
        name: [psutil.Process(part.pid), *psutil.Process(part.pid).children(recursive=True)]
        for name, part in parts.items()
    }
    asked = time.monotonic()

    for part in parts.values():
        part.send_signal(signal.SIGTERM)
    took = {}
    for name, part in parts.items():
        part.wait(timeout=END_SECONDS)
        took[name] = time.monotonic() - asked

    house.installation.running.clear()
    left = [p for family in families.values() for p in family if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert (sorted(parts), left) == (["counts", "others", "scheduler", "web"], [])
    assert max(took.values()) < END_SECONDS
    print("ended after SIGTERM, seconds:", {name: round(value, 1) for name, value in took.items()})
    house.installation.start("web", "counts", "others", "scheduler")
    assert isinstance(house.pupil(0), Pupil)
    session_id, (pupil,) = house.room(0)
    watcher = house.watcher(session_id)
    pupil.log("Run.Program")
    watcher.until_row(pupil.user_id, seconds=10, runs=1)
