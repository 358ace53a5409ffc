"""The log: `study_events`, append only, the one place where what happened is written down."""

from sqlalchemy import BigInteger, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from models.db import UTCDateTime, db

_OUTCOMES = text("event_type IN ('Run.Program', 'Compile.Error', 'Intervention')")
# What moves shared rows by itself: the keys of `projections.moves`, as the text that the index knows.
CONTRIBUTING_EVENTS = text(
    "event_type IN ('Submission.Create', 'Submit', 'assignment_created', 'assignment_group_created', "
    "'count_recorded', 'course_created', 'report_created', 'report_viewed', 'role_changed')"
)
LogId = BigInteger().with_variant(Integer, "sqlite")


class StudyEvent(db.Model):
    """One event in one learner's stream (domain 4). Rows are never updated; the database refuses it.

    On PostgreSQL the table is partitioned by the month of `created_at`; what is unique lives in `event_keys`.
    """

    __tablename__ = "study_events"
    __table_args__ = (
        Index("ix_study_events_user_created", "user_id", "created_at"),
        Index("ix_study_events_user_seq", "user_id", "user_seq"),
        Index("ix_study_events_course_user_seq", "course_id", "user_id", "user_seq"),
        Index("ix_study_events_submission_seq", "submission_id", "user_seq"),
        Index(
            "ix_study_events_outcomes",
            "submission_id",
            "user_seq",
            postgresql_where=_OUTCOMES,
            sqlite_where=_OUTCOMES,
        ),
        Index(
            "ix_study_events_contributing",
            "course_id",
            "user_id",
            "user_seq",
            postgresql_where=CONTRIBUTING_EVENTS,
            sqlite_where=CONTRIBUTING_EVENTS,
        ),
    )

    id: Mapped[int] = mapped_column(LogId, primary_key=True)
    event_id: Mapped[str] = mapped_column(String(36))
    user_id: Mapped[int]
    actor_id: Mapped[int | None]
    user_seq: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[object] = mapped_column(UTCDateTime)
    occurred_at: Mapped[object | None] = mapped_column(UTCDateTime)
    session_id: Mapped[str | None] = mapped_column(String(80))
    event_type: Mapped[str] = mapped_column(String(255))
    course_id: Mapped[int | None]
    assignment_id: Mapped[int | None]
    submission_id: Mapped[int | None]
    assessment_id: Mapped[int | None]
    question_id: Mapped[int | None]
    topic_id: Mapped[int | None]
    material_id: Mapped[int | None]
    properties: Mapped[dict] = mapped_column(JSON, default=dict)
    schema_version: Mapped[int] = mapped_column(default=1)
    ip_address: Mapped[str | None] = mapped_column(String(45))
    user_agent: Mapped[str | None] = mapped_column(String(80))
