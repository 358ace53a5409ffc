"""Live attempts in SQL."""

from sqlalchemy import select

from models import live
from models.live import AttemptModel


def open_attempts(session, session_id):
    """The attempts of a session that are in progress, by `ix_attempts_session_id`."""
    query = select(AttemptModel).where(AttemptModel.session_id == session_id, AttemptModel.status == live.IN_PROGRESS)
    return list(session.scalars(query.order_by(AttemptModel.student_id)))


def find_attempt(session, session_id, user_id):
    """The newest attempt of one learner in a session, or None."""
    query = select(AttemptModel).where(AttemptModel.session_id == session_id, AttemptModel.student_id == user_id)
    return session.scalar(query.order_by(AttemptModel.id.desc()).limit(1))


def locked_attempt(session, attempt_id):
    """The attempt as it is now, locked until the commit."""
    query = select(AttemptModel).where(AttemptModel.id == attempt_id).with_for_update(key_share=True)
    return session.scalar(query.execution_options(populate_existing=True))


def ensure_attempt(session, session_row, user_id, *, submission_id, now):
    """The learner's attempt in a running session: made, or taken up again; answers (attempt, whether it began now)."""
    attempt = find_attempt(session, session_row.id, user_id)
    if attempt is not None and attempt.status != live.ABANDONED:
        return attempt, False
    if attempt is None:
        attempt = AttemptModel(
            student_id=user_id, test_id=session_row.test_id, session_id=session_row.id, submission_id=submission_id
        )
        attempt.started_at = now
        session.add(attempt)
    attempt.status, attempt.ended_at = live.IN_PROGRESS, None
    session.flush()
    return attempt, True


def end_attempts(session, session_id, *, status, now):
    """End every attempt in progress; answers how many."""
    attempts = open_attempts(session, session_id)
    for attempt in attempts:
        attempt.status, attempt.ended_at = status, now
    session.flush()
    return len(attempts)
