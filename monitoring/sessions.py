"""A live session's transitions: who may go from where to where, and what goes with it (domain 11)."""

import logging
from datetime import timedelta

import redis
from sqlalchemy import case, select

from models import access, ingest, live
from models.assignment import Assignment
from models.db import db, release, transaction, utcnow
from models.errors import AppError, Conflict, Invalid
from models.events import Event, natural_id
from models.live import ClassModel, SessionModel
from models.submission import Submission
from monitoring import broadcast, presence
from monitoring.repositories import sql_attempt_repository as attempts
from monitoring.repositories import sql_class_repository as classes
from monitoring.repositories import sql_help_repository as hands
from monitoring.repositories import sql_session_repository as sessions

log = logging.getLogger(__name__)

# action: (states it starts from, state it leads to, event in the teacher's stream)
TRANSITIONS = {
    "open": ((live.SCHEDULED,), live.WAITING_FOR_STUDENTS, "session_opened"),
    "start": ((live.WAITING_FOR_STUDENTS,), live.IN_PROGRESS, "session_started"),
    "complete": ((live.IN_PROGRESS,), live.COMPLETED, "session_completed"),
    "cancel": (live.OPEN_STATES, live.CANCELLED, "session_cancelled"),
}
MOST_MINUTES = 24 * 60
FARTHEST = timedelta(days=36525)
TRIES = 5


class _SomebodyCame(AppError):
    """A learner joined between the look and the lock: look again, so that his event is not missing."""


def new_session(viewer, *, class_id, assignment_id, scheduled_at=None, time_limit_minutes=None):
    """Plan a live session of a class on an assignment of its course. Planned for a time to come, it opens then."""
    now = utcnow()
    row = classes.active_class(viewer, class_id)
    assignment = access.get_assignment(viewer, assignment_id)
    access.staffed_course(viewer, assignment.course_id)
    if row.course_id is not None and row.course_id != assignment.course_id:
        raise Invalid("The assignment belongs to another course than the class.", field="assignment_id")
    if time_limit_minutes is not None and not 1 <= time_limit_minutes <= MOST_MINUTES:
        raise Invalid(f"A time limit is 1 to {MOST_MINUTES} minutes.", field="time_limit_minutes")
    if scheduled_at is not None and not abs(scheduled_at - now) <= FARTHEST:
        raise Invalid("A session is planned within a hundred years from now.", field="scheduled_at")
    with transaction() as session:
        ingest.lock_streams(session, [viewer.user_id])
        made = SessionModel(
            class_id=class_id,
            test_id=assignment_id,
            created_by=viewer.user_id,
            scheduled_at=scheduled_at or now,
            opens_by_time=scheduled_at is not None and scheduled_at > now,
            time_limit_minutes=time_limit_minutes,
        )
        session.add(made)
        session.flush()
        ingest.append([event_of("session_created", viewer.user_id, made)])
    return made


def move(viewer, session_row, action, *, now=None):
    """Do one of the four actions; repeated, it has no effect. Raises `Conflict` from any other state.

    Of two racing actions one wins, by the database's word.
    """
    now = now or utcnow()
    allowed, wanted, event_type = TRANSITIONS[action]
    if session_row.status == wanted:
        return session_row
    if session_row.status not in allowed:
        raise Conflict(f"A session that is {session_row.status} cannot {action}.")
    _try_move(viewer.user_id, session_row.id, allowed, wanted, event_type, now)
    release()
    session_row = db.session.get(SessionModel, session_row.id, populate_existing=True)
    broadcast.session_changed(sessions.session_dict(session_row))
    return session_row


def _try_move(actor_id, session_id, allowed, wanted, event_type, now):
    for _ in range(TRIES):
        row = db.session.get(SessionModel, session_id, populate_existing=True)
        learners = _concerned(db.session(), row, wanted)
        events = [event_of(event_type, actor_id, row), *_attempt_events(row, learners, wanted, actor_id)]

        def write(session, learners=learners):
            if not sessions.set_status(session, session_id, wanted=wanted, allowed=allowed, **_stamps(wanted, now)):
                raise Conflict("Somebody else has changed the session at this moment.")
            _effects(session, session_id, wanted, learners, now)

        try:
            ingest.append(events, write=write)
            return
        except _SomebodyCame:
            continue
        except Conflict:
            # Who was beaten to the same move has what he wanted.
            release()
            if db.session.get(SessionModel, session_id, populate_existing=True).status != wanted:
                raise
            return
    raise Conflict("Learners are joining faster than the session can change; try again.")


def _concerned(session, row, wanted):
    """The learners whose attempts begin or end with this move, ascending."""
    if wanted == live.IN_PROGRESS:
        return sorted(item["student_id"] for item in row.participants)
    if wanted in (live.COMPLETED, live.CANCELLED):
        return [attempt.student_id for attempt in attempts.open_attempts(session, row.id)]
    return []


def _stamps(wanted, now):
    if wanted == live.WAITING_FOR_STUDENTS:
        # Opened before its time: what learners do from now on is part of it.
        return {"scheduled_at": case((SessionModel.scheduled_at > now, now), else_=SessionModel.scheduled_at)}
    if wanted == live.IN_PROGRESS:
        return {"started_at": now}
    return {"completed_at": now} if wanted in (live.COMPLETED, live.CANCELLED) else {}


