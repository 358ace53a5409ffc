"""Rows that many learners share: locked in one order, moved once a batch, or set to the sum of what is below the heads.

Lock order: table by table as in `SHARED`, ascending key. The days of an assignment, a group or a course belong to its
counts row: whoever moves them holds that row's lock.
"""

from collections import namedtuple
from functools import cache

from sqlalchemy import bindparam, func, select, tuple_

from models.analytics_events import CONTRIBUTING_EVENTS, StudyEvent
from models.counters import (
    AssignmentCounts,
    AssignmentGroupCounts,
    CountsDaily,
    CourseCounts,
    ReportCounts,
    SubmissionCounts,
)
from models.db import insert_missing, to_ms, upsert
from models.events import normalised_name
from models.formulas.gaps import KINDS, PARTS, Gaps
from models.projections import counts
from models.projections.moves import CONTRIBUTIONS, Moves, is_moment, moved
from models.projections.rows import day_number, day_rows, dicts
from models.streams import ProjectionHead
from models.submission import Submission

PAGE = 2000
DAY_KEYS = ("entity_type", "entity_id", "stat_date", "metric")

Shared = namedtuple("Shared", "model keys entity")
SHARED = {
    "assignment_counts": Shared(AssignmentCounts, ("assignment_id",), "assignment"),
    "assignment_group_counts": Shared(AssignmentGroupCounts, ("assignment_group_id",), "assignment_group"),
    "course_counts": Shared(CourseCounts, ("course_id",), "course"),
    "report_counts": Shared(ReportCounts, ("report_type", "course_id"), None),
}
# Columns of the table, not of the class: rows come without the ORM between.
EVENT_COLUMNS = tuple(
    StudyEvent.__table__.c[name]
    for name in (
        "user_id",
        "user_seq",
        "event_type",
        "created_at",
        "occurred_at",
        "course_id",
        "assignment_id",
        "submission_id",
        "properties",
    )
)


def move_shared(session, moves):
    """Move each shared row once, by the summed differences of a batch; the caller holds the learners' heads."""
    for table in SHARED:
        keys = sorted(key for name, key in moves.rows if name == table)
        rows = lock_shared(session, table, keys)
        changed = [rows[key] | moved(rows[key], moves.rows[table, key]) for key in keys if moves.rows[table, key]]
        upsert(session, SHARED[table].model.__table__, changed, keys=SHARED[table].keys)
    add_days(session, moves.days)


def add_days(session, days):
    """Add differences to the days of entities that the caller has locked, ascending."""
    upsert(session, CountsDaily.__table__, day_rows(days), keys=DAY_KEYS, add=("value",))


def lock_shared(session, table, keys):
    """Insert the missing ones of these shared rows, lock all, ascending; answers {key: row as it is now, a dict}."""
    if not keys:
        return {}
    shared = SHARED[table]
    insert_missing(session, shared.model.__table__, [_new_row(table, key) for key in keys], keys=shared.keys)
    rows = dicts(shared.model.__table__, session.execute(_locking(table), {"keys": keys}))
    return {_key_of(shared.keys, row): row for row in rows}


@cache
def _locking(table):
    model, names, _ = SHARED[table]
    columns = [getattr(model, name) for name in names]
    place = columns[0] if len(columns) == 1 else tuple_(*columns)
    query = select(*model.__table__.columns).where(place.in_(bindparam("keys", expanding=True))).order_by(*columns)
    return query.with_for_update(key_share=True)


def _key_of(names, row):
    return row[names[0]] if len(names) == 1 else tuple(row[name] for name in names)


def _new_row(table, key):
    model, names, _ = SHARED[table]
    return dict(zip(names, (key,) if len(names) == 1 else key, strict=True)) | model.EMPTY


def recalculate_locked(session, table, key):
    """Lock one shared row and set it and its days to their sum (domain 8); answers [(row name, field, was, is)].

    Whoever folds must hold that lock before it commits, and its heads become visible only with its commit, so
    nothing is counted twice or missed. Each statement reads afresh after the lock.
    """
    row = lock_shared(session, table, [key])[key]
    moves = _summed(session, table, key)
    empty = _empty_row(table)
    summed = empty | moved(empty, moves.rows[table, key])
    differences = [(table, key, name, row[name], value) for name, value in summed.items() if row[name] != value]
    if differences:
        upsert(session, SHARED[table].model.__table__, [row | summed], keys=SHARED[table].keys)
    return differences + _recalculate_days(session, table, key, moves)


