"""Recalculation: the same fold from the start of the log, compared with what is stored (domain 8)."""

from contextlib import contextmanager

from sqlalchemy import bindparam, func, select

from models.analytics_events import CONTRIBUTING_EVENTS, StudyEvent
from models.counters import CountsDaily, ReportCounts, SubmissionCounts, UserCounts
from models.db import db, release, transaction, upsert
from models.projections import counts
from models.projections.folding import BrokenStream
from models.projections.moves import Moves
from models.projections.rows import dicts, own_rows
from models.projections.shared import EVENT_COLUMNS, PAGE, recalculate_locked, set_days
from models.streams import EventKey, ProjectionHead, UserStream
from models.submission import Submission

REPORT_EVENTS = ("report_created", "report_viewed")
_LOG, _HEADS, _DAYS = StudyEvent.__table__, ProjectionHead.__table__, CountsDaily.__table__
_PEOPLE, _WORKS, _SUBMISSIONS = UserCounts.__table__, SubmissionCounts.__table__, Submission.__table__
_HEAD = (_HEADS.c.projection == counts.NAME) & (_HEADS.c.user_id == bindparam("user_id"))
_LOCKED_HEAD = select(_HEADS.c.folded_seq).where(_HEAD).with_for_update(key_share=True)
_FOLDED = (
    select(*EVENT_COLUMNS)
    .join(_HEADS, _HEADS.c.user_id == _LOG.c.user_id)
    .where(_HEAD, _LOG.c.user_seq > bindparam("after"), _LOG.c.user_seq <= _HEADS.c.folded_seq)
    .order_by(_LOG.c.user_seq)
    .limit(PAGE)
)
_THEIR_WORKS = _SUBMISSIONS.c.user_id == bindparam("user_id")
_STORED_PERSON = select(_PEOPLE).where(_PEOPLE.c.user_id == bindparam("user_id"))
_STORED_WORKS = select(_WORKS).join(_SUBMISSIONS, _SUBMISSIONS.c.id == _WORKS.c.submission_id).where(_THEIR_WORKS)
_STORED_DAYS = select(_DAYS).where(
    ((_DAYS.c.entity_type == "user") & (_DAYS.c.entity_id == bindparam("user_id")))
    | ((_DAYS.c.entity_type == "submission") & _DAYS.c.entity_id.in_(select(_SUBMISSIONS.c.id).where(_THEIR_WORKS)))
)
_NEVER_COUNTED = ("user_id", "submission_id", "calculation_version")


def recalculate_learner(user_id, *, dry_run=False, tick=None):
    """Fold one learner's stream from the start, as far as it was folded, and write the rows that differ.

    Answers the differences found, each `{table, id, field, was, is}`. The head stays where it is: shared rows have
    been moved exactly that far. What is folded never changes, so it is read without a lock, in pages, and `tick()` is
    called after each page; only what was folded meanwhile is read under the lock of the head. Memory is constant.
    """
    state = _refold_unlocked(user_id, tick)
    with transaction() as session, _taken_back(session, dry_run):
        differences = _mend_learner(session, state)
    return [_told(*difference) for difference in differences]


@contextmanager
def _taken_back(session, dry_run):
    """In a dry run, what the block has written is taken back."""
    if not dry_run:
        yield
        return
    with session.begin_nested() as changes:
        yield
        changes.rollback()


def _refold_unlocked(user_id, tick=None):
    """Fold what was folded without a lock, a page at a time; a few events may have been folded since."""
    state = counts.Learner(user_id)
    while _refold_page(db.session, state) == PAGE:
        release()
        if tick:
            tick()
    release()
    return state


def _refold_page(session, state):
    """Fold the next page; answers how long it was. Shared rows are not ours to move: that part is forgotten."""
    after = state.person.folded_seq
    page = session.execute(_FOLDED, {"user_id": state.user_id, "after": after}).all()
    if page and not page[0].user_seq == after + 1 == page[-1].user_seq - len(page) + 1:
        raise BrokenStream(f"user_id={state.user_id} lacks an event soon after user_seq={after}")
    for event in page:
        counts.step(state, event)
    counts.settle(state)
    state.moves = Moves()
    return len(page)


def _mend_learner(session, state):
    """Under the lock of the head: fold the rest, and make the learner's rows what the state says; the differences."""
    folded_seq = session.scalar(_LOCKED_HEAD, {"user_id": state.user_id})
    if folded_seq is not None and state.person.folded_seq > folded_seq:
        state = counts.Learner(state.user_id)  # a migration has set all heads back meanwhile
    while folded_seq is not None and state.person.folded_seq < folded_seq:
        if not _refold_page(session, state):
            raise BrokenStream(f"user_id={state.user_id} lacks event user_seq={state.person.folded_seq + 1}")
    if folded_seq is None:
        return []
    stored = _stored(session, _STORED_WORKS, _WORKS, state.user_id)
    for submission_id in stored:
        state.work(submission_id)  # a row without an event is an empty fold: it must be all zeros
    people, works = own_rows([state])
    differences = _compare(_PEOPLE, "user_id", people, _stored(session, _STORED_PERSON, _PEOPLE, state.user_id))
    differences += _compare(_WORKS, "submission_id", works, stored)
    if differences:
        upsert(session, _PEOPLE, people, keys=["user_id"])
        upsert(session, _WORKS, works, keys=["submission_id"])
    return differences + set_days(session, state.days, _STORED_DAYS, {"user_id": state.user_id})


def _stored(session, query, table, user_id):
    """{key: row as a dict} of a learner's rows in one table."""
    (key,) = table.primary_key
    return {row[key.name]: row for row in dicts(table, session.execute(query, {"user_id": user_id}))}


def _compare(table, key_name, rows, stored):
    """Where stored rows differ from these, column by column; a missing row differs where it is not empty."""
    differences = []
    for row in rows:
        was = stored.get(row[key_name])
        for name, value in row.items():
            differs = was[name] != value if was else bool(value) and name not in _NEVER_COUNTED
            if differs:
                differences.append((table.name, row[key_name], name, was and was[name], value))
    return differences


def recalculate_shared(table, key, *, dry_run=False, tick=None, wrong=()):
    """Set one shared row and its days to the sum of what lies at or below its contributors' heads (domain 8).

    Answers the differences found, as `recalculate_learner`. A dry run takes back all that it has written; the learners
    whose own rows it has found `wrong` are mended first there, since the shared row is summed from what they should be.
    """
    states = [_refold_unlocked(user_id, tick) for user_id in sorted(wrong)] if dry_run else []
    with transaction() as session, _taken_back(session, dry_run):
        for state in states:
            _mend_learner(session, state)
        differences = recalculate_locked(session, table, key)
    if tick:
        tick()
    return [_told(*difference) for difference in differences]


def recalculate_reports(course_id, *, dry_run=False, tick=None):
    """Recalculate the counts of every kind of report of a course, as `recalculate_shared`."""
    events = select(StudyEvent.properties).where(
        CONTRIBUTING_EVENTS, StudyEvent.course_id == course_id, StudyEvent.event_type.in_(REPORT_EVENTS)
    )
    kinds = {p["report_type"] for p in db.session.scalars(events) if "report_type" in p and not p.get("claimed")}
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
