"""A participant's state, as a pure function of connections, leases, times and the session (contract monitoring 5)."""

import dataclasses

import orjson
import pytest

from models import live
from monitoring import memory, presence
from monitoring.presence import Presence, State, state_of

NOW = 1_790_000_000_000
SECOND = 1000
MINUTE = 60 * SECOND


def state_at(here, **facts):
    """The state of a participant who has joined a running session, with these facts."""
    usual = {"session_status": live.IN_PROGRESS, "attempt_status": live.IN_PROGRESS, "joined": True}
    return state_of(here, now_ms=NOW, **{**usual, "last_call_ms": None, **facts})


def connected(*ago_ms, visible=True):
    return Presence(connected_ms=[NOW - ago for ago in ago_ms], visible=visible)


def gone(ago_ms, *, goodbye=False):
    return Presence(gone_ms=NOW - ago_ms, goodbye=goodbye)


@pytest.mark.parametrize(
    ("ago_ms", "goodbye", "called_ago_ms", "wanted"),
    [
        (0, False, None, "UNSTABLE"),
        (19_999, False, None, "UNSTABLE"),
        (20_000, False, None, "LOST"),
        (3_600_000, False, None, "LOST"),
        (60_000, False, 19_999, "UNSTABLE"),
        (60_000, False, 20_000, "LOST"),
        (10_000, False, 60_000, "UNSTABLE"),
        (0, True, None, "UNSTABLE"),
        (4_999, True, None, "UNSTABLE"),
        (5_000, True, None, "LEFT"),
        (3_600_000, True, None, "LEFT"),
        (19_999, True, 60_000, "LEFT"),
        (60_000, True, 55_001, "LEFT"),
    ],
)
def test_a_silence_is_lost_after_20_s_and_a_goodbye_is_left_after_5(ago_ms, goodbye, called_ago_ms, wanted):
    called = None if called_ago_ms is None else NOW - called_ago_ms

    found = state_at(gone(ago_ms, goodbye=goodbye), last_call_ms=called)

    assert found == State(wanted, NOW - ago_ms)


@pytest.mark.parametrize(
    ("called_ago_ms", "wanted", "attention"),
    [
        (0, "CONNECTED", "ACTIVE"),
        (59_999, "CONNECTED", "ACTIVE"),
        (60_000, "CONNECTED", "IDLE"),
        (10 * MINUTE - 1, "CONNECTED", "IDLE"),
        (10 * MINUTE, "LEFT", None),
        (24 * 60 * MINUTE, "LEFT", None),
    ],
)
def test_a_client_without_a_line_is_never_lost_and_has_left_after_ten_minutes(called_ago_ms, wanted, attention):
    found = state_at(None, last_call_ms=NOW - called_ago_ms)

    assert (found.state, found.tabs, found.attention) == (wanted, 0, attention)
    assert found.since_ms == NOW - called_ago_ms


@pytest.mark.parametrize("called_ago_ms", [0, 55_000])
def test_a_call_that_follows_a_goodbye_by_five_seconds_is_a_return(called_ago_ms):
    found = state_at(gone(60_000, goodbye=True), last_call_ms=NOW - called_ago_ms)

    assert (found.state, found.tabs, found.since_ms) == ("CONNECTED", 0, NOW - called_ago_ms)


@pytest.mark.parametrize(("joined", "wanted"), [(False, "EXPECTED"), (True, "LEFT")])
def test_who_never_called_is_expected_unless_he_has_a_place(joined, wanted):
    assert state_at(None, joined=joined) == State(wanted, None)


@pytest.mark.parametrize(
    ("connected_ago_ms", "called_ago_ms", "attention", "since_ago_ms"),
    [
        (0, None, "ACTIVE", 0),
        (59_999, None, "ACTIVE", 59_999),
        (60_000, None, "IDLE", 0),
        (90_000, None, "IDLE", 30_000),
        (90_000, 59_999, "ACTIVE", 59_999),
        (90_000, 60_000, "IDLE", 0),
        (10_000, 90_000, "ACTIVE", 10_000),
    ],
)
def test_attention_is_idle_60_s_after_the_last_act(connected_ago_ms, called_ago_ms, attention, since_ago_ms):
    called = None if called_ago_ms is None else NOW - called_ago_ms

    found = state_at(connected(connected_ago_ms), last_call_ms=called)

    assert found == State("CONNECTED", NOW - connected_ago_ms, 1, attention, NOW - since_ago_ms)


def test_who_reads_and_scrolls_is_active_without_an_event():
    used = dataclasses.replace(connected(10 * MINUTE), active_ms=NOW - 9 * MINUTE)
    rests = dataclasses.replace(connected(10 * MINUTE), idle_ms=NOW - MINUTE)

    found, rested = state_at(used), state_at(rests)

    assert (found.attention, found.attention_since_ms) == ("ACTIVE", NOW - 9 * MINUTE)
    assert (rested.attention, rested.attention_since_ms) == ("IDLE", NOW - MINUTE)


