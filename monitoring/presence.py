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
AWAY_STATES = (UNSTABLE, LOST)
NEVER_HERE = (EXPECTED, REMOVED)
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
    """What Redis knows of one participant; moments in ms. `gone_ms` is when the last connection ended.

    `hidden_ms` is when the last of his pages was hidden, `active_ms` since when a page says that it is used, `idle_ms`
    when the last one said that it is not.
    """

    connected_ms: list = field(default_factory=list)
    visible: bool = True
    hidden_ms: int | None = None
    active_ms: int | None = None
    idle_ms: int | None = None
    gone_ms: int | None = None
    goodbye: bool = False


@dataclass(frozen=True)
class State:
    """A participant's state and since when (ms); `tabs` are live connections.

    `until_ms` is when time alone will make another state of it, where the room must not wait for its next look.
    """

    state: str
    since_ms: int | None
    tabs: int = 0
    attention: str | None = None
    attention_since_ms: int | None = None
    until_ms: int | None = field(default=None, compare=False)


def _connections(session_id):
    return f"blockpy:session:{session_id}:connections"


def _restored(process_id):
    return f"blockpy:process:{process_id}"


def _gone(session_id):
    return f"blockpy:session:{session_id}:gone"


def clock_ms():
    """The server's clock in ms since 1970."""
    return int(time.time() * 1000)


def lease_clock_ms(time_of_redis):
    """Leases are of many machines and are compared on one clock, which is Redis's."""
    seconds, microseconds = time_of_redis
    return seconds * 1000 + microseconds // 1000


def hold_lease(process_id):
    """Say that this process lives; its connections count only while it does."""
    now_ms = lease_clock_ms(memory().time())
    pipe = memory().pipeline(transaction=False)
    pipe.hset(_LEASES, process_id, now_ms)
    pipe.hgetall(_LEASES)
    leases = pipe.execute()[1]
    old = [name for name, at in leases.items() if now_ms - int(at) > FORGET_SECONDS * 1000]
    if old:
        memory().hdel(_LEASES, *old)


def remembers(process_id):
    """Whether Redis still has what this process restored; it has not once it was emptied.

    The lease cannot tell: it is written again every five seconds.
    """
    return bool(memory().expire(_restored(process_id), FORGET_SECONDS))


def restore(process_id, lines):
    """Write the connections of this process again, {(session_id, sid): record}: Redis may have forgotten them."""
    wanted = dict(lines)
    pipe = memory().pipeline()
    for (session_id, sid), record in wanted.items():
        pipe.hset(_connections(session_id), sid, orjson.dumps(record))
        pipe.expire(_connections(session_id), FORGET_SECONDS)
    pipe.set(_restored(process_id), 1, ex=FORGET_SECONDS)
    pipe.execute()
    for session_id, sid in wanted.keys() - lines.keys():
        # Gone while we wrote: it must not stay as a ghost for as long as this process lives.
        memory().hdel(_connections(session_id), sid)


def new_line(*, user_id, process_id, tab_id):
    """The record that is kept of a tab of a participant that is connected now."""
    place = {"user_id": user_id, "process": process_id, "tab": tab_id, "at": clock_ms()}
    return {**place, "visible": True, "visible_at": place["at"], "active": None, "active_at": None}


def connect(session_id, sid, record):
    """A tab of a participant is connected."""
    known = memory().hgetall(_connections(session_id))
    pipe = memory().pipeline()
    if earlier := [old for old, stored in known.items() if _same_page(orjson.loads(stored), record)]:
        # The page's line before this one, of a process that has ended: it must not outlive a goodbye.
        pipe.hdel(_connections(session_id), *earlier)
    pipe.hset(_connections(session_id), sid, orjson.dumps(record))
    pipe.hdel(_gone(session_id), record["user_id"])
    pipe.expire(_connections(session_id), FORGET_SECONDS)
    pipe.execute()


def _same_page(record, other):
    """Whether one page was at another process before; in one process two lines of a name are two pages, duplicated."""
    is_its = (record["user_id"], record["tab"]) == (other["user_id"], other["tab"])
    return is_its and record["process"] != other["process"]


def signal(lines, session_id, sid, *, visible, active):
    """What a tab of this process says of itself; one that is gone meanwhile must not come back as a ghost."""
    record = lines.get((session_id, sid))
    if record is None:
        return
    for name, now in (("visible", visible), ("active", active)):
        if record[name] != now:
            record |= {name: now, f"{name}_at": clock_ms()}
    memory().hset(_connections(session_id), sid, orjson.dumps(record))
    if (session_id, sid) not in lines:
        memory().hdel(_connections(session_id), sid)


