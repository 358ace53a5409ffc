"""What a lost message must not leave untold: each process tells its learners again what they have not got."""

from sqlalchemy import select

from models.db import db, release
from models.live import SessionModel
from monitoring import broadcast, hints
from monitoring.repositories import sql_session_repository as repository

AGAIN_SECONDS = 5.0


def tell_again(here):
    """Hints that no client has acknowledged; and how the sessions stand that moved on since the last look."""
    places = {(session_id, record["user_id"]) for (session_id, _), record in list(here.lines.items())}
    if not places:
        return
    release()
    hints.deliver_again(places)
    tell_sessions(here, {session_id for session_id, _ in places})
    release()


def tell_sessions(here, session_ids):
    """Learners of this process hear of a session whose state is another than at the last look."""
    query = select(SessionModel.id, SessionModel.status).where(SessionModel.id.in_(session_ids))
    stand = dict(map(tuple, db.session.execute(query)))
    moved = [session_id for session_id, status in stand.items() if here.told.get(session_id, status) != status]
    here.told = stand
    for session_id in moved:
        broadcast.session_told(repository.session_dict(db.session.get(SessionModel, session_id)))