def test_connections_are_counted_and_the_person_is_here_since_the_first():
    found = state_at(connected(5_000, 30_000, 1_000))

    assert (found.state, found.tabs, found.since_ms) == ("CONNECTED", 3, NOW - 30_000)


def test_a_hidden_page_is_away_however_long():
    assert state_at(connected(1_000, visible=False)).attention == "AWAY"
    assert state_at(connected(10 * MINUTE, visible=False)).attention == "AWAY"


def test_one_live_connection_outweighs_any_end_of_another():
    both = dataclasses.replace(connected(1_000), gone_ms=NOW - 30_000, goodbye=True)

    assert state_at(both).state == "CONNECTED"


@pytest.mark.parametrize(
    ("facts", "wanted"),
    [
        ({"is_expected": False}, "REMOVED"),
        ({"attempt_status": live.SUBMITTED}, "FINISHED"),
        ({"session_status": live.COMPLETED, "attempt_status": live.SUBMITTED}, "FINISHED"),
        ({"session_status": live.COMPLETED, "attempt_status": None}, "EXPECTED"),
        ({"session_status": live.CANCELLED, "attempt_status": live.ABANDONED}, "LEFT"),
        ({"session_status": live.WAITING_FOR_STUDENTS, "attempt_status": None}, "CONNECTED"),
    ],
)
def test_what_has_ended_has_ended_whatever_the_connections_say(facts, wanted):
    assert state_at(connected(1_000), **facts).state == wanted


def test_a_state_says_when_time_alone_will_change_it():
    assert state_at(gone(5_000, goodbye=False)).until_ms == NOW + 15_000
    assert state_at(gone(5_000, goodbye=False), last_call_ms=NOW - 1_000).until_ms == NOW + 19_000
    assert state_at(gone(1_000, goodbye=True)).until_ms == NOW + 4_000
    assert state_at(gone(30_000, goodbye=False)).until_ms is None


@pytest.mark.parametrize(
    ("state", "stored"),
    [
        ("CONNECTED", "CONNECTED"),
        ("UNSTABLE", "CONNECTED"),
        ("LOST", "DISCONNECTED"),
        ("LEFT", "DISCONNECTED"),
        ("EXPECTED", "DISCONNECTED"),
    ],
)
def test_the_stored_form_knows_two_states(state, stored):
    assert presence.stored_status(state) == stored