def disconnect(session_id, sid, *, user_id, goodbye):
    """A tab is gone: with a goodbye, or without one (the network, a closed lid)."""
    memory().hdel(_connections(session_id), sid)
    leave(session_id, user_id=user_id, goodbye=goodbye)


def leave(session_id, *, user_id, goodbye=True):
    """A participant is gone unless another tab of his is alive; what a dead process left behind is none."""
    pipe = memory().pipeline(transaction=False)
    pipe.time()
    pipe.hgetall(_LEASES)
    pipe.hvals(_connections(session_id))
    time_of_redis, leases, records = pipe.execute()
    leases_now_ms = lease_clock_ms(time_of_redis)
    others = [record for record in map(orjson.loads, records) if record["user_id"] == user_id]
    if not any(leases_now_ms - _lease_ms(leases, record) < LEASE_MS for record in others):
        pipe = memory().pipeline()
        pipe.hset(_gone(session_id), user_id, orjson.dumps({"at": clock_ms(), "goodbye": goodbye}))
        pipe.expire(_gone(session_id), FORGET_SECONDS)
        pipe.execute()


def _lease_ms(leases, record):
    """When the record's process last said that it lives; in a Redis just emptied, when the line was made."""
    return int(leases.get(record["process"].encode(), record["at"]))


def read(session_id, *, now_ms, sees_since_ms=0):
    """{user_id: Presence} of everybody whom Redis knows in this session.

    `sees_since_ms` is when the reader saw Redis again: in the time before nobody could renew a lease.
    """
    pipe = memory().pipeline(transaction=False)
    pipe.time()
    pipe.hgetall(_LEASES)
    pipe.hvals(_connections(session_id))
    pipe.hgetall(_gone(session_id))
    time_of_redis, leases, records, gone = pipe.execute()
    leases_now_ms = lease_clock_ms(time_of_redis)
    found = {}
    for user_id, stored in gone.items():
        record = orjson.loads(stored)
        found[int(user_id)] = Presence(gone_ms=record["at"], goodbye=record["goodbye"])
    for record in map(orjson.loads, records):
        person = found.setdefault(record["user_id"], Presence())
        lease_age_ms = min(leases_now_ms - _lease_ms(leases, record), now_ms - sees_since_ms)
        if lease_age_ms < LEASE_MS:
            _take_line(person, record)
        else:
            person.gone_ms = max(person.gone_ms or 0, now_ms - lease_age_ms, record["at"])
    return found


def _take_line(person, record):
    """One more connection that lives: the person looks here if any page is visible, and is at work if any is used."""
    person.visible = record["visible"] or (bool(person.connected_ms) and person.visible)
    person.connected_ms.append(record["at"])
    if not record["visible"]:
        person.hidden_ms = max(record["visible_at"], person.hidden_ms or 0)
    if record["active"]:
        person.active_ms = min(record["active_at"], person.active_ms or record["active_at"])
    elif record["active"] is False:
        person.idle_ms = max(record["active_at"], person.idle_ms or 0)


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
    since_ms, tabs = min(presence.connected_ms), len(presence.connected_ms)
    acted_ms = max(last_call_ms or 0, since_ms)
    if not presence.visible:
        return State(CONNECTED, since_ms, tabs, AWAY, presence.hidden_ms or acted_ms)
    if presence.active_ms is not None:
        return State(CONNECTED, since_ms, tabs, ACTIVE, max(acted_ms, presence.active_ms))
    return State(CONNECTED, since_ms, tabs, *_attention(now_ms, acted_ms, presence.idle_ms or 0))


def _attention(now_ms, acted_ms, idle_ms=0):
    """By what was done last; a page that was used without anything to tell says itself when that ended."""
    if now_ms - acted_ms >= IDLE_AFTER_MS:
        return IDLE, max(acted_ms + IDLE_AFTER_MS, idle_ms)
    return ACTIVE, acted_ms


def _came_back(presence, last_call_ms):
    """Whether a call followed a goodbye; what comes within seconds of it is the leaving page's own last word."""
    return presence.goodbye and (last_call_ms or 0) - presence.gone_ms >= LEFT_AFTER_MS


def _disconnected(presence, now_ms, last_call_ms):
    """Not at once: a reload is no leave, and who still calls over HTTP is not lost."""
    if presence.goodbye:
        return _unstable(now_ms, presence.gone_ms, presence.gone_ms + LEFT_AFTER_MS, LEFT)
    heard_ms = max(presence.gone_ms, last_call_ms or 0)
    return _unstable(now_ms, presence.gone_ms, heard_ms + LOST_AFTER_MS, LOST)


def _unstable(now_ms, gone_ms, until_ms, then):
    return State(then, gone_ms) if now_ms >= until_ms else State(UNSTABLE, gone_ms, until_ms=until_ms)


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
