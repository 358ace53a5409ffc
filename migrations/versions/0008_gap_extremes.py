"""Counts keep the shortest and the longest gap: percentiles are clamped to them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TABLES = ("submission_counts", "assignment_counts")
COLUMNS = ("edit_min_ms", "edit_max_ms", "attempt_min_ms", "attempt_max_ms")


def upgrade():
    """Apply."""
    for table in TABLES:
        for column in COLUMNS:
            op.add_column(table, sa.Column(column, sa.BigInteger(), nullable=True))


def downgrade():
    """Revert."""
    for table in TABLES:
        for column in COLUMNS:
            op.drop_column(table, column)
