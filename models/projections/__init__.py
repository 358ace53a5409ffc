"""Bringing projections up to date: fold what is new, recalculate from the start, verify (domain 6 to 8).

Lock order: heads by learner, then own rows, then shared rows table by table in the order of `SHARED`, ascending key.
"""

from dataclasses import dataclass, field

from sqlalchemy import select, update

from models.analytics_events import StudyEvent
from models.counters import AssignmentCounts, AssignmentGroupCounts, CourseCounts, SubmissionCounts, UserCounts
from models.db import db, insert_missing, to_ms, transaction, upsert
from models.events import normalised_name
from models.projections import counts
from models.streams import ProjectionHead, UserStream
from models.submission import Submission

BATCH = 500
PAGE = 2000
LEARNERS = 100

SHARED = {
    "assignment_counts": (AssignmentCounts, "assignment_id"),
    "assignment_group_counts": (AssignmentGroupCounts, "assignment_group_id"),
    "course_counts": (CourseCounts, "course_id"),
}
_ORDER = list(SHARED)
_NEVER_COUNTED = ("user_id", "submission_id", "calculation_version")
EVENT_COLUMNS = (
    StudyEvent.user_id,
    StudyEvent.user_seq,
    StudyEvent.event_type,
    StudyEvent.created_at,
    StudyEvent.occurred_at,
    StudyEvent.course_id,
    StudyEvent.assignment_id,
    StudyEvent.submission_id,
    StudyEvent.properties,
)


class BrokenStream(RuntimeError):
    """A stream promises events that cannot be read: folding on would lose them, so nothing is folded."""


@dataclass
class Changed:
    """A learner whose counts have moved: up to `folded_seq` everything is counted."""

    user_id: int
    folded_seq: int
    submission_ids: list = field(default_factory=list)


def fold(*, limit=BATCH, user_id=None, but=()):
    """Fold at most `limit` events of learners who are behind; answers a `Changed` for each, [] when none is.

    Runs in its own transaction or joins one. With `user_id` it waits for that learner's head and folds only it,
    so that a request reads its own write; without, heads that others hold are skipped, and those in `but`.
    """
    with transaction() as session:
        heads = _lock_heads(session, user_id, but)
        if not heads:
            return []
        states = _fold_events(session, heads, limit)
        _write_own(session, states)
        _move_shared(session, states)
        return _advance(session, states)


def _lock_heads(session, user_id, but):
    """Lock the heads that are behind; answers {user_id: (folded_seq, last_seq)}."""
    query = (
        select(ProjectionHead.user_id, ProjectionHead.folded_seq, UserStream.last_seq)
        .join(UserStream, UserStream.user_id == ProjectionHead.user_id)
        .where(ProjectionHead.projection == counts.NAME, ProjectionHead.folded_seq < UserStream.last_seq)
        .order_by(ProjectionHead.user_id)
    )
    if user_id is not None:
        query = query.where(ProjectionHead.user_id == user_id)
    if but:
        query = query.where(ProjectionHead.user_id.not_in(but))
    query = query.limit(LEARNERS)
    locked = query.with_for_update(key_share=True, of=ProjectionHead, skip_locked=user_id is None)
    return {row.user_id: (row.folded_seq, row.last_seq) for row in session.execute(locked)}


def _fold_events(session, heads, limit):
    """Read what is new by a statement after the lock, and fold it into the states it belongs to."""
    events = session.execute(
        select(*EVENT_COLUMNS)
        .join(ProjectionHead, ProjectionHead.user_id == StudyEvent.user_id)
        .where(
            ProjectionHead.projection == counts.NAME,
            ProjectionHead.user_id.in_(heads),
            StudyEvent.user_seq > ProjectionHead.folded_seq,
        )
        .order_by(StudyEvent.user_id, StudyEvent.user_seq)
        .limit(limit)
    ).all()
    states = _load_states(session, events)
    expected = {user_id: folded_seq for user_id, (folded_seq, _) in heads.items()}
    for event in events:
        expected[event.user_id] += 1
        if event.user_seq != expected[event.user_id]:
            raise BrokenStream(f"user_id={event.user_id} lacks event user_seq={expected[event.user_id]}")
        counts.step(states[event.user_id], event)
    if len(events) < limit:
        _check_promises(heads, expected)
    return states


def _check_promises(heads, reached):
    for user_id, (_, last_seq) in heads.items():
        if reached[user_id] < last_seq:
            raise BrokenStream(f"user_id={user_id} ends at user_seq={reached[user_id]}, promised {last_seq}")


