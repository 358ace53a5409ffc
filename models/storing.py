"""How events get into the log inside one transaction: steps 1 to 6 of domain 6, without the commit."""

import threading
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from sqlalchemy import String, Text, column, select, table, tuple_

from models import statements
from models.analytics_events import StudyEvent
from models.db import EPOCH, insert_missing, to_ms
from models.db import utcnow as clock
from models.errors import AppError, Invalid
from models.events import code_state_id
from models.streams import ProjectionHead, UserStream

STORED, DUPLICATE, REJECTED = "stored", "duplicate", "rejected"
DEAD_CLOCK = timedelta(days=7)
PROJECTIONS = ("counts",)

# submission.py and its code states stand on this module, so it knows their table by name only.
CODE_STATES = table("code_states", column("id", String), column("code", Text))


@dataclass(slots=True)
class Answer:
    """What became of one event: `status` stored, duplicate or rejected; its place where it has one."""

    event_id: str
    user_id: int
    status: str
    user_seq: int | None = None
    log_id: int | None = None
    message: str | None = None

    def as_dict(self):
        """The per-event result of contract api.md."""
        answer = {"event_id": self.event_id, "status": self.status}
        if self.log_id is not None:
            answer["log_id"] = self.log_id
        if self.message:
            answer["message"] = self.message
        return answer


class Unit:
    """The events of one caller: stored together with what it writes, or not at all."""

    def __init__(self, events, write, *, caused_by=None):
        self.events = events
        self.write = write
        self.caller = caused_by or self
        self.hashes = [event.content_hash() for event in events]
        self.answers = None
        self.followers = []
        self.error = None
        self.finished = False
        self.turn = threading.Lock()
        self.turn.acquire()

    def refuse(self, error):
        """End with an error that its caller will raise."""
        self.error = error
        self.finished = True


class UnitRefused(Exception):
    """A unit cannot be stored: the transaction starts again without it."""

    def __init__(self, unit, error):
        super().__init__(str(error))
        self.unit = unit
        self.error = error


class KeyTaken(Exception):
    """A batch of other learners used an id between the look and the insert: begin again, now the look finds it.

    So it is where a stream that was there is gone.
    """


def store(session, units, *, ready=frozenset()):
    """Store these units' events; answers the rows of the new ones. Raises `UnitRefused` or `KeyTaken`: begin again.

    Whose streams are known to be there stands in `ready`.
    """
    streams = lock_streams(session, {event.user_id for unit in units for event in unit.events}, ready=ready)
    rows = _store_round(session, units, streams)
    followers = [Unit(unit.followers, None, caused_by=unit) for unit in units if unit.followers]
    if followers:
        rows += _store_round(session, followers, streams)
    return rows


def _store_round(session, units, streams):
    new = _sort_out(session, units, streams)
    keys = _keys(new)
    writing = [unit for unit in units if unit.write and unit.answers[0].status == STORED]
    if writing and not statements.claim_keys(session, keys):
        raise KeyTaken
    for unit in units:
        unit.followers = _run_write(session, unit) if unit in writing else []
    rows = _rows(session, new, streams)
    if rows:
        _write_rows(session, [] if writing else keys, rows, new, streams)
    _place_repeats(units)
    return rows


def _keys(new):
    """Step 4's rows, by ascending id."""
    found = [(n.event.event_id, n.event.user_id, n.answer.user_seq, n.content_hash) for n in new]
    return [dict(zip(statements.KEY_KINDS, key, strict=True)) for key in sorted(found)]


def _write_rows(session, keys, rows, new, streams):
    """Steps 4 to 6: what is not there yet of the keys, the events, and the new ends of their streams."""
    moved = sorted({row["user_id"] for row in rows})
    ends = [{"user_id": u, "last_seq": streams[u].last_seq, "last_at": streams[u].last_at} for u in moved]
    log_ids = statements.write_events(session, keys, rows, ends)
    if log_ids is None:
        raise KeyTaken
    for n, row, log_id in zip(new, rows, log_ids, strict=True):
        n.answer.log_id = row["id"] = log_id


@dataclass(slots=True)
class Tail:
    """The end of a locked stream, as this transaction moves it on."""

    last_seq: int
    last_at: object


def lock_streams(session, user_ids, *, ready=frozenset()):
    """Lock the streams of these learners, ascending, inserting what is missing first; answers {user_id: Tail}."""
    user_ids = sorted(user_ids)
    _insert_streams(session, [user_id for user_id in user_ids if user_id not in ready])
    locked = statements.locked_streams(session, user_ids)
    if len(locked) < len(user_ids):
        raise KeyTaken
    return {user_id: Tail(last_seq, last_at) for user_id, last_seq, last_at in locked}


def _insert_streams(session, user_ids):
    insert_missing(session, UserStream.__table__, [{"user_id": u, "last_seq": 0} for u in user_ids], keys=["user_id"])
    heads = [
        {"projection": name, "user_id": u, "folded_seq": 0, "calculation_version": 1}
        for name in PROJECTIONS
        for u in user_ids
    ]
    insert_missing(session, ProjectionHead.__table__, heads, keys=["projection", "user_id"])


@dataclass(slots=True)
class _New:
    """An event that is not in the log yet, with its number and the answer that its caller will get."""

    unit: Unit
    event: object
    content_hash: str
    answer: Answer


