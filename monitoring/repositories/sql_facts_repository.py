"""What SQL knows of a live session's participants: two statements, and three more where somebody has done something."""

from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType

from sqlalchemy import and_, bindparam, func, select, text
from sqlalchemy.orm import aliased, defer

from models.analytics_events import StudyEvent
from models.counters import SubmissionCounts
from models.db import db
from models.live import AttemptModel, HelpRequest, WatchMark
from models.projections.counts import NAME as COUNTS
from models.streams import ProjectionHead, UserStream
from models.submission import Submission
from models.user import User
from monitoring.repositories.sql_steps_repository import WORKS, load_steps, oldest_looked_at, reaches, usual_ms

RECENT_OUTCOMES = 30
# As text, so that both databases see that their partial index serves it.
OUTCOMES = text("study_events.event_type IN ('Run.Program', 'Compile.Error', 'Intervention')")
# What was read of a learner's events, and what was worked out of it.
OF_EVENTS = ("outcomes", "steps", "runs", "signs", "last_event_type", "last_activity")
NOTHING_KNOWN = MappingProxyType({})
SESSION, EXERCISE = bindparam("session_id"), bindparam("exercise_id")
PEOPLE = bindparam("people", expanding=True)


@dataclass
class Facts:
    """What SQL knows of one participant. `last_seq` is where his stream ended before his events were read."""

    user_id: int
    name: str
    attempt: object = None
    submission: object = None
    counts: object = None
    counted_seq: int = 0
    last_seq: int = 0
    hand: object = None
    mark: object = None
    last_event_type: str | None = None
    last_activity: object = None
    outcomes: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    usual_ms: int | None = None
    runs: list | None = None
    signs: list | None = None

    def goes_on_from(self, known):
        """Take what events said at an earlier look, where none has come since; answers whether that is all there is."""
        if known is None or known.last_seq != self.last_seq or _work_id(known) != _work_id(self):
            return False
        for name in OF_EVENTS:
            setattr(self, name, getattr(known, name))
        return True


def _work_id(fact):
    return fact.submission and fact.submission.id


def load_facts(session_row, user_ids, known=NOTHING_KNOWN):
    """{user_id: Facts} of these participants: as many statements for one as for all, whatever their history.

    `known` is what an earlier call answered: of who has done nothing since no event is read again.
    """
    facts = _load_people(session_row, user_ids)
    works = {fact.submission.id: fact for fact in facts.values() if fact.submission}
    news = {work_id: fact for work_id, fact in works.items() if not fact.goes_on_from(known.get(fact.user_id))}
    if news:
        _load_events(news)
    usual = usual_ms(session_row.test_id)
    for fact in works.values():
        fact.usual_ms = usual
    return facts


def _load_events(works):
    wanted = {"works": list(works)}
    for event in db.session.execute(_last_own_events(), wanted):
        fact = works[event.submission_id]
        fact.last_event_type, fact.last_activity = event.event_type, event.created_at
    for event in db.session.execute(_last_outcomes(), wanted):
        works[event.submission_id].outcomes.append(event)
    for submission_id, steps in load_steps(works).items():
        works[submission_id].steps = steps


def _load_people(session_row, user_ids):
    wanted = {"session_id": session_row.id, "exercise_id": session_row.test_id, "people": list(user_ids)}
    return {line[0]: Facts(*line) for line in db.session.execute(_people(), wanted)}


@cache
def _people():
    """Counts and how far they are in one statement, so that the two belong together; with hands and marks.

    Made once, as the others: for one learner the making costs more than the asking.
    """
    attempt = _newest_attempts()
    hand = and_(HelpRequest.user_id == User.id, HelpRequest.session_id == SESSION, HelpRequest.lowered_at.is_(None))
    return (
        select(
            User.id,
            User.name,
            AttemptModel,
            Submission,
            SubmissionCounts,
            func.coalesce(ProjectionHead.folded_seq, 0),
            func.coalesce(UserStream.last_seq, 0),
            HelpRequest,
            WatchMark,
        )
        .outerjoin(attempt, attempt.c.student_id == User.id)
        .outerjoin(AttemptModel, AttemptModel.id == attempt.c.id)
        .outerjoin(Submission, and_(Submission.user_id == User.id, Submission.assignment_id == EXERCISE))
        .outerjoin(SubmissionCounts, SubmissionCounts.submission_id == Submission.id)
        .outerjoin(ProjectionHead, and_(ProjectionHead.user_id == User.id, ProjectionHead.projection == COUNTS))
        .outerjoin(UserStream, UserStream.user_id == User.id)
        .outerjoin(HelpRequest, hand)
        .outerjoin(WatchMark, and_(WatchMark.user_id == User.id, WatchMark.session_id == SESSION))
        .where(User.id.in_(PEOPLE))
        .options(defer(Submission.code), defer(Submission.extra_files), defer(Submission.feedback))
        .execution_options(populate_existing=True)
    )


def _newest_attempts():
    query = select(AttemptModel.student_id, func.max(AttemptModel.id).label("id"))
    query = query.where(AttemptModel.session_id == SESSION, AttemptModel.student_id.in_(PEOPLE))
    return query.group_by(AttemptModel.student_id).subquery()


@cache
def _last_own_events():
    """The newest event of each submission that its learner made himself: a teacher's look does not make him present."""
    newest = (
        select(StudyEvent.user_seq)
        .where(StudyEvent.submission_id == Submission.id, StudyEvent.actor_id == StudyEvent.user_id)
        .order_by(StudyEvent.user_seq.desc())
        .limit(1)
        .scalar_subquery()
        .correlate(Submission)
    )
    event = aliased(StudyEvent)
    query = select(event.submission_id, event.event_type, event.created_at).select_from(Submission)
    query = query.join(event, (event.submission_id == Submission.id) & (event.user_seq == newest))
    return query.where(Submission.id.in_(WORKS))


@cache
def _last_outcomes():
    """The newest outcomes and feedback of each submission, oldest first: a bounded look, however long the history."""
    oldest = oldest_looked_at(most=RECENT_OUTCOMES, only=OUTCOMES)
    event = StudyEvent
    columns = (event.submission_id, event.event_type, event.created_at, event.occurred_at, event.properties)
    query = select(*columns).join(oldest, reaches(oldest)).where(OUTCOMES)
    return query.order_by(event.submission_id, event.user_seq)
