"""What the teachers of a room agree about a learner: who is on it, and till when it can wait."""

from datetime import timedelta

from models import live
from models.db import db, to_ms, transaction, utcnow
from models.errors import Conflict, Invalid
from models.user import User
from monitoring import broadcast
from monitoring.repositories import sql_help_repository as hands
from monitoring.repositories import sql_mark_repository as repository

CLAIM_MS = 30 * 60_000
MOST_SNOOZE_MINUTES = 120


def claimed_by(mark, hand, *, now_ms):
    """The teacher who is on it, or None. A hand that was raised since is a new question, and half an hour is enough."""
    if mark is None or mark.claimed_by is None or now_ms - to_ms(mark.claimed_at) >= CLAIM_MS:
        return None
    return None if hand is not None and hand.raised_at > mark.claimed_at else mark.claimed_by


def snoozed_until(mark, hand, *, now_ms):
    """Till when this learner's need waits, or None. A hand that was raised since does not wait."""
    if mark is None or mark.snoozed_until is None or to_ms(mark.snoozed_until) <= now_ms:
        return None
    return None if hand is not None and hand.raised_at > mark.snoozed_at else mark.snoozed_until


def claim(viewer, session_row, user_id, *, now=None):
    """Say that the viewer is on it. Raises `Conflict` while a colleague is."""
    now = now or utcnow()
    with transaction() as session:
        _refuse_over(session_row)
        mark = repository.locked_mark(session, session_row.id, user_id)
        hand = hands.find_raised(session, session_row.id, user_id)
        holder = claimed_by(mark, hand, now_ms=to_ms(now))
        if holder not in (None, viewer.user_id):
            raise Conflict(f"{db.session.get(User, holder).name} is on it already.")
        mark.claimed_by, mark.claimed_at = viewer.user_id, now
    broadcast.participants_changed(session_row.id, [user_id])


def release_claim(session_row, user_id):
    """Nobody is on it any more, whoever was."""
    with transaction() as session:
        mark = repository.locked_mark(session, session_row.id, user_id)
        mark.claimed_by = mark.claimed_at = None
    broadcast.participants_changed(session_row.id, [user_id])


def snooze(session_row, user_id, minutes, *, now=None):
    """Put a learner's need off for some minutes, for all teachers; 0 ends that."""
    now = now or utcnow()
    if not 0 <= minutes <= MOST_SNOOZE_MINUTES:
        raise Invalid(f"A snooze is 0 to {MOST_SNOOZE_MINUTES} minutes.", field="minutes")
    with transaction() as session:
        _refuse_over(session_row)
        mark = repository.locked_mark(session, session_row.id, user_id)
        mark.snoozed_at = now if minutes else None
        mark.snoozed_until = now + timedelta(minutes=minutes) if minutes else None
    broadcast.participants_changed(session_row.id, [user_id])


def _refuse_over(session_row):
    if session_row.status not in live.OPEN_STATES:
        raise Conflict("The session is over.")
