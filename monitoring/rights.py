"""Rights that are withdrawn while a line is open: within two seconds its socket is told and closed."""

from dataclasses import dataclass

from models import access, viewers
from models.db import db, release
from models.live import SessionModel
from monitoring import broadcast

LOGIN_ENDED = "Your login has ended. Log in again."
NOT_IN_SESSION = "You are not in this session any more."
NOT_WATCHING = "You may not watch this session any more."
NO_ADMIN = "You are not an admin any more."


@dataclass(frozen=True)
class Socket:
    """A socket of this process: what it came with, and what was true then."""

    credentials: dict
    user_id: int
    is_admin: bool


def close_refused(here):
    """Close whatever a fresh check would refuse, of all sockets of this process: as many statements as it has rooms."""
    release()
    people = _people(dict(here.sockets))
    _close_strangers(here, people)
    _close_removed(here)
    for session_id, room in list(here.rooms.items()):
        if room.watchers:
            _close_watchers(here, session_id, room, people)
    release()


def _people(sockets):
    """{sid: Viewer as he is now, or None}."""
    return dict(zip(sockets, viewers.viewers_by([socket.credentials for socket in sockets.values()]), strict=True))


def _close_strangers(here, people):
    """Logins that have ended, and who was admin and hears what admins hear."""
    for sid, viewer in people.items():
        socket = here.sockets.get(sid)
        if socket is None:
            continue
        if viewer is None:
            _close(here, sid, LOGIN_ENDED)
        elif socket.is_admin and not viewer.is_admin:
            _close(here, sid, NO_ADMIN)


def _close_removed(here):
    """Learners who are not in the session, or not in its course, any more."""
    places = {(session_id, sid): record["user_id"] for (session_id, sid), record in list(here.lines.items())}
    refused = places and access.refused_places({(session_id, user_id) for (session_id, _), user_id in places.items()})
    for (session_id, sid), user_id in places.items():
        if (session_id, user_id) in refused:
            broadcast.people_changed(session_id)
            _close(here, sid, NOT_IN_SESSION)


def _close_watchers(here, session_id, room, people):
    """Who watches is asked anew: he was staff when he began."""
    session_row = db.session.get(SessionModel, session_id)
    known = [viewer for sid in list(room.watchers) if (viewer := people.get(sid))]
    allowed = access.watchers_among(known, session_row) if known else set()
    for sid in list(room.watchers):
        viewer = people.get(sid)
        if sid in here.sockets and (viewer is None or viewer.user_id not in allowed):
            here.unwatch(sid, session_id)
            _close(here, sid, NOT_WATCHING)


def _close(here, sid, reason):
    here.sockets.pop(sid, None)
    broadcast.closed(reason, to=sid)
