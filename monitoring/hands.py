"""Raised hands: a learner asks, he or a teacher lowers it again."""

from models import ingest
from models.db import db, utcnow
from models.errors import Invalid
from models.live import HelpRequest
from monitoring import broadcast
from monitoring.repositories import sql_help_repository as hands
from monitoring.repositories import sql_session_repository as repository
from monitoring.sessions import event_of, refuse_closed

MOST_MESSAGE = 500


def raise_hand(viewer, session_row, message, *, now=None):
    """A student asks for help; a hand that is up already stays up as it is. Answers the `HelpRequest`."""
    now = now or utcnow()
    if len(message) > MOST_MESSAGE:
        raise Invalid(f"A question has at most {MOST_MESSAGE} characters.", field="message")
    refuse_closed(session_row.status)
    event = event_of("help_raised", viewer.user_id, session_row, None, now)

    def write(session):
        refuse_closed(repository.locked_session(session, session_row.id).status)
        if hands.find_raised(session, session_row.id, viewer.user_id) is None:
            place = {"session_id": session_row.id, "user_id": viewer.user_id}
            session.add(HelpRequest(**place, message=message, raised_at=now))

    if hands.find_raised(db.session(), session_row.id, viewer.user_id) is None:
        ingest.append([event], write=write)
    broadcast.participants_changed(session_row.id, [viewer.user_id], urgent=True)
    broadcast.hand(repository.session_dict(session_row), viewer.user_id, is_up=True)
    return hands.find_raised(db.session(), session_row.id, viewer.user_id) or HelpRequest(
        message=message, raised_at=now
    )


def lower_hand(viewer, session_row, user_id=None, *, now=None):
    """A hand goes down, the viewer's own or that of a student whom he has helped; one that is down stays down."""
    now, user_id = now or utcnow(), user_id or viewer.user_id
    if hands.find_raised(db.session(), session_row.id, user_id) is None:
        return
    event = event_of("help_lowered", user_id, session_row, None, now)
    event.actor_id = viewer.user_id

    def write(session):
        hands.lower_all(session, session_row.id, user_id=user_id, now=now)

    ingest.append([event], write=write)
    broadcast.participants_changed(session_row.id, [user_id], urgent=True)
    broadcast.hand(repository.session_dict(session_row), user_id, is_up=False)