def _effects(session, session_id, wanted, learners, now):
    """What goes with a move, under the session's lock."""
    row = sessions.locked_session(session, session_id)
    if _concerned(session, row, wanted) != learners:
        raise _SomebodyCame("A learner joined at this moment.")
    if wanted == live.WAITING_FOR_STUDENTS:
        row.student_ids = session.get(ClassModel, row.class_id, populate_existing=True).student_ids
    elif wanted == live.IN_PROGRESS:
        _begin_attempts(session, row, now)
    elif wanted in (live.COMPLETED, live.CANCELLED):
        ended = live.SUBMITTED if wanted == live.COMPLETED else live.ABANDONED
        attempts.end_attempts(session, session_id, status=ended, now=now)
        hands.lower_all(session, session_id, now=now)


def _begin_attempts(session, row, now):
    participants = [dict(item) for item in row.participants]
    for item in participants:
        submission_id = _submission_id(session, row, item["student_id"])
        attempt, _ = attempts.ensure_attempt(session, row, item["student_id"], submission_id=submission_id, now=now)
        item["attempt_id"] = attempt.id
    row.participants = participants


def _submission_id(session, row, user_id):
    query = select(Submission.id).where(Submission.assignment_id == row.test_id, Submission.user_id == user_id)
    return session.scalar(query)


def join(viewer, session_row, *, now=None):
    """A student enters a live session; answers (attempt_id or None before the start, submission_id).

    Joining again resumes. Raises `Conflict` before the opening and after the end.
    """
    now = now or utcnow()
    refuse_closed(session_row.status)
    submission_id = _own_work_id(viewer, session_row)
    found = {}
    events = [event_of("participant_joined", viewer.user_id, session_row, submission_id)]
    if session_row.status == live.IN_PROGRESS:
        events.append(event_of("attempt_started", viewer.user_id, session_row, submission_id))

    def write(session):
        row = sessions.locked_session(session, session_row.id)
        refuse_closed(row.status)
        attempt, began = None, False
        if row.status == live.IN_PROGRESS:
            attempt, began = attempts.ensure_attempt(session, row, viewer.user_id, submission_id=submission_id, now=now)
        found["attempt_id"] = attempt and attempt.id
        sessions.mutate_participants_in(
            row, lambda all_: sessions.put_participant(all_, viewer.user_id, attempt_id=found["attempt_id"], now=now)
        )
        if began and len(events) > 1:
            events[1].properties["attempt_id"] = attempt.id
        elif began:
            return [_attempt_started(viewer.user_id, row, submission_id, attempt.id)]
        return []

    if _is_new_place(session_row, viewer.user_id):
        ingest.append(events, write=write)
    if not found:
        # Nothing but his coming back: an attempt that begins with it is told by `write`.
        del events[1:]
        with transaction() as session:
            ingest.lock_streams(session, [viewer.user_id])
            ingest.append(write(session))
    broadcast.participants_changed(session_row.id, [viewer.user_id])
    return found["attempt_id"], submission_id


def _own_work_id(viewer, session_row):
    """The id of the viewer's work on a session's exercise, which is made where he has not opened it yet."""
    found = _submission_id(db.session(), session_row, viewer.user_id)
    if found is None:
        found = Submission.from_assignment(access.own_work_in(viewer, session_row.test_id), viewer.user_id).id
    return found


def join_open(viewer, assignment_id):
    """Enter every live session on an assignment in which the viewer is expected: so joins who has no socket."""
    for live_session in sessions.live_sessions_of(viewer.user_id, assignment_id):
        try:
            join(viewer, live_session)
        except Conflict as conflict:
            log.info("session_id=%s ended while somebody opened its exercise: %s", live_session.id, conflict)


def _is_new_place(session_row, user_id):
    return all(item["student_id"] != user_id for item in session_row.participants)


def refuse_closed(status):
    """Raise `Conflict` unless learners may be in a session of this status."""
    if status == live.SCHEDULED:
        raise Conflict("The session has not been opened yet.")
    if status not in live.OPEN_STATES:
        raise Conflict("The session is over.")


def leave(viewer, session_row, *, now=None):
    """A student says goodbye: the place stays, so that coming back resumes it."""
    now = now or utcnow()
    event = event_of("participant_left", viewer.user_id, session_row, None, now)

    def write(session):
        row = sessions.locked_session(session, session_row.id)
        sessions.mutate_participants_in(row, lambda all_: _disconnect(all_, viewer.user_id))

    ingest.append([event], write=write)
    try:
        presence.leave(session_row.id, user_id=viewer.user_id)
    except redis.RedisError as error:
        log.warning("session_id=%s a goodbye is not shown yet: %s", session_row.id, error)
    broadcast.participants_changed(session_row.id, [viewer.user_id])


def _disconnect(participants, user_id):
    for item in participants:
        if item["student_id"] == user_id:
            item["connection_status"] = live.DISCONNECTED


def event_of(event_type, user_id, row, submission_id=None, *parts):
    """An event of a session; one with a submission gets its course from that, without a look here."""
    course_id = None if submission_id is not None else db.session.get(Assignment, row.test_id).course_id
    return Event(
        event_type,
        user_id,
        natural_id(event_type, row.id, user_id, *parts),
        submission_id=submission_id,
        assignment_id=row.test_id,
        course_id=course_id,
        properties={"session_id": row.id},
    )


def _attempt_events(row, learners, wanted, actor_id):
    event_type = {
        live.IN_PROGRESS: "attempt_started",
        live.COMPLETED: "attempt_submitted",
        live.CANCELLED: "attempt_abandoned",
    }.get(wanted)
    events = []
    for user_id in learners:
        event = event_of(event_type, user_id, row, _submission_id(db.session(), row, user_id))
        event.actor_id = actor_id
        events.append(event)
    return events


def _attempt_started(user_id, row, submission_id, attempt_id):
    """Its id is that of every other way to begin: whoever joins twice at once begins once."""
    event = event_of("attempt_started", user_id, row, submission_id)
    event.properties["attempt_id"] = attempt_id
    return event
