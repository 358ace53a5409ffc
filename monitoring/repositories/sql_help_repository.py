"""Raised hands in SQL."""

from sqlalchemy import select, update

from models.live import HelpRequest


def find_raised(session, session_id, user_id):
    """The hand that a learner has up in a session, or None."""
    query = select(HelpRequest).filter_by(session_id=session_id, user_id=user_id)
    return session.scalar(query.where(HelpRequest.lowered_at.is_(None)))


def lower_all(session, session_id, *, now, user_id=None):
    """Lower a learner's hand, or every hand of a session."""
    statement = update(HelpRequest).where(HelpRequest.session_id == session_id, HelpRequest.lowered_at.is_(None))
    if user_id is not None:
        statement = statement.where(HelpRequest.user_id == user_id)
    session.execute(statement.values(lowered_at=now).execution_options(synchronize_session=False))
