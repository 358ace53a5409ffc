"""Everything is counted once more from the log: days, reports, extremes and assigned totals had no folds before.

Heads and what they have moved go back to nothing together, in one transaction, so nothing is counted twice; the
workers fill the tables again. Running it again only counts once more.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COUNTS = (
    "user_counts",
    "submission_counts",
    "assignment_counts",
    "assignment_group_counts",
    "course_counts",
    "report_counts",
    "counts_daily",
)


def upgrade():
    """Apply. Who folds has heads locked first and ends before; who comes later waits, or its rows would stay."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"LOCK TABLE {', '.join(('projection_heads', *COUNTS))} IN EXCLUSIVE MODE")
    for table in COUNTS:
        op.execute(sa.delete(sa.table(table)))
    heads = sa.table("projection_heads", sa.column("projection"), sa.column("folded_seq"))
    op.execute(sa.update(heads).where(heads.c.projection == "counts").values(folded_seq=0))


def downgrade():
    """Revert."""
    upgrade()