def _sort_out(session, units, streams):
    """Tell new events from known ones (step 3) and number the new ones; repeats inside the batch are known too."""
    known = _known_keys(session, [event.event_id for unit in units for event in unit.events])
    new, first = [], {}
    for unit in units:
        unit.answers = []
        for event, content_hash in zip(unit.events, unit.hashes, strict=True):
            answer = _known_answer(event, content_hash, known, first)
            if answer is None:
                streams[event.user_id].last_seq += 1
                answer = Answer(event.event_id, event.user_id, STORED, streams[event.user_id].last_seq)
                new.append(_New(unit, event, content_hash, answer))
                first[event.event_id] = new[-1]
            unit.answers.append(answer)
    _find_log_ids(session, [a for unit in units for a in unit.answers if a.status == DUPLICATE and a.user_seq])
    return new


def _known_keys(session, event_ids):
    return {key.event_id: key for key in statements.known_keys(session, sorted(event_ids))}


def _known_answer(event, content_hash, known, first):
    key = known.get(event.event_id)
    earlier = first.get(event.event_id)
    if key is None and earlier is None:
        return None
    if (key or earlier).content_hash != content_hash:
        return Answer(event.event_id, event.user_id, REJECTED, message="This event_id was used for another content.")
    if key is None:
        return _Repeat(earlier.answer)
    return Answer(event.event_id, key.user_id, DUPLICATE, key.user_seq)


class _Repeat(Answer):
    """The answer to a repeat inside one batch: where the first of them went, known once that is stored."""

    def __init__(self, first):
        super().__init__(first.event_id, first.user_id, DUPLICATE)
        self.first = first


def _place_repeats(units):
    """A repeat went where the first of them went."""
    for repeat in (answer for unit in units for answer in unit.answers if isinstance(answer, _Repeat)):
        repeat.user_seq, repeat.log_id = repeat.first.user_seq, repeat.first.log_id


def _find_log_ids(session, answers):
    if not answers:
        return
    places = [(a.user_id, a.user_seq) for a in answers]
    query = select(StudyEvent.id, StudyEvent.user_id, StudyEvent.user_seq)
    rows = session.execute(query.where(tuple_(StudyEvent.user_id, StudyEvent.user_seq).in_(places)))
    ids = {(row.user_id, row.user_seq): row.id for row in rows}
    for answer in answers:
        answer.log_id = ids[answer.user_id, answer.user_seq]


def _run_write(session, unit):
    try:
        followers = unit.write(session)
        session.flush()
        return followers or []
    except AppError as error:
        raise UnitRefused(unit, error) from error


def _rows(session, new, streams):
    """Step 5's rows. `created_at` is read under the lock and never runs back in a stream."""
    now = clock()
    places = _submission_places(session, new)
    _keep_code(session, new)
    rows = []
    for n in new:
        stream = streams[n.event.user_id]
        created_at = stream.last_at = max(now, stream.last_at or now)
        rows.append(_row(n, created_at, places))
    return rows


def _submission_places(session, new):
    """{submission_id: its row}: assignment and course are the submission's, never the client's."""
    ids = sorted({n.event.submission_id for n in new if n.event.submission_id is not None})
    return {row.id: row for row in statements.places(session, ids)} if ids else {}


def _keep_code(session, new):
    codes = {code_state_id(n.event.code): n.event.code for n in new if n.event.code is not None}
    rows = [{"id": key, "code": codes[key]} for key in sorted(codes)]
    insert_missing(session, CODE_STATES, rows, keys=["id"])


def _row(n, created_at, places):
    event = n.event
    place = places.get(event.submission_id)
    if event.submission_id is not None and (place is None or place.user_id != event.user_id):
        raise UnitRefused(n.unit.caller, Invalid("There is no such submission of this learner.", field="submission_id"))
    properties = dict(event.properties)
    if event.code is not None:
        properties |= {"code_state_id": code_state_id(event.code), "size": len(event.code)}
    if event.client_ms is not None:
        properties["client_ms"] = event.client_ms
    return {
        "event_id": event.event_id,
        "user_id": event.user_id,
        "actor_id": event.actor_id if event.actor_id is not None else event.user_id,
        "user_seq": n.answer.user_seq,
        "created_at": created_at,
        "occurred_at": occurred_at(event, created_at),
        "session_id": event.session_id,
        "event_type": event.event_type,
        "course_id": place.course_id if place else event.course_id,
        "assignment_id": place.assignment_id if place else event.assignment_id,
        "submission_id": event.submission_id,
        "properties": properties,
        "schema_version": 1,
        "ip_address": event.ip_address,
        "user_agent": event.user_agent,
    }


# A batch arrives at one moment.
_arrival_ms = lru_cache(maxsize=64)(to_ms)


def occurred_at(event, created_at):
    """When it happened: the client's clock, the arrival where that is dead, None where no client timed it."""
    if not event.timed:
        return None
    if event.client_ms is None or not 0 <= event.client_ms <= _arrival_ms(created_at):
        return created_at
    moment = EPOCH + timedelta(milliseconds=event.client_ms)
    return moment if created_at - moment <= DEAD_CLOCK else created_at
