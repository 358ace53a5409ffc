"""A report keeps what it said when it was made."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade():
    """Apply."""
    op.add_column("reports", sa.Column("content", sa.JSON(), nullable=True))
    op.create_index("ix_reports_course_id", "reports", ["course_id", "id"], unique=False)


def downgrade():
    """Revert."""
    op.drop_index("ix_reports_course_id", table_name="reports")
    op.drop_column("reports", "content")
