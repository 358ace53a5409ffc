"""The few events that move shared rows by themselves have an index: recalculating one reads nothing else."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

CONTRIBUTING = sa.text(
    "event_type IN ('Submission.Create', 'Submit', 'assignment_created', 'assignment_group_created', "
    "'count_recorded', 'course_created', 'report_created', 'report_viewed', 'role_changed')"
)


def upgrade():
    """Apply."""
    op.create_index(
        "ix_study_events_contributing",
        "study_events",
        ["course_id", "user_id", "user_seq"],
        unique=False,
        postgresql_where=CONTRIBUTING,
        sqlite_where=CONTRIBUTING,
    )


def downgrade():
    """Revert."""
    op.drop_index("ix_study_events_contributing", table_name="study_events")
