"""Hints: what a teacher tells a learner or the whole room, told until a client has it, confirmed when it was seen."""

from models import access, ingest
from models.db import db, iso, transaction, utcnow
from models.errors import Conflict, Invalid, NotFound
from models.live import MOST_HINT, SessionModel
from monitoring import broadcast, rooms
from monitoring.errands import later
from monitoring.repositories import sql_hint_repository as repository
from monitoring.sessions import event_of, refuse_closed


def send(viewer, session_row, user_id, message, *, now=None):
    """Tell one learner of a live session, or all (`user_id` None); answers the hint as teachers see it.

    Raises `Invalid` for a message without words or too long, `NotFound` for somebody who is not expected.
    """
    now, message = now or utcnow(), message.strip()
    if not 1 <= len(message) <= MOST_HINT:
        raise Invalid(f"A hint has 1 to {MOST_HINT} characters.", field="message")
    to = _addressees(session_row, user_id)
    told = {}

    def write(session):
        refuse_closed(session.get(SessionModel, session_row.id, populate_existing=True).status)
        place = {"session_id": session_row.id, "sender_id": viewer.user_id, "user_id": user_id}
        told["hint_id"] = repository.save_hint(session, **place, message=message, to=to, now=now)
        for event in events:
            event.properties["hint_id"] = told["hint_id"]

    refuse_closed(session_row.status)
    events = [event_of("hint_sent", learner, session_row, None, now) for learner in to]
    for event in events:
        event.actor_id = viewer.user_id
    ingest.append(events, write=write)
    broadcast.hint_told(session_row.id, to)
    return tell_watchers(session_row.id, told["hint_id"])


def _addressees(session_row, user_id):
    expected = access.expected_students(session_row)
    if user_id is None:
        if not expected:
            raise Conflict("Nobody is in this class yet.")
        return expected
    if user_id not in expected:
        raise NotFound("There is no such student in this session.")
    return [user_id]


def list_hints(session_row, *, user_id=None):
    """The hints of a session as its teachers see them, newest first; with `user_id` what this learner was told."""
    return [told(*line) for line in repository.list_hints(session_row.id, user_id=user_id)]


def own_hints(session_row, user_id):
    """The hints of a session as this learner sees them, newest first."""
    names = ("hint_id", "message", "from", "at", "delivered_at", "seen_at")
    lines = repository.list_hints(session_row.id, user_id=user_id)
    full = [told(*line) | {"delivered_at": iso(line[5]), "seen_at": iso(line[6])} for line in lines]
    return [{name: hint[name] for name in names} for hint in full]


def told(hint, sender, of, delivered, seen, delivered_at, seen_at):
    """A hint as teachers see it. When it came and was seen is told of a hint to one learner only."""
    alone = hint.user_id is not None
    return {
        "hint_id": hint.id,
        "session_id": hint.session_id,
        "user_id": hint.user_id,
        "message": hint.message,
        "from": sender,
        "at": iso(hint.sent_at),
        "of": of,
        "delivered": delivered,
        "seen": seen,
        "delivered_at": iso(delivered_at) if alone else None,
        "seen_at": iso(seen_at) if alone else None,
    }


def tell_soon(session_id, hint_id):
    """Receipts of a class come together: who watches is told once in a while, where this process has a turn for it."""
    if rooms().serves:
        rooms().moved_hints.add((session_id, hint_id))
    else:
        tell_watchers(session_id, hint_id)


def tell_watchers(session_id, hint_id):
    """Who watches sees how far a hint came; answers it."""
    hint = told(*repository.list_hints(session_id, hint_id=hint_id)[0])
    broadcast.hint_watched(hint)
    return hint


def deliver(session_id, user_ids=None, *, only_undelivered=True):
    """Hand out what these learners of a session (all by default) are told to their sockets of this process."""
    lines = [
        (sid, record["user_id"])
        for (known, sid), record in list(rooms().lines.items())
        if known == session_id and (user_ids is None or record["user_id"] in user_ids)
    ]
    places = {(session_id, user_id) for _, user_id in lines}
    if not places:
        return
    for user_id, hint, sender in repository.open_hints(places, only_undelivered=only_undelivered):
        payload = {"hint_id": hint.id, "message": hint.message, "from": sender, "at": iso(hint.sent_at)}
        for sid in [sid for sid, known in lines if known == user_id]:
            broadcast.hint(payload, to=sid, arrived=_arrived(session_id, hint.id, user_id))


def _arrived(session_id, hint_id, user_id):
    """What a client's acknowledgement does: it is written down together with those that come at the same time."""
    return lambda: later(_take_arrivals, (session_id, hint_id, user_id))


def _take_arrivals(arrivals):
    with transaction() as session:
        repository.take_delivered(session, {(hint_id, user_id) for _, hint_id, user_id in arrivals}, now=utcnow())
    for session_id, hint_id in sorted({(session_id, hint_id) for session_id, hint_id, _ in arrivals}):
        tell_soon(session_id, hint_id)


def deliver_again(places):
    """What nobody of these {(session_id, user_id)} acknowledged is told again: a message may be lost, a hint not."""
    if repository.open_hints(places, only_undelivered=True):
        for session_id in sorted({session_id for session_id, _ in places}):
            deliver(session_id)


def see(viewer, hint_id, *, now=None):
    """A learner has seen a hint that was told to him. Raises `NotFound` for any other."""
    now = now or utcnow()
    found = repository.find_receipt(db.session(), hint_id, viewer.user_id)
    if found is None:
        raise NotFound("There is no such hint.")
    receipt, session_id = found
    if receipt.seen_at is not None:
        return
    session_row = access.joinable_session(viewer, session_id)
    event = event_of("hint_seen", viewer.user_id, session_row, None, hint_id)
    event.properties["hint_id"] = hint_id

    def write(session):
        repository.take_seen(session, hint_id, viewer.user_id, now=now)

    ingest.append([event], write=write)
    tell_soon(session_id, hint_id)
