"""Marked passages of a live attempt: appended one by one, none lost, whoever else marks at the same time (S3)."""

import re
import uuid

from models import ingest
from models.assignment import Assignment
from models.db import db, iso, utcnow
from models.errors import Conflict, Invalid
from models.events import Event
from models.live import MOST_HIGHLIGHTS
from monitoring.repositories import sql_attempt_repository as attempts

_COLOUR = re.compile("#[0-9A-Fa-f]{6}")


def add_highlight(viewer, attempt, fields, *, now=None):
    """Append a highlight to an attempt; answers it, with S3's eight keys. Raises `Invalid` that names the field."""
    now = now or utcnow()
    highlight = {"id": str(uuid.uuid4()), "timestamp": iso(now), **_checked(fields)}

    def write(session):
        row = attempts.locked_attempt(session, attempt.id)
        if len(row.highlighted_text) >= MOST_HIGHLIGHTS:
            raise Conflict(f"An attempt has at most {MOST_HIGHLIGHTS} highlights.")
        row.highlighted_text = [*row.highlighted_text, highlight]

    ingest.append([_event(viewer, attempt, highlight)], write=write)
    return highlight


def _checked(fields):
    start, end = fields["position_start"], fields["position_end"]
    if start < 0:
        raise Invalid("position_start is not below 0.", field="position_start")
    if start > end:
        raise Invalid("position_end is not before position_start.", field="position_end")
    if not _COLOUR.fullmatch(fields["color_code"]):
        raise Invalid("color_code is #RRGGBB.", field="color_code")
    names = ("text", "passage_id", "position_start", "position_end", "color_code", "comment")
    return {name: fields[name] for name in names}


def _event(viewer, attempt, highlight):
    return Event(
        "highlight_added",
        attempt.student_id,
        actor_id=viewer.user_id,
        submission_id=attempt.submission_id,
        assignment_id=attempt.test_id,
        course_id=db.session.get(Assignment, attempt.test_id).course_id,
        properties={"attempt_id": attempt.id, "highlight": highlight},
    )
