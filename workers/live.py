"""Jobs of the live rooms: flush who is here into the sessions' rows, close what is over its time."""

from datetime import timedelta

from sqlalchemy import select

from models import access, live
from models.db import db, iso, utcnow
from models.live import SessionModel
from monitoring import presence, sessions
from monitoring.repositories import sql_session_repository as repository


def flush_presence():
    """Write each live session's presence into its participants: one locked update, only where something changed."""
    now_ms = presence.clock_ms()
    for session_id in repository.live_sessions():
        here = presence.read(session_id, now_ms=now_ms)
        row = db.session.get(SessionModel, session_id, populate_existing=True)
        facts = repository.load_facts(row, [item["student_id"] for item in row.participants])

        def flush(participants, here=here, facts=facts):
            for item in participants:
                _flush_one(item, here.get(item["student_id"]), facts.get(item["student_id"]), now_ms)

        repository.mutate_participants(session_id, flush)


def _flush_one(item, person, fact, now_ms):
    if fact is None:
        return
    state = presence.state_of(
        person,
        now_ms=now_ms,
        session_status=live.IN_PROGRESS,
        attempt_status=None,
        joined=True,
        last_call_ms=presence.moment_ms(fact.last_activity),
    )
    item["connection_status"] = presence.stored_status(state.state)
    if fact.last_activity is not None:
        item["last_activity"] = max(item["last_activity"] or "", iso(fact.last_activity))


def close_overdue():
    """Complete sessions in progress that are over their time limit, in their teacher's name."""
    query = select(SessionModel).where(
        SessionModel.status == live.IN_PROGRESS, SessionModel.time_limit_minutes.is_not(None)
    )
    now = utcnow()
    for row in db.session.scalars(query).all():
        if row.started_at + timedelta(minutes=row.time_limit_minutes) <= now:
            sessions.move(access.Viewer(row.created_by, "", "", False, via="job"), row, "complete", now=now)
