"""What teachers of a live session say to learners and to each other: hints with receipts, claims and snoozes;
and sessions that open by themselves at the time they were planned for."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_UNSEEN = sa.text("seen_at IS NULL")


def upgrade():
    """Apply."""
    op.create_table(
        "hints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("sender_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=True),
        sa.Column("message", sa.String(length=2000), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_hints_session_id")),
        sa.ForeignKeyConstraint(["sender_id"], ["users.id"], name=op.f("fk_hints_sender_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_hints_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_hints")),
    )
    op.create_index("ix_hints_session_id", "hints", ["session_id"], unique=False)
    op.create_table(
        "hint_receipts",
        sa.Column("hint_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["hint_id"], ["hints.id"], name=op.f("fk_hint_receipts_hint_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_hint_receipts_user_id")),
        sa.PrimaryKeyConstraint("hint_id", "user_id", name=op.f("pk_hint_receipts")),
    )
    op.create_index(
        "ix_hint_receipts_open",
        "hint_receipts",
        ["user_id"],
        unique=False,
        postgresql_where=_UNSEEN,
        sqlite_where=_UNSEEN,
    )
    op.create_table(
        "watch_marks",
        sa.Column("session_id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Integer(), nullable=True),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("snoozed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("snoozed_until", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["session_id"], ["sessions.id"], name=op.f("fk_watch_marks_session_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_watch_marks_user_id")),
        sa.ForeignKeyConstraint(["claimed_by"], ["users.id"], name=op.f("fk_watch_marks_claimed_by")),
        sa.PrimaryKeyConstraint("session_id", "user_id", name=op.f("pk_watch_marks")),
    )
    op.add_column("sessions", sa.Column("opens_by_time", sa.Boolean(), server_default=sa.false(), nullable=False))


def downgrade():
    """Revert."""
    op.drop_column("sessions", "opens_by_time")
    op.drop_table("watch_marks")
    op.drop_index(
        "ix_hint_receipts_open",
        table_name="hint_receipts",
        postgresql_where=_UNSEEN,
        sqlite_where=_UNSEEN,
    )
    op.drop_table("hint_receipts")
    op.drop_index("ix_hints_session_id", table_name="hints")
    op.drop_table("hints")
