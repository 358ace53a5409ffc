"""Hints and their receipts in SQL."""

from sqlalchemy import func, select, update

from models.db import db, insert_missing
from models.live import Hint, HintReceipt
from models.user import User

SHOWN = 100


def save_hint(session, *, session_id, sender_id, user_id, message, to, now):
    """A hint with a receipt for each of its learners; answers its id."""
    hint = Hint(session_id=session_id, sender_id=sender_id, user_id=user_id, message=message, sent_at=now)
    session.add(hint)
    session.flush()
    receipts = [{"hint_id": hint.id, "user_id": learner} for learner in to]
    insert_missing(session, HintReceipt.__table__, receipts, keys=("hint_id", "user_id"))
    return hint.id


def list_hints(session_id, *, user_id=None, hint_id=None):
    """[(Hint, sender's name, of, delivered, seen, delivered_at, seen_at)], newest first.

    With `user_id` only what was said to this learner, alone or with all.
    """
    receipt = HintReceipt
    query = (
        select(
            Hint,
            User.name,
            func.count(receipt.user_id),
            func.count(receipt.delivered_at),
            func.count(receipt.seen_at),
            func.max(receipt.delivered_at),
            func.max(receipt.seen_at),
        )
        .join(User, User.id == Hint.sender_id)
        .join(receipt, receipt.hint_id == Hint.id)
        .where(Hint.session_id == session_id)
        .group_by(Hint.id, User.name)
    )
    if user_id is not None:
        query = query.where(receipt.user_id == user_id)
    if hint_id is not None:
        query = query.where(Hint.id == hint_id)
    return db.session.execute(query.order_by(Hint.id.desc()).limit(SHOWN)).all()


def open_hints(places, *, only_undelivered=False):
    """[(user_id, Hint, sender's name)] of what these learners, {(session_id, user_id)}, have not seen, oldest first."""
    query = (
        select(HintReceipt.user_id, Hint, User.name)
        .join(Hint, Hint.id == HintReceipt.hint_id)
        .join(User, User.id == Hint.sender_id)
        .where(
            HintReceipt.seen_at.is_(None),
            HintReceipt.user_id.in_({user_id for _, user_id in places}),
            Hint.session_id.in_({session_id for session_id, _ in places}),
        )
    )
    if only_undelivered:
        query = query.where(HintReceipt.delivered_at.is_(None))
    found = db.session.execute(query.order_by(Hint.id)).all()
    return [line for line in found if (line.Hint.session_id, line.user_id) in places]


def take_delivered(session, arrivals, *, now):
    """Write which hints have come, {(hint_id, user_id)}; answers the ids of the hints concerned."""
    for hint_id in sorted({hint_id for hint_id, _ in arrivals}):
        learners = [user_id for known, user_id in arrivals if known == hint_id]
        statement = update(HintReceipt).where(HintReceipt.hint_id == hint_id, HintReceipt.user_id.in_(learners))
        session.execute(statement.where(HintReceipt.delivered_at.is_(None)).values(delivered_at=now))
    return {hint_id for hint_id, _ in arrivals}


def find_receipt(session, hint_id, user_id):
    """(receipt, its session's id), or None: also for what was told to somebody else."""
    query = select(HintReceipt, Hint.session_id).join(Hint, Hint.id == HintReceipt.hint_id)
    return session.execute(query.where(HintReceipt.hint_id == hint_id, HintReceipt.user_id == user_id)).first()


def take_seen(session, hint_id, user_id, *, now):
    """A learner has a hint before his eyes; so it has come, too."""
    statement = update(HintReceipt).where(HintReceipt.hint_id == hint_id, HintReceipt.user_id == user_id)
    arrived = func.coalesce(HintReceipt.delivered_at, now)
    session.execute(statement.where(HintReceipt.seen_at.is_(None)).values(seen_at=now, delivered_at=arrived))


def count_hints(session_id):
    """How many hints were told in a session."""
    return db.session.scalar(select(func.count()).where(Hint.session_id == session_id))


def counts_of_hints(session_id):
    """{user_id: how many hints were told to him, alone or with all}."""
    query = select(HintReceipt.user_id, func.count()).join(Hint, Hint.id == HintReceipt.hint_id)
    return dict(db.session.execute(query.where(Hint.session_id == session_id).group_by(HintReceipt.user_id)).all())
