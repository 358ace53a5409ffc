"""The machinery of the log: a stream per learner, the keys of idempotence, how far each projection is, runs of jobs."""

from sqlalchemy import BigInteger, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from models.db import UTCDateTime, db, iso

# Kinds of runs: somebody asked for it, or each night's look at a sample.
RECALCULATION, VERIFICATION = RECALCULATIONS = ("recalculation", "verification")
QUEUED, RUNNING, DONE, FAILED, CANCELLED = "queued", "running", "done", "failed", "cancelled"


class UserStream(db.Model):
    """The end of one learner's stream. Its row is the lock under which events get their numbers."""

    __tablename__ = "user_streams"

    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    last_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    last_at: Mapped[object | None] = mapped_column(UTCDateTime)


class EventKey(db.Model):
    """An event's id and what it said, as long as the event lives: a retry finds it and changes nothing."""

    __tablename__ = "event_keys"
    __table_args__ = (UniqueConstraint("user_id", "user_seq"),)

    event_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[int]
    user_seq: Mapped[int] = mapped_column(BigInteger)
    content_hash: Mapped[str] = mapped_column(String(64))


class ProjectionHead(db.Model):
    """How far one projection has folded one learner's stream. Its row is the lock of the learner's own rows."""

    __tablename__ = "projection_heads"

    projection: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    folded_seq: Mapped[int] = mapped_column(BigInteger, default=0)
    calculation_version: Mapped[int] = mapped_column(default=1)


class AnalyticsAccessAudit(db.Model):
    """Who looked at whose data, when and where: one row per page, pane, export or watch."""

    __tablename__ = "analytics_access_audit"
    __table_args__ = (
        Index("ix_analytics_access_audit_subject_id", "subject_id", "at"),
        Index("ix_analytics_access_audit_actor_id", "actor_id", "at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    actor_id: Mapped[int]
    subject_id: Mapped[int | None]
    what: Mapped[str] = mapped_column(String(64))
    scope: Mapped[str] = mapped_column(String(64), default="")
    at: Mapped[object] = mapped_column(UTCDateTime)


class JobRun(db.Model):
    """One run of a job that a person asked for or that is due, with how far it is and what it found.

    `place` names what it is about: of each place one run is running and at most one is waiting, by the database's own
    word. A run goes on from its `checkpoint`; one whose heartbeat has stopped is nobody's any more.
    """

    __tablename__ = "job_runs"
    __table_args__ = (
        Index("ix_job_runs_status", "status"),
        Index("ix_job_runs_kind", "kind", "id"),
        *(
            Index(
                f"uq_job_runs_{status}",
                "place",
                unique=True,
                postgresql_where=text(f"status = '{status}'"),
                sqlite_where=text(f"status = '{status}'"),
            )
            for status in (QUEUED, RUNNING)
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(32))
    scope: Mapped[str] = mapped_column(String(16))
    scope_id: Mapped[int | None]
    place: Mapped[str | None] = mapped_column(String(48))
    checkpoint: Mapped[dict | None] = mapped_column(JSON(none_as_null=True))
    heartbeat_at: Mapped[object | None] = mapped_column(UTCDateTime)
    dry_run: Mapped[bool] = mapped_column(default=False)
    status: Mapped[str] = mapped_column(String(16), default=QUEUED)
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    differences: Mapped[list] = mapped_column(JSON, default=list)
    error: Mapped[str | None] = mapped_column(String(500))
    requested_by: Mapped[int | None]
    created_at: Mapped[object] = mapped_column(UTCDateTime)
    started_at: Mapped[object | None] = mapped_column(UTCDateTime)
    finished_at: Mapped[object | None] = mapped_column(UTCDateTime)

    def as_dict(self):
        """The job of contract api.md, with `scope_id`, `dry_run` and `error` beside it."""
        return {
            "id": self.id,
            "scope": self.scope,
            "scope_id": self.scope_id,
            "dry_run": self.dry_run,
            "status": self.status,
            "done": self.done,
            "total": self.total,
            "changed": self.changed,
            "differences": self.differences,
            "error": self.error,
            "created_at": iso(self.created_at),
            "started_at": iso(self.started_at),
            "finished_at": iso(self.finished_at),
            "requested_by": self.requested_by,
        }