class TestInRedis:
    """What connections and leases in a real Redis come to."""

    SESSION = 1

    @pytest.fixture(autouse=True)
    def _on_one_database(self, app):
        """Redis is asked through the application."""

    @pytest.fixture
    def database_url(self, _sqlite_template):
        return f"sqlite:///{_sqlite_template}"

    @pytest.fixture
    def now(self, monkeypatch):
        """`now(ms)` sets the clocks that connections and leases are written by: the process's, and Redis's."""

        def set_to(ms):
            monkeypatch.setattr(presence, "clock_ms", lambda: ms)
            monkeypatch.setattr(presence, "lease_clock_ms", lambda _time_of_redis: ms)
            return ms

        self.set_clock = set_to
        set_to(NOW)
        return set_to

    def read(self, ago_ms=0):
        self.set_clock(NOW + ago_ms)
        return presence.read(self.SESSION, now_ms=NOW + ago_ms)

    def enter(self, sid, *, user_id=7, process="p1"):
        record = presence.new_line(user_id=user_id, process_id=process, tab_id=sid)
        presence.connect(self.SESSION, sid, record)
        return {(self.SESSION, sid): record}

    def go(self, sid, *, user_id=7, goodbye=False):
        presence.disconnect(self.SESSION, sid, user_id=user_id, goodbye=goodbye)

    @pytest.mark.parametrize(("later_ms", "alive"), [(0, True), (14_999, True), (15_000, False), (60_000, False)])
    def test_a_connection_lives_as_long_as_the_lease_of_its_process(self, now, later_ms, alive):
        presence.hold_lease("p1")
        self.enter("a")

        found = self.read(later_ms)[7]

        assert found == (Presence([NOW]) if alive else Presence(gone_ms=NOW))

    def test_a_connection_without_any_lease_counts_for_as_long_as_a_lease_would(self, now):
        self.enter("a")

        assert self.read(presence.LEASE_MS - 1)[7] == Presence([NOW])
        assert self.read(presence.LEASE_MS)[7] == Presence(gone_ms=NOW)

    def test_closing_one_of_three_tabs_changes_only_their_number(self, now):
        presence.hold_lease("p1")
        for sid in "abc":
            self.enter(sid)

        self.go("b", goodbye=True)

        assert self.read()[7] == Presence([NOW, NOW])

    @pytest.mark.parametrize("goodbye", [True, False])
    def test_the_end_of_the_last_tab_is_kept_with_how_it_ended(self, now, goodbye):
        presence.hold_lease("p1")
        self.enter("a")
        self.enter("b", user_id=8)

        self.go("a", goodbye=goodbye)

        assert self.read() == {7: Presence(gone_ms=NOW, goodbye=goodbye), 8: Presence([NOW])}

    def test_coming_back_forgets_the_end(self, now):
        presence.hold_lease("p1")
        self.enter("a")
        self.go("a", goodbye=True)

        self.enter("b")

        assert self.read()[7] == Presence([NOW])

    @pytest.mark.parametrize("goodbye", [True, False])
    def test_what_a_dead_process_left_behind_does_not_hide_the_end_of_the_last_tab(self, now, goodbye):
        presence.hold_lease("dead")
        self.enter("ghost", process="dead")
        now(NOW + MINUTE)
        presence.hold_lease("p1")
        self.enter("a")

        self.go("a", goodbye=goodbye)

        assert self.read(MINUTE)[7] == Presence(gone_ms=NOW + MINUTE, goodbye=goodbye)

    def test_what_redis_forgot_is_written_again_but_for_who_left_meanwhile(self, now):
        presence.hold_lease("p1")
        lines = self.enter("a")
        presence.restore("p1", lines)
        before = self.read()
        memory().flushdb()
        presence.hold_lease("p1")
        emptied = presence.remembers("p1")

        presence.restore("p1", lines)

        assert (emptied, presence.remembers("p1")) == (False, True)
        assert self.read() == before == {7: Presence([NOW])}

    def test_a_person_looks_away_when_all_his_pages_are_hidden(self, now):
        presence.hold_lease("p1")
        lines = self.enter("a") | self.enter("b")

        presence.signal(lines, self.SESSION, "a", visible=False, active=None)
        one_hidden = self.read()[7].visible
        presence.signal(lines, self.SESSION, "b", visible=False, active=None)

        assert (one_hidden, self.read()[7].visible) == (True, False)

    def test_who_hides_his_page_is_away_since_then(self, now):
        presence.hold_lease("p1")
        lines = self.enter("a")
        now(NOW + MINUTE)
        presence.hold_lease("p1")

        presence.signal(lines, self.SESSION, "a", visible=False, active=None)

        hidden = self.read(MINUTE)[7]
        assert (hidden.visible, hidden.hidden_ms) == (False, NOW + MINUTE)
        found = state_at(hidden, last_call_ms=NOW)
        assert (found.attention, found.attention_since_ms) == ("AWAY", NOW + MINUTE)

    def test_a_page_that_comes_again_elsewhere_has_one_line_and_a_duplicated_one_has_two(self, now):
        presence.hold_lease("p1")
        presence.hold_lease("p2")
        self.enter("a")
        duplicate, elsewhere = (presence.new_line(user_id=7, process_id=p, tab_id="a") for p in ("p1", "p2"))

        presence.connect(self.SESSION, "duplicate", duplicate)
        duplicated = self.read()[7]
        presence.connect(self.SESSION, "elsewhere", elsewhere)

        assert (duplicated, self.read()[7]) == (Presence([NOW, NOW]), Presence([NOW]))

    def test_a_page_that_is_used_says_so_and_when_that_ended(self, now):
        presence.hold_lease("p1")
        lines = self.enter("a") | self.enter("b")

        now(NOW + 1)
        presence.signal(lines, self.SESSION, "a", visible=True, active=True)
        now(NOW + 2)
        presence.signal(lines, self.SESSION, "a", visible=True, active=True)
        used = self.read(3)[7]
        now(NOW + MINUTE)
        presence.signal(lines, self.SESSION, "a", visible=True, active=False)

        assert (used.active_ms, used.idle_ms) == (NOW + 1, None)
        idle = self.read(0)[7]
        assert (idle.active_ms, idle.idle_ms) == (None, NOW + MINUTE)

    def test_a_signal_of_a_connection_that_is_gone_brings_nobody_back(self, now):
        presence.hold_lease("p1")
        self.enter("a")
        self.go("a")

        presence.signal({}, self.SESSION, "a", visible=True, active=True)

        assert self.read()[7] == Presence(gone_ms=NOW)

    def test_leases_of_processes_that_are_long_dead_are_swept(self, now):
        presence.hold_lease("old")
        now(NOW + 24 * 60 * MINUTE + 1)

        presence.hold_lease("p1")

        assert list(memory().hgetall("blockpy:leases")) == [b"p1"]

    def test_a_stored_connection_is_plain_json(self, now):
        self.enter("a")

        stored = orjson.loads(memory().hget(f"blockpy:session:{self.SESSION}:connections", "a"))

        told = {"user_id": 7, "process": "p1", "tab": "a", "at": NOW}
        assert stored == {**told, "visible": True, "visible_at": NOW, "active": None, "active_at": None}
