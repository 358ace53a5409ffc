"""Recalculation: the same fold from the start of the log, compared with what is stored (domain 8)."""

from sqlalchemy import and_, bindparam, func, or_, select

from models.analytics_events import CONTRIBUTING_EVENTS, StudyEvent
from models.counters import CountsDaily, ReportCounts, SubmissionCounts, UserCounts
from models.db import db, release, transaction, upsert
from models.projections import counts
from models.projections.folding import BrokenStream
from models.projections.moves import Moves
from models.projections.rows import own_rows
from models.projections.shared import EVENT_COLUMNS, PAGE, recalculate_locked, set_days
from models.streams import EventKey, ProjectionHead, UserStream
from models.submission import Submission

REPORT_EVENTS = ("report_created", "report_viewed")
_LOG = StudyEvent.__table__
_EVENTS = (
    select(*EVENT_COLUMNS)
    .where(_LOG.c.user_id == bindparam("user_id"), _LOG.c.user_seq.between(bindparam("first"), bindparam("last")))
    .order_by(_LOG.c.user_seq)
    .limit(PAGE)
)
_NEVER_COUNTED = ("user_id", "submission_id", "calculation_version")


def recalculate_learner(user_id, *, dry_run=False, tick=None):
    """Fold one learner's stream from the start, as far as it was folded, and write the rows that differ.

    Answers the differences found, each `{table, id, field, was, is}`. The head stays where it is: shared rows have
    been moved exactly that far. What is folded never changes, so it is read without a lock, in pages, and `tick()` is
    called after each page; only what was folded meanwhile is read under the lock of the head. Memory is constant.
    """
    state = _refold_unlocked(user_id, tick or (lambda: None))
    with transaction() as session, session.begin_nested() as changes:
        folded_seq = _head(session, user_id, lock=True)
        if folded_seq is None:
            return []
        _refold(session, state, folded_seq)
        differences = _write_differences(session, state)
        if dry_run:
            changes.rollback()
    return [_told(*difference) for difference in differences]


def _refold_unlocked(user_id, tick):
    """Fold pages without a lock until less than a page is left."""
    state = counts.Learner(user_id)
    while True:
        folded_seq = _head(db.session, user_id) or 0
        if folded_seq - state.person.folded_seq < PAGE:
            release()
            return state
        _refold_page(db.session, state, folded_seq)
        release()
        tick()


def _head(session, user_id, *, lock=False):
    query = select(ProjectionHead.folded_seq).where(
        ProjectionHead.projection == counts.NAME, ProjectionHead.user_id == user_id
    )
    return session.scalar(query.with_for_update(key_share=True) if lock else query)


def _refold(session, state, folded_seq):
    while state.person.folded_seq < folded_seq:
        _refold_page(session, state, folded_seq)


def _refold_page(session, state, folded_seq):
    """Fold the next page; shared rows are not this one's to move, so what it does to them is forgotten."""
    first = state.person.folded_seq + 1
    page = session.execute(_EVENTS, {"user_id": state.user_id, "first": first, "last": folded_seq}).all()
    if not page or page[0].user_seq != first or page[-1].user_seq != first + len(page) - 1:
        raise BrokenStream(f"user_id={state.user_id} lacks event user_seq={first} or one soon after it")
    for event in page:
        counts.step(state, event)
    counts.settle(state)
    state.moves = Moves()


def _write_differences(session, state):
    """Make the learner's rows what the state says; answers what was different."""
    _add_silent_works(session, state)
    people, works = own_rows([state])
    differences = _compare(session, UserCounts, "user_id", people)
    differences += _compare(session, SubmissionCounts, "submission_id", works)
    if differences:
        upsert(session, UserCounts.__table__, people, keys=["user_id"])
        upsert(session, SubmissionCounts.__table__, works, keys=["submission_id"])
    return differences + set_days(session, state.days, _own_days(state))


def _add_silent_works(session, state):
    """A counts row without an event is an empty fold: it must be all zeros."""
    query = select(SubmissionCounts.submission_id).join(Submission, Submission.id == SubmissionCounts.submission_id)
    for submission_id in session.scalars(query.where(Submission.user_id == state.user_id)):
        state.work(submission_id)