def _load_states(session, events):
    states = {user_id: counts.Learner(user_id) for user_id in sorted({event.user_id for event in events})}
    owners = {event.submission_id: event.user_id for event in events if event.submission_id is not None}
    for row in session.execute(select(*UserCounts.__table__.columns).where(UserCounts.user_id.in_(states))):
        states[row.user_id].person = counts.person_from(row)
    works = select(*SubmissionCounts.__table__.columns).where(SubmissionCounts.submission_id.in_(owners))
    for row in session.execute(works):
        states[owners[row.submission_id]].works[row.submission_id] = counts.work_from(row)
    return states


def own_rows(states):
    """The rows that learners' states come to: those of `user_counts`, and those of `submission_counts`."""
    people = [{"user_id": s.user_id, **counts.person_columns(s.person)} for s in states]
    works = [
        {"submission_id": submission_id, **counts.work_columns(work)}
        for s in states
        for submission_id, work in s.works.items()
    ]
    return people, sorted(works, key=lambda row: row["submission_id"])


def _write_own(session, states):
    people, works = own_rows(states.values())
    upsert(session, UserCounts.__table__, people, keys=["user_id"])
    upsert(session, SubmissionCounts.__table__, works, keys=["submission_id"])


def _move_shared(session, states):
    """Move each shared row once, by the summed difference of the batch."""
    total = counts.Moves()
    for state in states.values():
        for (table, key), differences in state.moves.items():
            _add_up(total.touch(table, key), differences)
    for table in _ORDER:
        keys = sorted(key for name, key in total if name == table)
        rows = lock_shared(session, table, keys)
        for key in keys:
            _save_shared(session, table, key, counts.moved(rows[key], total[table, key]))


def _add_up(total, differences):
    for column, difference in differences.items():
        if isinstance(difference, dict):
            counts.merge_histograms(total.setdefault(column, {}), difference)
        elif column.startswith("date_"):
            total[column] = counts.latest(total.get(column), difference)
        else:
            total[column] = total.get(column, 0) + difference


def lock_shared(session, table, keys):
    """Insert the missing ones of these shared rows, lock all, ascending; answers {key: row as it is now}."""
    if not keys:
        return {}
    model, key_name = SHARED[table]
    key_column = getattr(model, key_name)
    empty = {"edit_hist": {}, "attempt_hist": {}} if hasattr(model, "edit_hist") else {}
    insert_missing(session, model.__table__, [{key_name: key, **empty} for key in keys], keys=[key_name])
    query = select(*model.__table__.columns).where(key_column.in_(keys)).order_by(key_column)
    return {row[key_name]: row for row in session.execute(query.with_for_update(key_share=True)).mappings()}


def _save_shared(session, table, key, changes):
    model, key_name = SHARED[table]
    if changes:
        session.execute(update(model).where(getattr(model, key_name) == key).values(changes))


def _advance(session, states):
    changed = []
    for user_id, state in states.items():
        folded_seq = state.person.folded_seq
        session.execute(
            update(ProjectionHead)
            .where(ProjectionHead.projection == counts.NAME, ProjectionHead.user_id == user_id)
            .values(folded_seq=folded_seq)
        )
        changed.append(Changed(user_id, folded_seq, sorted(state.works)))
    return changed


def recalculate_learner(user_id, *, dry_run=False):
    """Fold one learner's stream from the start, as far as it was folded, and write the rows that differ.

    Answers the differences found, each `{table, id, field, was, is}`. The head stays where it is: shared rows have
    been moved exactly that far. Memory is constant: events are read in pages.
    """
    with transaction() as session:
        folded_seq = _lock_head(session, user_id)
        if folded_seq is None:
            return []
        state = _refold(session, user_id, folded_seq)
        _add_silent_works(session, state)
        people, works = own_rows([state])
        differences = _compare(session, UserCounts, "user_id", people)
        differences += _compare(session, SubmissionCounts, "submission_id", works)
        if differences and not dry_run:
            upsert(session, UserCounts.__table__, people, keys=["user_id"])
            upsert(session, SubmissionCounts.__table__, works, keys=["submission_id"])
    return differences


def _lock_head(session, user_id):
    query = select(ProjectionHead.folded_seq).where(
        ProjectionHead.projection == counts.NAME, ProjectionHead.user_id == user_id
    )
    return session.scalar(query.with_for_update(key_share=True))


def _refold(session, user_id, folded_seq):
    state = counts.Learner(user_id)
    while state.person.folded_seq < folded_seq:
        page = session.execute(
            select(*EVENT_COLUMNS)
            .where(
                StudyEvent.user_id == user_id,
                StudyEvent.user_seq > state.person.folded_seq,
                StudyEvent.user_seq <= folded_seq,
            )
            .order_by(StudyEvent.user_seq)
            .limit(PAGE)
        ).all()
        if not page or page[-1].user_seq != state.person.folded_seq + len(page):
            raise BrokenStream(f"user_id={user_id} lacks event user_seq={state.person.folded_seq + 1}")
        for event in page:
            counts.step(state, event)
    return state


