"""`/monitor`: one handler per message of the contract; what a handler returns is the client's acknowledgement."""

import logging
from typing import Annotated

import redis
from flask import request, session
from flask_socketio import ConnectionRefusedError, Namespace, join_room, leave_room
from pydantic import BaseModel, Field, ValidationError

from models import access, delivery, viewers
from models.errors import AppError, Invalid, Unavailable
from monitoring import broadcast, hints, presence, rights, rooms, sessions
from monitoring.broadcast import ADMINS, learner_room, students_room, watchers_room
from monitoring.repositories import sql_session_repository

log = logging.getLogger(__name__)

MOST_EVENTS = 100
# What is beyond the database's integers is no row's.
RowId = Annotated[int, Field(gt=0, lt=2**31)]


class SessionRequest(BaseModel):
    """A message about one live session."""

    session_id: RowId


class JoinRequest(SessionRequest):
    """A student's tab enters."""

    tab_id: str = Field("", max_length=64)


class SignalRequest(SessionRequest):
    """What a tab says of itself, on change only."""

    visible: bool = True
    focused: bool = True
    active: bool | None = None


class AckRequest(SessionRequest):
    """A watcher has applied frames up to `seq`."""

    seq: int


class SeenRequest(BaseModel):
    """A learner has seen a hint."""

    hint_id: RowId


class EventsRequest(BaseModel):
    """A batch of events, each with the fields of log_event and an event_id."""

    session_id: RowId | None = None
    events: list[dict]


class Monitor(Namespace):
    """The live rooms' namespace. Rights are read anew for every message, never from what was true at connect time."""

    def trigger_event(self, event, *args):
        """Render what is refused as an acknowledgement; anything else is a logged fault."""
        if event not in ("connect", "disconnect"):
            # Without a payload, or with several, a message is one whose payload is wrong.
            args = (args[0], args[1] if len(args) == 2 else None)
        try:
            return super().trigger_event(event, *args)
        except AppError as error:
            return {"success": False, **error.as_dict()}
        except redis.RedisError as error:
            log.warning("event=%s met no Redis: %s", event, error)
            return {"success": False, **Unavailable("The live line is down for a moment.").as_dict()}

    def on_connect(self, auth=None):
        """Let in whoever holds the site's cookie or a bearer token; admins hear of recalculations."""
        viewer = self._identify(auth)
        if viewer is None:
            raise ConnectionRefusedError("not_logged_in")
        session["joined"] = {}
        rooms().sockets[request.sid] = rights.Socket(_credentials(), viewer.user_id, viewer.is_admin)
        if viewer.is_admin:
            join_room(ADMINS)

    def _identify(self, auth):
        token = auth.get("token") if isinstance(auth, dict) else None
        session["token"] = token if isinstance(token, str) else None
        return self._viewer(required=False)

    def _viewer(self, *, required=True):
        """Who is behind this socket, as it is true now."""
        viewer = viewers.viewer_by(_credentials())
        return access.logged_in(viewer) if required else viewer

    def on_disconnect(self, reason=None):
        """A drop is no goodbye."""
        rooms().sockets.pop(request.sid, None)
        rooms().unwatch(request.sid)
        for session_id, user_id in session.get("joined", {}).items():
            self._gone(int(session_id), user_id, goodbye=False)

    def _gone(self, session_id, user_id, *, goodbye):
        rooms().lines.pop((session_id, request.sid), None)
        try:
            presence.disconnect(session_id, request.sid, user_id=user_id, goodbye=goodbye)
        except redis.RedisError:
            rooms().disconnect_later(session_id, request.sid, user_id=user_id, goodbye=goodbye)
        broadcast.participants_changed(session_id, [user_id])

    def on_watch(self, data):
        """Enter a live session's room: join first, then read, so that no change falls between."""
        viewer = self._viewer()
        live_session = access.watchable_session(viewer, parse(SessionRequest, data).session_id)
        access.audit(viewer, "watch", scope=f"session:{live_session.id}")
        join_room(watchers_room(live_session.id))
        return {"success": True, "snapshot": rooms().watch(live_session.id, request.sid)}

    def on_unwatch(self, data):
        """Leave the room."""
        session_id = parse(SessionRequest, data).session_id
        leave_room(watchers_room(session_id))
        rooms().unwatch(request.sid, session_id)
        return {"success": True}

    def on_join(self, data):
        """A student's tab enters a live session: its attempt begins or goes on."""
        viewer, wanted = self._viewer(), parse(JoinRequest, data)
        live_session = access.joinable_session(viewer, wanted.session_id)
        attempt_id, submission_id = sessions.join(viewer, live_session)
        tab_id = wanted.tab_id or request.sid
        session["joined"] = {**session["joined"], str(live_session.id): viewer.user_id}
        rooms().enter(live_session.id, request.sid, user_id=viewer.user_id, tab_id=tab_id)
        if request.sid not in rooms().sockets:
            # Cut off while it waited for the database: its end was told before it was here, and would never be again.
            self._gone(live_session.id, viewer.user_id, goodbye=False)
            raise Unavailable("The line was cut meanwhile.")
        join_room(students_room(live_session.id))
        join_room(learner_room(live_session.id, viewer.user_id))
        broadcast.participants_changed(live_session.id, [viewer.user_id])
        rooms().hand_out(live_session.id, [viewer.user_id], again=True)
        return {
            "success": True,
            "session": sql_session_repository.session_dict(live_session),
            "attempt_id": attempt_id,
            "submission_id": submission_id,
            "tab_id": tab_id,
        }

    def on_leave(self, data):
        """Goodbye of this tab."""
        viewer, session_id = self._viewer(), parse(SessionRequest, data).session_id
        joined = dict(session["joined"])
        if joined.pop(str(session_id), None) is not None:
            session["joined"] = joined
            leave_room(students_room(session_id))
            leave_room(learner_room(session_id, viewer.user_id))
            self._gone(session_id, viewer.user_id, goodbye=True)
        return {"success": True}

    def on_signal(self, data):
        """A tab was hidden or shown, or is used again, or is not."""
        viewer, said = self._viewer(), parse(SignalRequest, data)
        if str(said.session_id) in session["joined"]:
            seen = {"visible": said.visible, "active": said.active}
            presence.signal(rooms().lines, said.session_id, request.sid, **seen)
            broadcast.participants_changed(said.session_id, [viewer.user_id])
        return {"success": True}

    def on_seen(self, data):
        """A hint is before its learner's eyes."""
        hints.see(self._viewer(), parse(SeenRequest, data).hint_id)
        return {"success": True}

    def on_events(self, data):
        """Store a batch of a learner's events; answered after the commit."""
        viewer, batch = self._viewer(), parse(EventsRequest, data)
        if not 1 <= len(batch.events) <= MOST_EVENTS:
            raise Invalid(f"A batch has 1 to {MOST_EVENTS} events.", field="events")
        stamp = delivery.stamp(request.environ, viewer)
        return {"success": True, "results": delivery.take_batch(viewer, batch.events, stamp)}

    def on_ack(self, data):
        """A watcher has applied frames."""
        said = parse(AckRequest, data)
        rooms().applied(said.session_id, request.sid, said.seq)


def _credentials():
    """What this socket came with: a token, or the cookie's login."""
    return {"token": session.get("token"), "_user_id": session.get("_user_id")}


def parse(model, data):
    """The message as its model; raises `Invalid` that names the first wrong field."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "payload"
        raise Invalid(f"{field}: {first['msg']}.", field=field) from None
