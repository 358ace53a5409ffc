"""Who is here: connections and process leases in Redis, and a participant's state as a pure function of them.

Presence is worked out, never stored as a fact: a process that dies takes its connections along with its lease.
"""

import time
from dataclasses import dataclass, field

import orjson

from models import live
from models.db import to_ms
from monitoring import memory

EXPECTED, CONNECTED, UNSTABLE, LOST = "EXPECTED", "CONNECTED", "UNSTABLE", "LOST"
LEFT, FINISHED, REMOVED = "LEFT", "FINISHED", "REMOVED"
ACTIVE, IDLE, AWAY = "ACTIVE", "IDLE", "AWAY"

LEASE_EVERY_SECONDS = 5
LEASE_MS = 15_000
LOST_AFTER_MS = 20_000
LEFT_AFTER_MS = 5_000
IDLE_AFTER_MS = 60_000
SOCKETLESS_MS = 10 * 60_000
FORGET_SECONDS = 24 * 3600

_LEASES = "blockpy:leases"


@dataclass
class Presence:
    """What Redis knows of one participant; moments in ms. `gone_ms` is when the last connection ended."""

    connected_ms: list = field(default_factory=list)
    visible: bool = True
    gone_ms: int | None = None
    goodbye: bool = False


@dataclass(frozen=True)
class State:
    """A participant's state and since when (ms); `tabs` are live connections."""

    state: str
    since_ms: int | None
    tabs: int = 0
    attention: str | None = None
    attention_since_ms: int | None = None


def _connections(session_id):
    return f"blockpy:session:{session_id}:connections"


def _gone(session_id):
    return f"blockpy:session:{session_id}:gone"


def clock_ms():
    """The server's clock in ms since 1970."""
    return int(time.time() * 1000)


def hold_lease(process_id):
    """Say that this process lives; its connections count only while it does."""
    pipe = memory().pipeline(transaction=False)
    pipe.hset(_LEASES, process_id, clock_ms())
    pipe.hgetall(_LEASES)
    leases = pipe.execute()[1]
    old = [name for name, at in leases.items() if clock_ms() - int(at) > FORGET_SECONDS * 1000]
    if old:
        memory().hdel(_LEASES, *old)


def holds_lease(process_id):
    """Whether Redis still knows this process's lease; it does not once it was emptied."""
    return memory().hexists(_LEASES, process_id)


def restore(lines):
    """Write the connections of this process again, {(session_id, sid): record}: Redis may have forgotten them."""
    wanted = dict(lines)
    pipe = memory().pipeline()
    for (session_id, sid), record in wanted.items():
        pipe.hset(_connections(session_id), sid, orjson.dumps(record))
        pipe.expire(_connections(session_id), FORGET_SECONDS)
    pipe.execute()
    for session_id, sid in wanted.keys() - lines.keys():
        # Gone while we wrote: it must not stay as a ghost for as long as this process lives.
        memory().hdel(_connections(session_id), sid)


def connect(session_id, sid, *, user_id, process_id, tab_id):
    """A tab of a participant is connected; answers the record that is kept of it."""
    record = {"user_id": user_id, "process": process_id, "tab": tab_id, "at": clock_ms(), "visible": True}
    pipe = memory().pipeline()
    pipe.hset(_connections(session_id), sid, orjson.dumps(record))
    pipe.hdel(_gone(session_id), user_id)
    pipe.expire(_connections(session_id), FORGET_SECONDS)
    pipe.execute()
    return record


def look_away(session_id, sid, *, visible):
    """A tab was hidden or shown."""
    stored = memory().hget(_connections(session_id), sid)
    if stored is not None:
        memory().hset(_connections(session_id), sid, orjson.dumps(orjson.loads(stored) | {"visible": visible}))


def disconnect(session_id, sid, *, user_id, goodbye):
    """A tab is gone: with a goodbye, or without one (the network, a closed lid)."""
    memory().hdel(_connections(session_id), sid)
    leave(session_id, user_id=user_id, goodbye=goodbye)


def leave(session_id, *, user_id, goodbye=True):
    """A participant is gone unless another tab of his is alive; what a dead process left behind is none."""
    pipe = memory().pipeline(transaction=False)
    pipe.hgetall(_LEASES)
    pipe.hvals(_connections(session_id))
    leases, records = pipe.execute()
    others = [record for record in map(orjson.loads, records) if record["user_id"] == user_id]
    if not any(clock_ms() - _lease_ms(leases, record) < LEASE_MS for record in others):
        pipe = memory().pipeline()
        pipe.hset(_gone(session_id), user_id, orjson.dumps({"at": clock_ms(), "goodbye": goodbye}))
        pipe.expire(_gone(session_id), FORGET_SECONDS)
        pipe.execute()


