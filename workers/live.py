"""Jobs of the live rooms: flush who is here into the sessions' rows, open and close what is due."""

import logging
from datetime import timedelta

from sqlalchemy import select

from models import live, viewers
from models.db import db, iso, release, utcnow
from models.errors import Conflict
from models.live import SessionModel
from monitoring import presence, sessions
from monitoring.repositories import sql_session_repository as repository

log = logging.getLogger(__name__)


def flush_presence():
    """Write each live session's presence into its participants: one locked update, only where something changed."""
    now_ms = presence.clock_ms()
    for session_id in repository.live_sessions():
        here = presence.read(session_id, now_ms=now_ms)
        release()
        stored = db.session.get(SessionModel, session_id).participants
        acted = repository.last_acted([item["student_id"] for item in stored])

        def flush(participants, here=here, acted=acted):
            return [
                _flushed(item, here.get(item["student_id"]), acted.get(item["student_id"]), now_ms)
                for item in participants
            ]

        if flush(stored) != stored:
            repository.mutate_participants(session_id, flush)


def _flushed(item, person, acted_at, now_ms):
    """One entry as it should be stored."""
    state = presence.state_of(
        person,
        now_ms=now_ms,
        session_status=live.IN_PROGRESS,
        attempt_status=None,
        joined=True,
        last_call_ms=presence.moment_ms(acted_at),
    )
    seen = max(item["last_activity"] or "", iso(acted_at) or "")
    return item | {"connection_status": presence.stored_status(state.state), "last_activity": seen}


def open_planned():
    """Open sessions whose planned time has come, in their teacher's name."""
    now = utcnow()
    query = (
        select(SessionModel)
        .join(live.ClassModel, live.ClassModel.id == SessionModel.class_id)
        .where(SessionModel.status == live.SCHEDULED, SessionModel.opens_by_time, SessionModel.scheduled_at <= now)
        .where(live.ClassModel.status == live.ACTIVE)
    )
    for row in db.session.scalars(query).all():
        _move(row, "open", now)


def close_overdue():
    """Complete sessions in progress that are over their time limit, in their teacher's name."""
    query = select(SessionModel).where(
        SessionModel.status == live.IN_PROGRESS, SessionModel.time_limit_minutes.is_not(None)
    )
    now = utcnow()
    for row in db.session.scalars(query).all():
        if row.started_at + timedelta(minutes=row.time_limit_minutes) <= now:
            _move(row, "complete", now)


def _move(row, action, now):
    """What somebody else has moved at this moment is moved."""
    try:
        sessions.move(viewers.Viewer(row.created_by, "", "", False, via="job"), row, action, now=now)
    except Conflict as conflict:
        log.info("session_id=%s action=%s was not done by time: %s", row.id, action, conflict)
