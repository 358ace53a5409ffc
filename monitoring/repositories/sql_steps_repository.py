"""What the rules of `models/formulas/stuck` need from SQL beside runs: a learner's newest steps, an exercise's pace."""

import time
from functools import cache

from flask import current_app
from sqlalchemy import and_, bindparam, func, select, true

from models.analytics_events import StudyEvent
from models.counters import SubmissionCounts
from models.db import db, to_ms
from models.formulas.stuck import LOOK, STEP_KINDS, Step, late_by_ms
from models.submission import Submission

ANY_EVENT = true()
WORKS = bindparam("works", expanding=True)
PACE_SECONDS = 60
PACE_OF = 200
# Fewer who solved it tell nothing of an exercise.
PACE_FROM = 5


def load_steps(submission_ids):
    """{submission_id: [Step]} among the newest events of each submission: a bounded look by its index, without code."""
    events = {}
    for event in db.session.execute(_newest(), {"works": list(submission_ids)}):
        events.setdefault(event.submission_id, []).append(event)
    return {submission_id: _steps(found) for submission_id, found in events.items()}


def _steps(events):
    late_ms = late_by_ms((to_ms(e.occurred_at or e.created_at), to_ms(e.created_at)) for e in events)
    return [
        Step(to_ms(e.occurred_at or e.created_at) + late_ms, STEP_KINDS[e.event_type], _whole(e.size), e.file or "")
        for e in events
    ]


@cache
def _newest():
    oldest = oldest_looked_at(most=LOOK)
    size = StudyEvent.properties["size"].as_string().label("size")
    file = StudyEvent.properties["file_path"].as_string().label("file")
    columns = (
        StudyEvent.submission_id,
        StudyEvent.event_type,
        StudyEvent.created_at,
        StudyEvent.occurred_at,
        size,
        file,
    )
    query = select(*columns).join(oldest, reaches(oldest))
    return query.where(StudyEvent.event_type.in_(STEP_KINDS), StudyEvent.actor_id == StudyEvent.user_id)


def oldest_looked_at(*, most, only=ANY_EVENT):
    """Where to begin, for each of WORKS, to see its newest `most` events (of those that `only` lets through).

    Worked out once, ahead: as a condition of its own it would be asked again for every event of a long history.
    """
    begin = (
        select(StudyEvent.user_seq)
        .where(StudyEvent.submission_id == Submission.id, only)
        .order_by(StudyEvent.user_seq.desc())
        .offset(most - 1)
        .limit(1)
        .correlate(Submission)
        .scalar_subquery()
    )
    query = select(Submission.id, func.coalesce(begin, 0).label("begin")).where(Submission.id.in_(WORKS))
    return query.cte("oldest").prefix_with("MATERIALIZED")


def reaches(oldest):
    """The condition by which events join what `oldest_looked_at` says."""
    return and_(StudyEvent.submission_id == oldest.c.id, StudyEvent.user_seq >= oldest.c.begin)


def _whole(size):
    """One database tells a JSON number as a number, the other as a text."""
    return int(size) if str(size).isdecimal() else None


def usual_ms(assignment_id):
    """How long three in four of the last 200 who solved this exercise have worked on it, or None; kept for a minute."""
    known = current_app.extensions.setdefault("usual_ms", {})
    read_at, value = known.get(assignment_id, (None, None))
    if read_at is None or time.monotonic() - read_at > PACE_SECONDS:
        value = _read_usual_ms(assignment_id)
        known[assignment_id] = (time.monotonic(), value)
    return value


def _read_usual_ms(assignment_id):
    query = select(SubmissionCounts.time_spent_ms).join(Submission, Submission.id == SubmissionCounts.submission_id)
    query = query.where(Submission.assignment_id == assignment_id, Submission.correct.is_(True))
    worked = sorted(db.session.scalars(query.order_by(Submission.id.desc()).limit(PACE_OF)))
    return percentile_75(worked) if len(worked) >= PACE_FROM else None


def percentile_75(ascending):
    """The value that three quarters of these do not exceed (nearest rank)."""
    return ascending[(3 * len(ascending) + 3) // 4 - 1]
