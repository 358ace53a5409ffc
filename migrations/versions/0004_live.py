"""Classes, live sessions and attempts."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade():
    """Apply."""
    op.create_table(
        "classes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("teacher_id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=True),
        sa.Column("student_ids", sa.JSON(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("date_created", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_classes_course_id")),
        sa.ForeignKeyConstraint(["teacher_id"], ["users.id"], name=op.f("fk_classes_teacher_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_classes")),
    )
    op.create_index("ix_classes_name", "classes", ["name"], unique=False)
    op.create_index("ix_classes_status", "classes", ["status"], unique=False)
    op.create_index("ix_classes_teacher_id", "classes", ["teacher_id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("class_id", sa.Integer(), nullable=False),
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("created_by", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("participants", sa.JSON(), nullable=False),
        sa.Column("student_ids", sa.JSON(), nullable=False),
        sa.Column("scheduled_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("time_limit_minutes", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["class_id"], ["classes.id"], name=op.f("fk_sessions_class_id")),
        sa.ForeignKeyConstraint(["created_by"], ["users.id"], name=op.f("fk_sessions_created_by")),
        sa.ForeignKeyConstraint(["test_id"], ["assignments.id"], name=op.f("fk_sessions_test_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_class_id", "sessions", ["class_id"], unique=False)
    op.create_index("ix_sessions_created_by", "sessions", ["created_by"], unique=False)
    op.create_index(
        "ix_sessions_live",
        "sessions",
        ["scheduled_at"],
        unique=False,
        postgresql_where=sa.text("status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS')"),
        sqlite_where=sa.text("status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS')"),
    )
    op.create_index("ix_sessions_scheduled_at", "sessions", ["scheduled_at"], unique=False)
    op.create_index("ix_sessions_status", "sessions", ["status"], unique=False)
    op.create_index("ix_sessions_test_id", "sessions", ["test_id"], unique=False)
    op.create_table(
        "attempts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("student_id", sa.Integer(), nullable=False),
        sa.Column("test_id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=True),
        sa.Column("submission_id", sa.Integer(), nullable=True),
        sa.Column("assessment_attempt_id", sa.Integer(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("highlighted_text", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_attempts_session_id")),
        sa.ForeignKeyConstraint(["student_id"], ["users.id"], name=op.f("fk_attempts_student_id")),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_attempts_submission_id")),
        sa.ForeignKeyConstraint(["test_id"], ["assignments.id"], name=op.f("fk_attempts_test_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index("ix_attempts_session_id", "attempts", ["session_id"], unique=False)
    op.create_index("ix_attempts_status", "attempts", ["status"], unique=False)
    op.create_index("ix_attempts_student_id", "attempts", ["student_id"], unique=False)
    op.create_index("ix_attempts_test_id", "attempts", ["test_id"], unique=False)


def downgrade():
    """Revert."""
    op.drop_index("ix_attempts_test_id", table_name="attempts")
    op.drop_index("ix_attempts_student_id", table_name="attempts")
    op.drop_index("ix_attempts_status", table_name="attempts")
    op.drop_index("ix_attempts_session_id", table_name="attempts")
    op.drop_table("attempts")
    op.drop_index("ix_sessions_test_id", table_name="sessions")
    op.drop_index("ix_sessions_status", table_name="sessions")
    op.drop_index("ix_sessions_scheduled_at", table_name="sessions")
    op.drop_index(
        "ix_sessions_live",
        table_name="sessions",
        postgresql_where=sa.text("status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS')"),
        sqlite_where=sa.text("status IN ('WAITING_FOR_STUDENTS', 'IN_PROGRESS')"),
    )
    op.drop_index("ix_sessions_created_by", table_name="sessions")
    op.drop_index("ix_sessions_class_id", table_name="sessions")
    op.drop_table("sessions")
    op.drop_index("ix_classes_teacher_id", table_name="classes")
    op.drop_index("ix_classes_status", table_name="classes")
    op.drop_index("ix_classes_name", table_name="classes")
    op.drop_table("classes")
