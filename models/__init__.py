"""What is true: every table module, imported here so that Alembic sees one metadata."""

from models import (
    analytics_events,
    assigned,
    assignment,
    counters,
    course,
    live,
    report,
    streams,
    submission,
    user,
)

__all__ = [
    "analytics_events",
    "assigned",
    "assignment",
    "counters",
    "course",
    "live",
    "report",
    "streams",
    "submission",
    "user",
]
