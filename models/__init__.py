"""What is true: every table module, imported here so that Alembic sees one metadata."""

from models import analytics_events, assignment, counters, course, live, streams, submission, user

__all__ = ["analytics_events", "assignment", "counters", "course", "live", "streams", "submission", "user"]
