"""Claims and snoozes in SQL."""

from sqlalchemy import select

from models.db import insert_missing
from models.live import WatchMark


def locked_mark(session, session_id, user_id):
    """The mark of one learner in a session, made if there was none, locked until the commit."""
    place = {"session_id": session_id, "user_id": user_id}
    insert_missing(session, WatchMark.__table__, [place], keys=tuple(place))
    query = select(WatchMark).filter_by(**place).with_for_update(key_share=True)
    return session.scalar(query.execution_options(populate_existing=True))
