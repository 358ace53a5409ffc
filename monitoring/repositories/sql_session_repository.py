"""Live sessions in SQL. `mutate_participants` is the one way in which participants change."""

from sqlalchemy import func, select, text, update

from models import access, live
from models.analytics_events import StudyEvent
from models.assignment import Assignment
from models.db import db, iso, transaction
from models.live import PARTICIPANT_KEYS, ClassModel, SessionModel
from models.projections.counts import NAME as COUNTS
from models.streams import ProjectionHead, UserStream

# As text, so that both databases see that their partial index serves it.
LIVE = text("sessions.status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS')")


def session_dict(row):
    """The session of the contract, with the names of its class and assignment."""
    query = select(ClassModel.name, Assignment.name).join(Assignment, Assignment.id == row.test_id)
    class_name, assignment_name = db.session.execute(query.where(ClassModel.id == row.class_id)).one()
    return row.as_dict(class_name=class_name, assignment_name=assignment_name)


def list_sessions(viewer, *, active):
    """[(session, its dict)] of the viewer's sessions as teacher or student, soonest first, in two statements.

    `active` leaves the final states out.
    """
    roles = access.roles_by_course(viewer)
    query = (
        select(SessionModel, ClassModel.name, ClassModel.student_ids, Assignment.name, Assignment.course_id)
        .join(ClassModel, ClassModel.id == SessionModel.class_id)
        .join(Assignment, Assignment.id == SessionModel.test_id)
    )
    if active:
        query = query.where(SessionModel.status.in_(live.OPEN_STATES))
    if not viewer.is_admin:
        query = query.where(Assignment.course_id.in_(roles))
    newest = db.session.execute(query.order_by(SessionModel.scheduled_at.desc(), SessionModel.id.desc()).limit(500))
    return [
        (row, row.as_dict(class_name=class_name, assignment_name=name))
        for row, class_name, students, name, course_id in reversed(newest.all())
        if access.is_in_room(viewer, row, students, roles.get(course_id, ()))
    ]


def ended_sessions(viewer, *, limit):
    """The completed sessions of the classes that the viewer teaches, the last first."""
    query = select(SessionModel).join(ClassModel, ClassModel.id == SessionModel.class_id)
    query = query.where(access.teaches(viewer), SessionModel.status == live.COMPLETED)
    return db.session.scalars(query.order_by(SessionModel.completed_at.desc()).limit(limit)).all()


def live_query():
    """The ids of all sessions that learners may be in, soonest first, by `ix_sessions_live`."""
    return select(SessionModel.id).where(LIVE).order_by(SessionModel.scheduled_at)


def live_sessions():
    """The ids of all sessions that learners may be in, soonest first."""
    return list(db.session.scalars(live_query()))


def live_sessions_of(user_id, assignment_id):
    """The live sessions on an assignment in which this learner is expected."""
    query = select(SessionModel).where(
        SessionModel.test_id == assignment_id, SessionModel.status.in_(live.OPEN_STATES[1:])
    )
    return [row for row in db.session.scalars(query) if user_id in access.listed_students(row)]


def set_status(session, session_id, *, wanted, allowed, **values):
    """Move a session on if it is in one of the allowed states; answers whether it was."""
    statement = update(SessionModel).where(SessionModel.id == session_id, SessionModel.status.in_(allowed))
    values |= {"status": wanted, "version": SessionModel.version + 1}
    return session.execute(statement.values(values).execution_options(synchronize_session=False)).rowcount == 1


def locked_session(session, session_id):
    """The session as it is now, locked until the commit."""
    query = select(SessionModel).where(SessionModel.id == session_id).with_for_update(key_share=True)
    return session.scalar(query.execution_options(populate_existing=True))


def mutate_participants(session_id, change):
    """Change the participants under the row's lock: `change(list of dicts)` edits the list or answers a new one.

    Raises the session's `version` if anything changed. Joins a transaction; answers the participants.
    """
    with transaction() as session:
        return mutate_participants_in(locked_session(session, session_id), change)


def mutate_participants_in(row, change):
    """The same for a row that `locked_session` has locked in this transaction."""
    participants = [dict(item) for item in row.participants]
    changed = change(participants)
    changed = participants if changed is None else changed
    if changed != row.participants:
        _check(changed)
        row.participants = changed
        row.version += 1
    return changed


def _check(participants):
    for item in participants:
        if tuple(item) != PARTICIPANT_KEYS:
            raise ValueError(f"a participant has exactly the keys {PARTICIPANT_KEYS}, not {tuple(item)}")


def put_participant(participants, user_id, *, attempt_id, now):
    """One entry per student: add it, or connect it again."""
    for item in participants:
        if item["student_id"] == user_id:
            item.update(attempt_id=attempt_id, connection_status=live.CONNECTED, last_activity=iso(now))
            return
    values = (user_id, attempt_id, iso(now), live.CONNECTED, iso(now))
    participants.append(dict(zip(PARTICIPANT_KEYS, values, strict=True)))


def last_acted(user_ids):
    """{user_id: when he last did something himself}: what a teacher tells him is in his stream too."""
    newest = (
        select(StudyEvent.created_at)
        .where(StudyEvent.user_id == UserStream.user_id, StudyEvent.actor_id == UserStream.user_id)
        .order_by(StudyEvent.user_seq.desc())
        .limit(1)
        .correlate(UserStream)
        .scalar_subquery()
    )
    query = select(UserStream.user_id, newest).where(UserStream.user_id.in_(user_ids))
    return dict(db.session.execute(query).all())


def oldest_uncounted_at(user_ids):
    """When the oldest event of these learners that is not counted yet was stored, or None."""
    query = (
        select(func.min(StudyEvent.created_at))
        .join(ProjectionHead, ProjectionHead.user_id == StudyEvent.user_id)
        .join(UserStream, UserStream.user_id == StudyEvent.user_id)
        .where(
            ProjectionHead.projection == COUNTS,
            ProjectionHead.user_id.in_(user_ids),
            ProjectionHead.folded_seq < UserStream.last_seq,
            StudyEvent.user_seq == ProjectionHead.folded_seq + 1,
        )
    )
    return db.session.scalar(query)
