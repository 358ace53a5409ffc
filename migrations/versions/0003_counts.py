"""The counts tables of S0."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade():
    """Apply."""
    op.create_table(
        "counts_daily",
        sa.Column("entity_type", sa.String(length=16), nullable=False),
        sa.Column("entity_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stat_date", sa.Date(), nullable=False),
        sa.Column("metric", sa.String(length=32), nullable=False),
        sa.Column("value", sa.BigInteger(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("entity_type", "entity_id", "stat_date", "metric", name=op.f("pk_counts_daily")),
    )
    op.create_index("ix_counts_daily_stat_date", "counts_daily", ["stat_date"], unique=False)
    op.create_table(
        "report_counts",
        sa.Column("report_type", sa.String(length=64), nullable=False),
        sa.Column("course_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total_generated", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_viewed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_generated", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("report_type", "course_id", name=op.f("pk_report_counts")),
    )
    op.create_table(
        "user_counts",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total_courses_in", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_assignments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_assignment_groups", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_submissions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_reports", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("estimated_time_spent", sa.Float(), server_default="0", nullable=False),
        sa.Column("time_spent_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_logged_in", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_edited", sa.DateTime(timezone=True), nullable=True),
        sa.Column("folded_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("calculation_version", sa.Integer(), server_default="1", nullable=False),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_counts")),
    )
    op.create_table(
        "course_counts",
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("total_submissions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_assignments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_assignment_groups", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_users", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_students", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_instructors", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("date_last_user", sa.DateTime(timezone=True), nullable=True),
        sa.Column("date_last_submission", sa.DateTime(timezone=True), nullable=True),
        sa.Column("date_last_assignment", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_course_counts_course_id")),
        sa.PrimaryKeyConstraint("course_id", name=op.f("pk_course_counts")),
    )
    op.create_table(
        "assignment_counts",
        sa.Column("assignment_id", sa.Integer(), nullable=False),
        sa.Column("total_submissions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("date_last_submission", sa.DateTime(timezone=True), nullable=True),
        sa.Column("edit_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_sum_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_sumsq_ms2", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_sum_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_sumsq_ms2", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_hist", sa.JSON(), nullable=False),
        sa.Column("attempt_hist", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["assignment_id"], ["assignments.id"], name=op.f("fk_assignment_counts_assignment_id")),
        sa.PrimaryKeyConstraint("assignment_id", name=op.f("pk_assignment_counts")),
    )
    op.create_table(
        "assignment_group_counts",
        sa.Column("assignment_group_id", sa.Integer(), nullable=False),
        sa.Column("total_assignments", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total_submissions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("date_last_submission", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["assignment_group_id"],
            ["assignment_groups.id"],
            name=op.f("fk_assignment_group_counts_assignment_group_id"),
        ),
        sa.PrimaryKeyConstraint("assignment_group_id", name=op.f("pk_assignment_group_counts")),
    )
    op.create_table(
        "submission_counts",
        sa.Column("submission_id", sa.Integer(), nullable=False),
        sa.Column("runs", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edits", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("average_edit_time", sa.Float(), server_default="0", nullable=False),
        sa.Column("average_attempt_time", sa.Float(), server_default="0", nullable=False),
        sa.Column("estimated_time_spent", sa.Float(), server_default="0", nullable=False),
        sa.Column("syntax_errors", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("runtime_errors", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed_instructor_tests", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("syntax_outcomes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("syntax_feedbacks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("runtime_outcomes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("runtime_feedbacks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_sum_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_sumsq_ms2", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_sum_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("attempt_sumsq_ms2", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("time_spent_ms", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("edit_hist", sa.JSON(), nullable=False),
        sa.Column("attempt_hist", sa.JSON(), nullable=False),
        sa.Column("last_event_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_edit_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_run_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("folded_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("calculation_version", sa.Integer(), server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["submission_id"], ["submissions.id"], name=op.f("fk_submission_counts_submission_id")),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_submission_counts")),
    )


def downgrade():
    """Revert."""
    op.drop_table("submission_counts")
    op.drop_table("assignment_group_counts")
    op.drop_table("assignment_counts")
    op.drop_table("course_counts")
    op.drop_table("user_counts")
    op.drop_table("report_counts")
    op.drop_index("ix_counts_daily_stat_date", table_name="counts_daily")
    op.drop_table("counts_daily")