def _add_silent_works(session, state):
    """A counts row without an event is an empty fold: it must be all zeros."""
    query = select(SubmissionCounts.submission_id).join(Submission, Submission.id == SubmissionCounts.submission_id)
    for submission_id in session.scalars(query.where(Submission.user_id == state.user_id)):
        state.work(submission_id)


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
                differences.append(_difference(model, row[key_name], name, was and was[name], value))
    return differences


def _difference(model, key, name, was, value):
    def told(x):
        return x.isoformat() if hasattr(x, "isoformat") else x

    return {"table": model.__tablename__, "id": key, "field": name, "was": told(was), "is": told(value)}


def recalculate_shared(table, key, *, dry_run=False):
    """Set one shared row to the sum of what lies at or below its contributors' heads (domain 8); answers differences.

    The row is locked first. Whoever folds must hold that lock before it commits, so nothing is counted twice. A dry
    run takes back even the empty row that it had to make for the lock.
    """
    with transaction() as session, session.begin_nested() as changes:
        row = lock_shared(session, table, [key])[key]
        summed = _summed(session, table, key)
        model, key_name = SHARED[table]
        differences = [
            _difference(model, key, name, row[name], value)
            for name, value in summed.items()
            if name != key_name and row[name] != value
        ]
        if dry_run:
            changes.rollback()
        elif differences:
            _save_shared(session, table, key, {d["field"]: summed[d["field"]] for d in differences})
    return differences


def _summed(session, table, key):
    """The row that the events and own rows come to, from an empty one."""
    model, key_name = SHARED[table]
    moves = counts.Moves()
    moves.touch(table, key)
    for event in _contributing_events(session, table, key):
        name = normalised_name(event.event_type, event.properties)
        counts.contribute(moves, event, name, to_ms(event.occurred_at or event.created_at))
    if table == "assignment_counts":
        _sum_works(session, moves, key)
    return {**_empty_row(model, key_name), **counts.moved(_empty_row(model, key_name), moves[table, key])}


def _empty_row(model, key_name):
    row = {}
    for column in model.__table__.columns:
        if column.key != key_name:
            row[column.key] = {} if column.key.endswith("_hist") else None if column.key.startswith("date_") else 0
    return row


def _contributing_events(session, table, key):
    """Events that move this row by themselves, below their heads, in pages of a stream of rows."""
    query = (
        select(*EVENT_COLUMNS)
        .join(ProjectionHead, ProjectionHead.user_id == StudyEvent.user_id)
        .where(
            ProjectionHead.projection == counts.NAME,
            StudyEvent.user_seq <= ProjectionHead.folded_seq,
            StudyEvent.event_type.in_(counts.CONTRIBUTING),
            StudyEvent.course_id == course_of(session, table, key),
        )
    )
    if table == "assignment_counts":
        query = query.where(StudyEvent.assignment_id == key)
    return session.execute(query.execution_options(yield_per=PAGE))


def course_of(session, table, key):
    """The course that a shared row belongs to: the log's index leads by it."""
    if table == "course_counts":
        return key
    model, key_name = SHARED[table]
    parent = next(iter(getattr(model, key_name).property.columns[0].foreign_keys)).column.table
    return session.scalar(select(parent.c.course_id).where(parent.c.id == key))


def _sum_works(session, moves, assignment_id):
    """Gaps depend on state, so they are summed from the own rows, which commit with the same heads."""
    names = [f"{kind}_{part}" for kind in ("edit", "attempt") for part in ("count", "sum_ms", "sumsq_ms2", "hist")]
    columns = [getattr(SubmissionCounts, name) for name in names]
    query = select(*columns).join(Submission, Submission.id == SubmissionCounts.submission_id)
    for row in session.execute(query.where(Submission.assignment_id == assignment_id)).mappings():
        _add_up(moves.touch("assignment_counts", assignment_id), row)


def users_behind(*, but=()):
    """The learners who have events that are not counted yet, ascending."""
    query = select(ProjectionHead.user_id).join(UserStream, UserStream.user_id == ProjectionHead.user_id)
    query = query.where(ProjectionHead.projection == counts.NAME, ProjectionHead.folded_seq < UserStream.last_seq)
    return list(db.session.scalars(query.where(ProjectionHead.user_id.not_in(but)).order_by(ProjectionHead.user_id)))
