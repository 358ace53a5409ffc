"""Raised hands: at most one is up for each learner in a live session."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

UP = sa.text("lowered_at IS NULL")


def upgrade():
    """Apply."""
    op.create_table(
        "help_requests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("message", sa.String(length=500), nullable=False),
        sa.Column("raised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lowered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_help_requests_session_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_help_requests_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_help_requests")),
    )
    op.create_index(
        "uq_help_requests_up",
        "help_requests",
        ["session_id", "user_id"],
        unique=True,
        postgresql_where=UP,
        sqlite_where=UP,
    )


def downgrade():
    """Revert."""
    op.drop_index("uq_help_requests_up", table_name="help_requests")
    op.drop_table("help_requests")
