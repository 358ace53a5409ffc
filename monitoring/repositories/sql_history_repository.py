"""What the log says of a live session: one learner's history, the class minute by minute."""

from sqlalchemy import Integer, cast, func, literal_column, select

from models.analytics_events import StudyEvent
from models.db import db
from models.live import HelpRequest
from models.submission import CodeState, Submission
from monitoring.repositories.sql_facts_repository import OUTCOMES

MOST_HISTORY = 2000


_EVENT = (
    StudyEvent.user_seq,
    StudyEvent.event_type,
    StudyEvent.created_at,
    StudyEvent.occurred_at,
    StudyEvent.properties,
)


def history(submission_id, *, limit=MOST_HISTORY):
    """The newest events of a learner's work, newest first and a few at a time: each may carry a megabyte."""
    query = select(*_EVENT).where(StudyEvent.submission_id == submission_id)
    return db.session.execute(query.order_by(StudyEvent.user_seq.desc()).limit(limit).execution_options(yield_per=50))


def code_states_among(submission_id, code_state_ids):
    """Those of these ids to which an event of the work refers."""
    named = StudyEvent.properties["code_state_id"].as_string()
    query = select(named).where(StudyEvent.submission_id == submission_id, named.in_(code_state_ids))
    return set(db.session.scalars(query.distinct()))


def last_outcomes(submission_id, *, limit=30):
    """The newest outcomes and feedback of a work, newest first."""
    query = select(*_EVENT).where(StudyEvent.submission_id == submission_id, OUTCOMES)
    return db.session.execute(query.order_by(StudyEvent.user_seq.desc()).limit(limit)).all()


def codes(code_state_ids):
    """{code_state_id: code} of those that are known."""
    query = select(CodeState.id, CodeState.code).where(CodeState.id.in_(code_state_ids))
    return dict(map(tuple, db.session.execute(query)))


def works_of(assignment_id, user_ids):
    """{submission_id: user_id} of these learners' work on an exercise."""
    query = select(Submission.id, Submission.user_id).where(
        Submission.assignment_id == assignment_id, Submission.user_id.in_(user_ids)
    )
    return dict(map(tuple, db.session.execute(query)))


def edits_by_minute(works, *, since, until):
    """[(submission_id, minute since 1970, how many)] of the edits of works {submission_id: user_id}, by our clock."""
    minute = _minute(db.session.get_bind().dialect.name)
    query = select(StudyEvent.submission_id, minute, func.count()).where(
        *_span(works, since, until), StudyEvent.event_type == "File.Edit"
    )
    return db.session.execute(query.group_by(StudyEvent.submission_id, minute)).all()


def _minute(dialect):
    if dialect == "sqlite":
        return cast(func.strftime("%s", StudyEvent.created_at), Integer) // literal_column("60")
    return cast(func.floor(func.extract("epoch", StudyEvent.created_at) / 60), Integer)


def outcomes(works, *, since, until):
    """{submission_id: outcomes and feedback of its runs in a span of the server's time, in order}."""
    query = select(StudyEvent.submission_id, *_EVENT).where(*_span(works, since, until), OUTCOMES)
    found = {}
    for event in db.session.execute(query.order_by(StudyEvent.submission_id, StudyEvent.user_seq)):
        found.setdefault(event.submission_id, []).append(event)
    return found


def _span(works, since, until):
    """Events of these works {submission_id: user_id} in a span: by learner and time, however old the work is."""
    return (
        StudyEvent.user_id.in_(works.values()),
        StudyEvent.submission_id.in_(works.keys()),
        StudyEvent.created_at >= since,
        StudyEvent.created_at < until,
    )


def best_claims(works, *, until):
    """{submission_id: the best percentage that the editor had claimed for it by then}."""
    query = select(StudyEvent.submission_id, StudyEvent.properties["percentage"].as_string()).where(
        StudyEvent.submission_id.in_(works),
        StudyEvent.event_type == "X-Submission.Update",
        StudyEvent.created_at <= until,
    )
    best = {}
    for submission_id, percentage in db.session.execute(query):
        best[submission_id] = max(best.get(submission_id, 0.0), float(percentage))
    return best


def first_acts(works, *, since, until):
    """{submission_id: when its learner first did something in a span of the server's time}."""
    query = select(StudyEvent.submission_id, func.min(StudyEvent.created_at)).where(
        *_span(works, since, until), StudyEvent.actor_id == StudyEvent.user_id
    )
    return dict(map(tuple, db.session.execute(query.group_by(StudyEvent.submission_id))))


def hands_of(session_id):
    """{user_id: how often he raised his hand}."""
    query = select(HelpRequest.user_id, func.count()).where(HelpRequest.session_id == session_id)
    return dict(map(tuple, db.session.execute(query.group_by(HelpRequest.user_id))))