def _empty_row(table):
    row = {}
    for column in SHARED[table].model.__table__.columns:
        if not column.primary_key:
            nothing = None if is_moment(column.key) or column.key.endswith(("_min_ms", "_max_ms")) else 0
            row[column.key] = {} if column.key.endswith("_hist") else nothing
    return row


def _summed(session, table, key):
    """What the events and own rows come to, for one shared row and its days."""
    moves = Moves()
    for event in _contributing_events(session, table, key):
        name = normalised_name(event.event_type, event.properties)
        if name in CONTRIBUTIONS:
            CONTRIBUTIONS[name](moves, event, to_ms(event.occurred_at or event.created_at))
    moves.touch(table, key)
    if table == "assignment_counts":
        _sum_gaps(session, moves, key)
    return moves


def _contributing_events(session, table, key):
    """Events that can move this row by themselves, below their heads, as a stream of rows."""
    query = (
        select(*EVENT_COLUMNS)
        .join(ProjectionHead, ProjectionHead.user_id == StudyEvent.user_id)
        .where(
            ProjectionHead.projection == counts.NAME,
            StudyEvent.user_seq <= ProjectionHead.folded_seq,
            CONTRIBUTING_EVENTS,
            StudyEvent.course_id == course_of(session, table, key),
        )
    )
    if table == "assignment_counts":
        query = query.where(StudyEvent.assignment_id == key)
    return session.execute(query.execution_options(yield_per=PAGE))


def course_of(session, table, key):
    """The course that a shared row belongs to, by which the log is read; None for reports outside of any."""
    if table == "course_counts":
        return key
    if table == "report_counts":
        return key[1] or None
    model, names, _ = SHARED[table]
    parent = next(iter(getattr(model, names[0]).property.columns[0].foreign_keys)).column.table
    return session.scalar(select(parent.c.course_id).where(parent.c.id == key))


def _sum_gaps(session, moves, assignment_id):
    """Gaps depend on state, so they are merged from the own rows, which commit with the same heads."""
    columns = [getattr(SubmissionCounts, f"{kind}_{part}") for kind in KINDS for part in PARTS]
    query = select(*columns).join(Submission, Submission.id == SubmissionCounts.submission_id)
    query = query.where(Submission.assignment_id == assignment_id).execution_options(yield_per=PAGE)
    for row in session.execute(query).mappings():
        moves.take("assignment_counts", assignment_id, **{kind: Gaps.of(row, kind) for kind in KINDS})


_DAYS_OF_ONE = select(CountsDaily.__table__).where(
    CountsDaily.__table__.c.entity_type == bindparam("entity"), CountsDaily.__table__.c.entity_id == bindparam("key")
)


def _recalculate_days(session, table, key, moves):
    entity = SHARED[table].entity
    if entity is None:
        return []
    days = {place: number for place, number in moves.days.items() if place[:2] == (entity, key)}
    if entity in ("assignment", "course"):
        days |= _summed_days(session, entity, key)
    return set_days(session, days, _DAYS_OF_ONE, {"entity": entity, "key": key})


def _summed_days(session, entity, key):
    """The days of an assignment's or a course's submissions, added up; own rows too, with the same heads."""
    place = Submission.assignment_id if entity == "assignment" else Submission.course_id
    query = (
        select(CountsDaily.stat_date, CountsDaily.metric, func.sum(CountsDaily.value).label("value"))
        .join(Submission, Submission.id == CountsDaily.entity_id)
        .where(CountsDaily.entity_type == "submission", place == key)
        .group_by(CountsDaily.stat_date, CountsDaily.metric)
    )
    return {(entity, key, day_number(row.stat_date), row.metric): int(row.value) for row in session.execute(query)}


def set_days(session, days, query, values):
    """Make the stored days that a query finds exactly these; answers the differences. Missing ones count as 0."""
    table = CountsDaily.__table__
    stored = {
        (row.entity_type, row.entity_id, day_number(row.stat_date), row.metric): row.value
        for row in session.execute(query, values)
    }
    wrong = {
        place: days.get(place, 0) for place in sorted({*stored, *days}) if stored.get(place, 0) != days.get(place, 0)
    }
    rows = day_rows(wrong)
    upsert(session, table, rows, keys=DAY_KEYS)
    return [
        ("counts_daily", row["entity_id"], _day_field(row), stored.get(place, 0), row["value"])
        for place, row in zip(wrong, rows, strict=True)
    ]


def _day_field(row):
    return f"{row['entity_type']} {row['stat_date'].isoformat()} {row['metric']}"
