"""The `*Counts` tables of S0: rows that folds own or move, read by one lookup and never computed from the log."""

from sqlalchemy import BigInteger, Date, Float, ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from models.db import UTCDateTime, db, iso
from models.formulas.gaps import KINDS, Gaps


def _number():
    return mapped_column(BigInteger, default=0, server_default="0")


def _seconds():
    return mapped_column(Float, default=0.0, server_default="0")


def _histogram():
    return mapped_column(JSON, default=dict)


# What people are told of a submission: in the live room, and in a report of a course.
SUBMISSION_NUMBERS = (
    "runs",
    "edits",
    "syntax_errors",
    "runtime_errors",
    "failed_instructor_tests",
    "average_edit_time",
    "average_attempt_time",
    "estimated_time_spent",
)


class CountsRow:
    """What all counts rows can do: tell themselves as JSON. `EMPTY` is what a new one needs beside its key."""

    EMPTY = {}

    def as_dict(self):
        """Every column by its name; times in ISO 8601."""
        values = {column.key: getattr(self, column.key) for column in self.__table__.columns}
        return {name: iso(value) if hasattr(value, "astimezone") else value for name, value in values.items()}


class GapsRow(CountsRow):
    """A counts row with the gaps between edits and between attempts: what they come to is told beside them."""

    EMPTY = {"edit_hist": {}, "attempt_hist": {}}

    def as_dict(self):
        """Every column, and under `edit_statistics` and `attempt_statistics` what their gaps come to, in seconds."""
        told = super().as_dict()
        return told | {f"{kind}_statistics": Gaps.of(told, kind).statistics() for kind in KINDS}


class SubmissionCounts(GapsRow, db.Model):
    """One learner's work on one assignment, in numbers. The integers are the truth, the averages follow from them."""

    __tablename__ = "submission_counts"

    submission_id: Mapped[int] = mapped_column(ForeignKey("submissions.id"), primary_key=True)
    runs: Mapped[int] = _number()
    edits: Mapped[int] = _number()
    average_edit_time: Mapped[float] = _seconds()
    average_attempt_time: Mapped[float] = _seconds()
    estimated_time_spent: Mapped[float] = _seconds()
    syntax_errors: Mapped[int] = _number()
    runtime_errors: Mapped[int] = _number()
    failed_instructor_tests: Mapped[int] = _number()
    syntax_outcomes: Mapped[int] = _number()
    syntax_feedbacks: Mapped[int] = _number()
    runtime_outcomes: Mapped[int] = _number()
    runtime_feedbacks: Mapped[int] = _number()
    edit_count: Mapped[int] = _number()
    edit_sum_ms: Mapped[int] = _number()
    edit_sumsq_ms2: Mapped[int] = _number()
    edit_min_ms: Mapped[int | None] = mapped_column(BigInteger)
    edit_max_ms: Mapped[int | None] = mapped_column(BigInteger)
    attempt_count: Mapped[int] = _number()
    attempt_sum_ms: Mapped[int] = _number()
    attempt_sumsq_ms2: Mapped[int] = _number()
    attempt_min_ms: Mapped[int | None] = mapped_column(BigInteger)
    attempt_max_ms: Mapped[int | None] = mapped_column(BigInteger)
    time_spent_ms: Mapped[int] = _number()
    edit_hist: Mapped[dict] = _histogram()
    attempt_hist: Mapped[dict] = _histogram()
    last_event_at: Mapped[object | None] = mapped_column(UTCDateTime)
    last_edit_at: Mapped[object | None] = mapped_column(UTCDateTime)
    last_run_at: Mapped[object | None] = mapped_column(UTCDateTime)
    folded_seq: Mapped[int] = _number()
    calculation_version: Mapped[int] = mapped_column(default=1, server_default="1")


class AssignmentCounts(GapsRow, db.Model):
    """All learners' work on one assignment: gaps merged over its submissions."""

    __tablename__ = "assignment_counts"

    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"), primary_key=True)
    total_submissions: Mapped[int] = _number()
    date_last_submission: Mapped[object | None] = mapped_column(UTCDateTime)
    edit_count: Mapped[int] = _number()
    edit_sum_ms: Mapped[int] = _number()
    edit_sumsq_ms2: Mapped[int] = _number()
    edit_min_ms: Mapped[int | None] = mapped_column(BigInteger)
    edit_max_ms: Mapped[int | None] = mapped_column(BigInteger)
    attempt_count: Mapped[int] = _number()
    attempt_sum_ms: Mapped[int] = _number()
    attempt_sumsq_ms2: Mapped[int] = _number()
    attempt_min_ms: Mapped[int | None] = mapped_column(BigInteger)
    attempt_max_ms: Mapped[int | None] = mapped_column(BigInteger)
    edit_hist: Mapped[dict] = _histogram()
    attempt_hist: Mapped[dict] = _histogram()


class CourseCounts(CountsRow, db.Model):
    """One course in numbers: its people by role, its assignments, its submissions."""

    __tablename__ = "course_counts"

    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"), primary_key=True)
    total_submissions: Mapped[int] = _number()
    total_assignments: Mapped[int] = _number()
    total_assignment_groups: Mapped[int] = _number()
    total_users: Mapped[int] = _number()
    total_students: Mapped[int] = _number()
    total_instructors: Mapped[int] = _number()
    date_last_user: Mapped[object | None] = mapped_column(UTCDateTime)
    date_last_submission: Mapped[object | None] = mapped_column(UTCDateTime)
    date_last_assignment: Mapped[object | None] = mapped_column(UTCDateTime)


class UserCounts(CountsRow, db.Model):
    """One person in numbers, over all courses."""

    __tablename__ = "user_counts"

    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    total_courses_in: Mapped[int] = _number()
    total_assignments: Mapped[int] = _number()
    total_assignment_groups: Mapped[int] = _number()
    total_submissions: Mapped[int] = _number()
    total_reports: Mapped[int] = _number()
    estimated_time_spent: Mapped[float] = _seconds()
    time_spent_ms: Mapped[int] = _number()
    last_logged_in: Mapped[object | None] = mapped_column(UTCDateTime)
    last_edited: Mapped[object | None] = mapped_column(UTCDateTime)
    folded_seq: Mapped[int] = _number()
    calculation_version: Mapped[int] = mapped_column(default=1, server_default="1")


class AssignmentGroupCounts(CountsRow, db.Model):
    """One group of assignments in numbers."""

    __tablename__ = "assignment_group_counts"

    assignment_group_id: Mapped[int] = mapped_column(ForeignKey("assignment_groups.id"), primary_key=True)
    total_assignments: Mapped[int] = _number()
    total_submissions: Mapped[int] = _number()
    date_last_submission: Mapped[object | None] = mapped_column(UTCDateTime)


class ReportCounts(CountsRow, db.Model):
    """How often one kind of report was made and looked at in one course."""

    __tablename__ = "report_counts"

    report_type: Mapped[str] = mapped_column(String(64), primary_key=True)
    course_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    total_generated: Mapped[int] = _number()
    total_viewed: Mapped[int] = _number()
    last_generated: Mapped[object | None] = mapped_column(UTCDateTime)


class CountsDaily(CountsRow, db.Model):
    """One number of one entity on one UTC day; weeks are sums of days."""

    __tablename__ = "counts_daily"
    __table_args__ = (Index("ix_counts_daily_stat_date", "stat_date"),)

    entity_type: Mapped[str] = mapped_column(String(16), primary_key=True)
    entity_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    stat_date: Mapped[object] = mapped_column(Date, primary_key=True)
    metric: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[int] = _number()