def _lease_ms(leases, record):
    return int(leases.get(record["process"].encode(), 0))


def read(session_id, *, now_ms):
    """{user_id: Presence} of everybody whom Redis knows in this session."""
    pipe = memory().pipeline(transaction=False)
    pipe.hgetall(_LEASES)
    pipe.hvals(_connections(session_id))
    pipe.hgetall(_gone(session_id))
    leases, records, gone = pipe.execute()
    found = {}
    for user_id, stored in gone.items():
        record = orjson.loads(stored)
        found[int(user_id)] = Presence(gone_ms=record["at"], goodbye=record["goodbye"])
    shown = {}
    for record in map(orjson.loads, records):
        person = found.setdefault(record["user_id"], Presence())
        lease_ms = _lease_ms(leases, record)
        if now_ms - lease_ms < LEASE_MS:
            person.connected_ms.append(record["at"])
            shown[record["user_id"]] = shown.get(record["user_id"], False) or record["visible"]
        else:
            person.gone_ms = max(person.gone_ms or 0, lease_ms, record["at"])
    for user_id, visible in shown.items():
        found[user_id].visible = visible
    return found


def state_of(presence, *, now_ms, session_status, attempt_status, joined, last_call_ms, is_expected=True):
    """A participant's state: a pure function of connections, times, now and the session (contract monitoring 5).

    `last_call_ms` is the learner's last event on the exercise, `joined` whether he has a place in the session.
    """
    ended = _ended(session_status, attempt_status, is_expected)
    if ended:
        return State(ended, None)
    if presence and presence.connected_ms:
        return _connected(presence, now_ms, last_call_ms)
    if presence and presence.gone_ms is not None and not _came_back(presence, last_call_ms):
        return _disconnected(presence, now_ms, last_call_ms)
    return _without_socket(now_ms, joined, last_call_ms)


def _ended(session_status, attempt_status, is_expected):
    if not is_expected:
        return REMOVED
    if session_status not in live.OPEN_STATES or attempt_status == live.SUBMITTED:
        return {live.SUBMITTED: FINISHED, live.ABANDONED: LEFT}.get(attempt_status, EXPECTED)
    return None


def _connected(presence, now_ms, last_call_ms):
    since_ms = min(presence.connected_ms)
    acted_ms = max(last_call_ms or 0, since_ms)
    if not presence.visible:
        return State(CONNECTED, since_ms, len(presence.connected_ms), AWAY, acted_ms)
    return State(CONNECTED, since_ms, len(presence.connected_ms), *_attention(now_ms, acted_ms))


def _attention(now_ms, acted_ms):
    if now_ms - acted_ms >= IDLE_AFTER_MS:
        return IDLE, acted_ms + IDLE_AFTER_MS
    return ACTIVE, acted_ms


def _came_back(presence, last_call_ms):
    """Whether a call followed a goodbye; what comes within seconds of it is the leaving page's own last word."""
    return presence.goodbye and (last_call_ms or 0) - presence.gone_ms >= LEFT_AFTER_MS


def _disconnected(presence, now_ms, last_call_ms):
    """Not at once: a reload is no leave, and who still calls over HTTP is not lost."""
    if presence.goodbye:
        left = now_ms - presence.gone_ms >= LEFT_AFTER_MS
        return State(LEFT if left else UNSTABLE, presence.gone_ms)
    heard_ms = max(presence.gone_ms, last_call_ms or 0)
    return State(LOST if now_ms - heard_ms >= LOST_AFTER_MS else UNSTABLE, presence.gone_ms)


def _without_socket(now_ms, joined, last_call_ms):
    """A client that has no socket: nothing tells reading from gone, so it is never lost."""
    if last_call_ms is None:
        return State(LEFT if joined else EXPECTED, None)
    if now_ms - last_call_ms >= SOCKETLESS_MS:
        return State(LEFT, last_call_ms)
    return State(CONNECTED, last_call_ms, 0, *_attention(now_ms, last_call_ms))


def stored_status(state):
    """S3's two states: UNSTABLE is still connected."""
    return live.CONNECTED if state in (CONNECTED, UNSTABLE) else live.DISCONNECTED


def moment_ms(moment):
    """An instant in ms; None stays None."""
    return to_ms(moment) if moment else None
