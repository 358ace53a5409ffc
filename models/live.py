"""Live sessions as they are stored: classes, sessions with their participants, live attempts (S3)."""

from sqlalchemy import ForeignKey, Index, String, false, text
from sqlalchemy.orm import Mapped, mapped_column, validates
from sqlalchemy.types import JSON

from models.db import UTCDateTime, db, iso, utcnow
from models.errors import Invalid

ACTIVE, ARCHIVED = "ACTIVE", "ARCHIVED"
SCHEDULED, WAITING_FOR_STUDENTS, IN_PROGRESS = "SCHEDULED", "WAITING_FOR_STUDENTS", "IN_PROGRESS"
COMPLETED, CANCELLED = "COMPLETED", "CANCELLED"
OPEN_STATES = (SCHEDULED, WAITING_FOR_STUDENTS, IN_PROGRESS)
CONNECTED, DISCONNECTED = "CONNECTED", "DISCONNECTED"
SUBMITTED, ABANDONED = "SUBMITTED", "ABANDONED"
MOST_STUDENTS = 999
MOST_HINT = 2000
MOST_HIGHLIGHTS = 999
PARTICIPANT_KEYS = ("student_id", "attempt_id", "joined_at", "connection_status", "last_activity")

_LIVE = text("status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS')")


class ClassModel(db.Model):
    """A teaching class: a teacher, a course, and the students who may join its live sessions."""

    __tablename__ = "classes"
    __table_args__ = (
        Index("ix_classes_teacher_id", "teacher_id"),
        Index("ix_classes_status", "status"),
        Index("ix_classes_name", "name"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    teacher_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    course_id: Mapped[int | None] = mapped_column(ForeignKey("courses.id"))
    student_ids: Mapped[list] = mapped_column(JSON, default=list)
    status: Mapped[str] = mapped_column(String(16), default=ACTIVE)
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)

    @validates("student_ids")
    def _check_students(self, _key, value):
        """Whole ids, each once, fewer than 1,000 (S3-34)."""
        if not isinstance(value, list) or not all(type(item) is int and item > 0 for item in value):
            raise Invalid("student_ids is a list of user ids.", field="student_ids")
        value = sorted(set(value))
        if len(value) > MOST_STUDENTS:
            raise Invalid(f"A class has at most {MOST_STUDENTS} students.", field="student_ids")
        return value

    def as_dict(self):
        """S3's fields and the course."""
        return {
            "id": self.id,
            "name": self.name,
            "teacher_id": self.teacher_id,
            "course_id": self.course_id,
            "student_ids": self.student_ids,
            "status": self.status,
        }


class SessionModel(db.Model):
    """A live session: a class works on an assignment (`test_id`) under watch.

    `participants` changes only through `mutate_participants`; `student_ids` is the class's list as it was at opening.
    `opens_by_time` says that it was planned for a time to come, and opens then by itself.
    """

    __tablename__ = "sessions"
    __table_args__ = (
        Index("ix_sessions_class_id", "class_id"),
        Index("ix_sessions_status", "status"),
        Index("ix_sessions_scheduled_at", "scheduled_at"),
        Index("ix_sessions_created_by", "created_by"),
        Index("ix_sessions_test_id", "test_id"),
        Index("ix_sessions_live", "scheduled_at", postgresql_where=_LIVE, sqlite_where=_LIVE),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    class_id: Mapped[int] = mapped_column(ForeignKey("classes.id"))
    test_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    created_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    status: Mapped[str] = mapped_column(String(32), default=SCHEDULED)
    participants: Mapped[list] = mapped_column(JSON, default=list)
    student_ids: Mapped[list] = mapped_column(JSON, default=list)
    scheduled_at: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)
    started_at: Mapped[object | None] = mapped_column(UTCDateTime)
    completed_at: Mapped[object | None] = mapped_column(UTCDateTime)
    time_limit_minutes: Mapped[int | None]
    opens_by_time: Mapped[bool] = mapped_column(default=False, server_default=false())
    version: Mapped[int] = mapped_column(default=0)

    def as_dict(self, *, class_name, assignment_name):
        """S3's fields without participants, with `assignment_id` and the names of class and assignment."""
        return {
            "id": self.id,
            "class_id": self.class_id,
            "class_name": class_name,
            "test_id": self.test_id,
            "assignment_id": self.test_id,
            "assignment_name": assignment_name,
            "created_by": self.created_by,
            "status": self.status,
            "scheduled_at": iso(self.scheduled_at),
            "started_at": iso(self.started_at),
            "completed_at": iso(self.completed_at),
            "time_limit_minutes": self.time_limit_minutes,
            "version": self.version,
        }


class AttemptModel(db.Model):
    """One learner's place in a live session; attempts without a session stay possible."""

    __tablename__ = "attempts"
    __table_args__ = (
        Index("ix_attempts_session_id", "session_id"),
        Index("ix_attempts_student_id", "student_id"),
        Index("ix_attempts_status", "status"),
        Index("ix_attempts_test_id", "test_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    student_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    test_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    session_id: Mapped[int | None] = mapped_column(ForeignKey("sessions.id"))
    submission_id: Mapped[int | None] = mapped_column(ForeignKey("submissions.id"))
    assessment_attempt_id: Mapped[int | None]
    status: Mapped[str] = mapped_column(String(16), default=IN_PROGRESS)
    highlighted_text: Mapped[list] = mapped_column(JSON, default=list)
    started_at: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)
    ended_at: Mapped[object | None] = mapped_column(UTCDateTime)

    def as_dict(self):
        """S3's fields, and whose work it is."""
        return {
            "id": self.id,
            "student_id": self.student_id,
            "test_id": self.test_id,
            "session_id": self.session_id,
            "submission_id": self.submission_id,
            "status": self.status,
            "highlighted_text": self.highlighted_text,
            "started_at": iso(self.started_at),
            "ended_at": iso(self.ended_at),
        }


class HelpRequest(db.Model):
    """A learner's raised hand in a live session; at most one is up, and the database keeps it so."""

    __tablename__ = "help_requests"
    __table_args__ = (
        Index(
            "uq_help_requests_up",
            "session_id",
            "user_id",
            unique=True,
            postgresql_where=text("lowered_at IS NULL"),
            sqlite_where=text("lowered_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    message: Mapped[str] = mapped_column(String(500), default="")
    raised_at: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)
    lowered_at: Mapped[object | None] = mapped_column(UTCDateTime)


class Hint(db.Model):
    """What a teacher tells one learner of a live session, or all of them (`user_id` None)."""

    __tablename__ = "hints"
    __table_args__ = (Index("ix_hints_session_id", "session_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"))
    sender_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    message: Mapped[str] = mapped_column(String(MOST_HINT))
    sent_at: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)


class HintReceipt(db.Model):
    """How far a hint came with one of its learners: at a client of his, and before his eyes."""

    __tablename__ = "hint_receipts"
    __table_args__ = (
        Index(
            "ix_hint_receipts_open",
            "user_id",
            postgresql_where=text("seen_at IS NULL"),
            sqlite_where=text("seen_at IS NULL"),
        ),
    )

    hint_id: Mapped[int] = mapped_column(ForeignKey("hints.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    delivered_at: Mapped[object | None] = mapped_column(UTCDateTime)
    seen_at: Mapped[object | None] = mapped_column(UTCDateTime)


class WatchMark(db.Model):
    """What the teachers of a live session have agreed about one learner: who is on it, and till when it can wait."""

    __tablename__ = "watch_marks"

    session_id: Mapped[int] = mapped_column(ForeignKey("sessions.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    claimed_by: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    claimed_at: Mapped[object | None] = mapped_column(UTCDateTime)
    snoozed_at: Mapped[object | None] = mapped_column(UTCDateTime)
    snoozed_until: Mapped[object | None] = mapped_column(UTCDateTime)
