"""Where the states of the projection `counts` are kept: as columns of rows, and back."""

from dataclasses import fields
from datetime import date

from models.db import from_ms, to_ms
from models.formulas.averages import mean_seconds
from models.formulas.gaps import KINDS, Gaps
from models.projections.counts import VERSION, Person, Work

EPOCH_DAY = date(1970, 1, 1).toordinal()
_WORK_MOMENTS = {"last_event_ms": "last_event_at", "last_edit_ms": "last_edit_at", "last_run_ms": "last_run_at"}
_COLLECTED = ("new_edit", "new_attempt", "day", "day_tally", "place")
_WORK_NUMBERS = [f.name for f in fields(Work) if f.name not in (*KINDS, *_WORK_MOMENTS, *_COLLECTED)]
_PERSON_MOMENTS = {"last_logged_in_ms": "last_logged_in", "last_edited_ms": "last_edited"}
_PERSON_NUMBERS = [f.name for f in fields(Person) if f.name not in _PERSON_MOMENTS]


def work_columns(work):
    """A submission's state as the columns of `submission_counts`, the seed's averages derived from the integers."""
    row = {name: getattr(work, name) for name in _WORK_NUMBERS}
    row |= {column: from_ms(getattr(work, name)) for name, column in _WORK_MOMENTS.items()}
    for kind in KINDS:
        gaps = getattr(work, kind)
        row |= gaps.columns(kind)
        row[f"average_{kind}_time"] = mean_seconds(gaps.sum_ms, gaps.count)
    return row | {
        "syntax_errors": work.syntax_errors,
        "runtime_errors": work.runtime_errors,
        "estimated_time_spent": work.time_spent_ms / 1000,
        "calculation_version": VERSION,
    }


def work_from(row):
    """The state that a row of `submission_counts` (a mapping of its columns) stores."""
    stored = {name: row[name] for name in _WORK_NUMBERS}
    stored |= {name: _ms(row[column]) for name, column in _WORK_MOMENTS.items()}
    return Work(**stored, **{kind: Gaps.of(row, kind) for kind in KINDS})


def person_columns(person):
    """A learner's state as the columns of `user_counts`."""
    row = {name: getattr(person, name) for name in _PERSON_NUMBERS}
    row |= {column: from_ms(getattr(person, name)) for name, column in _PERSON_MOMENTS.items()}
    return row | {"estimated_time_spent": person.time_spent_ms / 1000, "calculation_version": VERSION}


def person_from(row):
    """The state that a row of `user_counts` (a mapping of its columns) stores."""
    stored = {name: row[name] for name in _PERSON_NUMBERS}
    return Person(**stored, **{name: _ms(row[column]) for name, column in _PERSON_MOMENTS.items()})


def own_rows(states):
    """The rows that learners' states come to: those of `user_counts`, and those of `submission_counts`, by key."""
    people = [{"user_id": s.user_id, **person_columns(s.person)} for s in states]
    works = [
        {"submission_id": submission_id, **work_columns(work)}
        for s in states
        for submission_id, work in s.works.items()
    ]
    return people, sorted(works, key=lambda row: row["submission_id"])


def dicts(table, rows):
    """Whole rows of a table as plain dicts: looking up a result's columns by name costs more than a fold's step."""
    names = table.c.keys()
    return [dict(zip(names, row, strict=True)) for row in rows]


def day_rows(days):
    """The rows of `counts_daily` that days come to, by key."""
    return [
        {
            "entity_type": entity,
            "entity_id": key,
            "stat_date": date.fromordinal(EPOCH_DAY + day),
            "metric": metric,
            "value": number,
        }
        for (entity, key, day, metric), number in sorted(days.items())
    ]


def day_number(stat_date):
    """A date as days since 1970."""
    return stat_date.toordinal() - EPOCH_DAY


def _ms(moment):
    return to_ms(moment) if moment else None
