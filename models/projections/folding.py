"""Folding what is new: a batch of events of learners who are behind, in one transaction (domain 6)."""

from dataclasses import dataclass, field

from blinker import Signal
from flask import current_app
from sqlalchemy import Integer, bindparam, select

from models.analytics_events import StudyEvent
from models.counters import SubmissionCounts, UserCounts
from models.db import after_commit, db, in_transaction, transaction, upsert
from models.projections import counts
from models.projections.moves import Moves
from models.projections.rows import dicts, own_rows, person_from, work_from
from models.projections.shared import EVENT_COLUMNS, add_days, move_shared
from models.streams import ProjectionHead, UserStream

# SQLite has one writer at a time, and appends wait for it; on PostgreSQL they do not, and a batch has its price.
BATCH = 500
POSTGRESQL_BATCH = 2000
LEARNERS = 100

# Sent after the commit, with `changed`: whoever folds, the rooms hear of it.
folded = Signal()


class BrokenStream(RuntimeError):
    """A stream promises events that cannot be read: folding on would lose them, so nothing is folded."""


@dataclass
class Changed:
    """A learner whose counts have moved: up to `folded_seq` everything is counted."""

    user_id: int
    folded_seq: int
    submission_ids: list = field(default_factory=list)


def fold(*, limit=None, user_id=None, but=()):
    """Fold a batch of events (at most `limit`) of learners who are behind; answers a `Changed` for each, [] for none.

    Runs in its own transaction or joins one. With `user_id` it waits for that learner's head and folds only it,
    so that a request reads its own write; without, heads that others hold are skipped, and those in `but`.
    """
    with transaction() as session:
        heads = _lock_heads(session, user_id, but)
        if not heads:
            return []
        moves = Moves()
        states = _fold_events(session, heads, limit or _batch(session), moves)
        _write_own(session, states)
        _advance(session, states)
        # Last, so that rows which others wait for are held for the shortest time.
        move_shared(session, moves)
    changed = [Changed(u, s.person.folded_seq, sorted(s.works)) for u, s in states.items()]
    if in_transaction():
        after_commit(lambda: _tell(changed))
    else:
        _tell(changed)
    return changed


def fold_all(*, user_id=None):
    """Fold until nothing is behind: of everybody, or of one learner whose head is waited for."""
    while fold(user_id=user_id):
        pass


def _tell(changed):
    folded.send(current_app._get_current_object(), changed=changed)


def _batch(session):
    return BATCH if session.get_bind().dialect.name == "sqlite" else POSTGRESQL_BATCH


# Statements are made once, of tables and not of classes: a batch takes milliseconds, and so does what is saved by that.
_HEADS, _STREAMS = ProjectionHead.__table__, UserStream.__table__
_LOG, _PEOPLE, _WORKS = StudyEvent.__table__, UserCounts.__table__, SubmissionCounts.__table__
_BEHIND = (
    select(_HEADS.c.user_id, _HEADS.c.folded_seq, _STREAMS.c.last_seq)
    .join(_STREAMS, _STREAMS.c.user_id == _HEADS.c.user_id)
    .where(_HEADS.c.projection == counts.NAME, _HEADS.c.folded_seq < _STREAMS.c.last_seq)
    .order_by(_HEADS.c.user_id)
    .limit(LEARNERS)
)
_SOMEBODY = _BEHIND.with_for_update(key_share=True, of=_HEADS, skip_locked=True)
_ONE = _BEHIND.where(_HEADS.c.user_id == bindparam("user_id")).with_for_update(key_share=True, of=_HEADS)
_NEW = (
    select(*EVENT_COLUMNS)
    .join(_HEADS, _HEADS.c.user_id == _LOG.c.user_id)
    .where(
        _HEADS.c.projection == counts.NAME,
        _HEADS.c.user_id.in_(bindparam("user_ids", expanding=True)),
        _LOG.c.user_seq > _HEADS.c.folded_seq,
    )
    .order_by(_LOG.c.user_id, _LOG.c.user_seq)
    .limit(bindparam("most", type_=Integer))
)
_THEIR_COUNTS = select(_PEOPLE).where(_PEOPLE.c.user_id.in_(bindparam("user_ids", expanding=True)))
_THEIR_WORKS = select(_WORKS).where(_WORKS.c.submission_id.in_(bindparam("submission_ids", expanding=True)))


def _lock_heads(session, user_id, but):
    """Lock the heads that are behind; answers {user_id: (folded_seq, last_seq)}."""
    if user_id is not None:
        rows = session.execute(_ONE, {"user_id": user_id})
    else:
        rows = session.execute(_SOMEBODY.where(_HEADS.c.user_id.not_in(but)) if but else _SOMEBODY)
    return {row.user_id: (row.folded_seq, row.last_seq) for row in rows}


def _fold_events(session, heads, limit, moves):
    """Read what is new by a statement after the lock, and fold it into the states it belongs to."""
    events = session.execute(_NEW, {"user_ids": list(heads), "most": limit}).all()
    states = _load_states(session, events, moves)
    expected = {user_id: folded_seq for user_id, (folded_seq, _) in heads.items()}
    for event in events:
        user_id, user_seq = event.user_id, event.user_seq
        expected[user_id] += 1
        if user_seq != expected[user_id]:
            raise BrokenStream(f"user_id={user_id} lacks event user_seq={expected[user_id]}")
        counts.step(states[user_id], event)
    if len(events) < limit:
        _check_promises(heads, expected)
    for state in states.values():
        counts.settle(state)
    return states


def _check_promises(heads, reached):
    for user_id, (_, last_seq) in heads.items():
        if reached[user_id] < last_seq:
            raise BrokenStream(f"user_id={user_id} ends at user_seq={reached[user_id]}, promised {last_seq}")


def _load_states(session, events, moves):
    """The states of these events' learners as they are stored; what they move is gathered in `moves`."""
    user_ids = sorted({event.user_id for event in events})
    states = {user_id: counts.Learner(user_id, moves=moves) for user_id in user_ids}
    owners = {event.submission_id: event.user_id for event in events if event.submission_id is not None}
    for row in dicts(_PEOPLE, session.execute(_THEIR_COUNTS, {"user_ids": list(states)})):
        states[row["user_id"]].person = person_from(row)
    for row in dicts(_WORKS, session.execute(_THEIR_WORKS, {"submission_ids": list(owners)})):
        states[owners[row["submission_id"]]].works[row["submission_id"]] = work_from(row)
    return states


def _write_own(session, states):
    people, works = own_rows(states.values())
    upsert(session, _PEOPLE, people, keys=["user_id"])
    upsert(session, _WORKS, works, keys=["submission_id"])
    add_days(session, {place: number for state in states.values() for place, number in state.days.items()})


def _advance(session, states):
    names = {"projection": counts.NAME, "calculation_version": counts.VERSION}
    heads = [names | {"user_id": user_id, "folded_seq": s.person.folded_seq} for user_id, s in states.items()]
    upsert(session, _HEADS, heads, keys=["projection", "user_id"])


def users_behind(*, but=()):
    """The learners who have events that are not counted yet, ascending."""
    query = select(ProjectionHead.user_id).join(UserStream, UserStream.user_id == ProjectionHead.user_id)
    query = query.where(ProjectionHead.projection == counts.NAME, ProjectionHead.folded_seq < UserStream.last_seq)
    return list(db.session.scalars(query.where(ProjectionHead.user_id.not_in(but)).order_by(ProjectionHead.user_id)))
