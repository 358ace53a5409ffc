"""Runs go on where they stopped, show that they live, and one of a scope runs while at most one waits."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade():
    """Apply."""
    op.add_column("job_runs", sa.Column("place", sa.String(length=48), nullable=True))
    op.add_column("job_runs", sa.Column("checkpoint", sa.JSON(), nullable=True))
    op.add_column("job_runs", sa.Column("heartbeat_at", sa.DateTime(timezone=True), nullable=True))
    runs = sa.table("job_runs", *(sa.column(name) for name in ("status", "error", "place")))
    unknown = sa.update(runs).where(runs.c.place.is_(None), runs.c.status.in_(("queued", "running")))
    op.execute(unknown.values(status="failed", error="It was asked for before an update; ask again."))
    for status in ("queued", "running"):
        where = sa.text(f"status = '{status}'")
        op.create_index(
            f"uq_job_runs_{status}", "job_runs", ["place"], unique=True, postgresql_where=where, sqlite_where=where
        )


def downgrade():
    """Revert."""
    for status in ("queued", "running"):
        op.drop_index(f"uq_job_runs_{status}", table_name="job_runs")
    for column in ("heartbeat_at", "checkpoint", "place"):
        op.drop_column("job_runs", column)
