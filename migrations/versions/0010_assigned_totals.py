"""How much each learner has been told is assigned in a course: changes are told by the difference."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade():
    """Apply."""
    op.create_table(
        "assigned_totals",
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=False),
        sa.Column("assignments", sa.Integer(), nullable=False),
        sa.Column("assignment_groups", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["course_id"], ["courses.id"], name=op.f("fk_assigned_totals_course_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_assigned_totals_user_id")),
        sa.PrimaryKeyConstraint("user_id", "course_id", name=op.f("pk_assigned_totals")),
    )
    op.create_index("ix_assigned_totals_course_id", "assigned_totals", ["course_id"], unique=False)


def downgrade():
    """Revert."""
    op.drop_index("ix_assigned_totals_course_id", table_name="assigned_totals")
    op.drop_table("assigned_totals")