def _own_days(state):
    person = and_(CountsDaily.entity_type == "user", CountsDaily.entity_id == state.user_id)
    works = select(Submission.id).where(Submission.user_id == state.user_id)
    return or_(person, and_(CountsDaily.entity_type == "submission", CountsDaily.entity_id.in_(works)))


def _compare(session, model, key_name, rows):
    """Where stored rows differ from these, column by column; a missing row differs where it is not empty."""
    key_column = getattr(model, key_name)
    query = select(*model.__table__.columns).where(key_column.in_([row[key_name] for row in rows]))
    stored = {row[key_name]: row for row in session.execute(query).mappings()}
    differences = []
    for row in rows:
        was = stored.get(row[key_name])
        for name, value in row.items():
            differs = was[name] != value if was else bool(value) and name not in _NEVER_COUNTED
            if differs:
                differences.append((model.__tablename__, row[key_name], name, was and was[name], value))
    return differences


def recalculate_shared(table, key, *, dry_run=False, tick=None, wrong=()):
    """Set one shared row and its days to the sum of what lies at or below its contributors' heads (domain 8).

    Answers the differences found, as `recalculate_learner`. A dry run takes back all that it has written; the learners
    whose own rows it has found `wrong` are mended first there, since the shared row is summed from what they should be.
    """
    states = [_refold_unlocked(user_id, tick or (lambda: None)) for user_id in sorted(wrong)] if dry_run else []
    with transaction() as session, session.begin_nested() as changes:
        for state in states:
            _refold(session, state, _head(session, state.user_id, lock=True) or 0)
            _write_differences(session, state)
        differences = recalculate_locked(session, table, key)
        if dry_run:
            changes.rollback()
    if tick:
        tick()
    return [_told(*difference) for difference in differences]


def recalculate_reports(course_id, *, dry_run=False, tick=None):
    """Recalculate the counts of every kind of report of a course, as `recalculate_shared`."""
    events = select(StudyEvent.properties).where(
        CONTRIBUTING_EVENTS, StudyEvent.course_id == course_id, StudyEvent.event_type.in_(REPORT_EVENTS)
    )
    kinds = {properties["report_type"] for properties in db.session.scalars(events) if not properties.get("claimed")}
    kinds |= set(db.session.scalars(select(ReportCounts.report_type).where(ReportCounts.course_id == course_id)))
    release()
    places = [(kind, course_id) for kind in sorted(kinds)]
    return [d for place in places for d in recalculate_shared("report_counts", place, dry_run=dry_run, tick=tick)]


def find_broken_streams():
    """[(user_id, words)] of streams whose keys, events or head do not agree with what they promise; [] is right."""
    found = []
    for words, table in (("keys", EventKey), ("events", StudyEvent)):
        counted = select(table.user_id, func.count().label("number")).group_by(table.user_id).subquery()
        query = select(UserStream.user_id, UserStream.last_seq, counted.c.number)
        query = query.outerjoin(counted, counted.c.user_id == UserStream.user_id).order_by(UserStream.user_id)
        wrong = query.where(func.coalesce(counted.c.number, 0) != UserStream.last_seq)
        rows = db.session.execute(wrong.execution_options(yield_per=PAGE))
        found += [(row.user_id, f"{row.number or 0} {words} for {row.last_seq} numbers") for row in rows]
    query = select(ProjectionHead.user_id).join(UserStream, UserStream.user_id == ProjectionHead.user_id)
    ahead = query.where(ProjectionHead.folded_seq > UserStream.last_seq)
    found += [(user_id, "it is counted beyond its end") for user_id in db.session.scalars(ahead)]
    release()
    return found


def _told(table, key, name, was, value):
    def plain(x):
        return x.isoformat() if hasattr(x, "isoformat") else x

    if isinstance(key, tuple):
        name, key = f"{key[0]} {name}", key[1]
    return {"table": table, "id": key, "field": name, "was": plain(was), "is": plain(value)}
