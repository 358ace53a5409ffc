"""The log, its streams and keys, how far projections are.

On PostgreSQL the log is partitioned by the month of `created_at`; a key of a partitioned table must contain that
column, so what is unique lives in `event_keys`. The default partition is an alarm and must stay empty.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.schema import CreateSequence, DropSequence, Sequence

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LOG_IDS = Sequence("study_events_id_seq")
MONTHS_AHEAD = 3
OUTCOMES = sa.text("event_type IN ('Run.Program', 'Compile.Error', 'Intervention')")


def upgrade():
    """Apply."""
    partitioned = op.get_bind().dialect.name == "postgresql"
    if partitioned:
        op.execute(CreateSequence(LOG_IDS))
    op.create_table(
        "event_keys",
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("user_seq", sa.BigInteger(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event_keys")),
        sa.UniqueConstraint("user_id", "user_seq", name=op.f("uq_event_keys_user_id_user_seq")),
    )
    op.create_table(
        "projection_heads",
        sa.Column("projection", sa.String(length=32), nullable=False),
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("folded_seq", sa.BigInteger(), nullable=False),
        sa.Column("calculation_version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("projection", "user_id", name=op.f("pk_projection_heads")),
    )
    op.create_table(
        "study_events",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            nullable=False,
            server_default=LOG_IDS.next_value() if partitioned else None,
        ),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("user_id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=True),
        sa.Column("user_seq", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("session_id", sa.String(length=80), nullable=True),
        sa.Column("event_type", sa.String(length=255), nullable=False),
        sa.Column("course_id", sa.Integer(), nullable=True),
        sa.Column("assignment_id", sa.Integer(), nullable=True),
        sa.Column("submission_id", sa.Integer(), nullable=True),
        sa.Column("assessment_id", sa.Integer(), nullable=True),
        sa.Column("question_id", sa.Integer(), nullable=True),
        sa.Column("topic_id", sa.Integer(), nullable=True),
        sa.Column("material_id", sa.Integer(), nullable=True),
        sa.Column("properties", sa.JSON(), nullable=False),
        sa.Column("schema_version", sa.Integer(), nullable=False),
        sa.Column("ip_address", sa.String(length=45), nullable=True),
        sa.Column("user_agent", sa.String(length=80), nullable=True),
        sa.PrimaryKeyConstraint(*(("id", "created_at") if partitioned else ("id",)), name=op.f("pk_study_events")),
        postgresql_partition_by="RANGE (created_at)",
    )
    op.create_index(
        "ix_study_events_course_user_seq", "study_events", ["course_id", "user_id", "user_seq"], unique=False
    )
    op.create_index("ix_study_events_submission_seq", "study_events", ["submission_id", "user_seq"], unique=False)
    op.create_index(
        "ix_study_events_outcomes",
        "study_events",
        ["submission_id", "user_seq"],
        unique=False,
        postgresql_where=OUTCOMES,
        sqlite_where=OUTCOMES,
    )
    op.create_index("ix_study_events_user_created", "study_events", ["user_id", "created_at"], unique=False)
    op.create_index("ix_study_events_user_seq", "study_events", ["user_id", "user_seq"], unique=False)
    op.create_table(
        "user_streams",
        sa.Column("user_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("user_id", name=op.f("pk_user_streams")),
    )
    if partitioned:
        make_partitions()


def make_partitions():
    """This month's partition, three months ahead, and the default one."""
    op.execute("CREATE TABLE study_events_default PARTITION OF study_events DEFAULT")
    op.execute(
        f"""
        DO $$
        DECLARE month date := date_trunc('month', now() AT TIME ZONE 'UTC');
        BEGIN
            FOR i IN 0..{MONTHS_AHEAD} LOOP
                EXECUTE format(
                    'CREATE TABLE study_events_%s PARTITION OF study_events FOR VALUES FROM (%L) TO (%L)',
                    to_char(month, 'YYYY_MM'),
                    month::timestamp AT TIME ZONE 'UTC',
                    (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
                );
                month := month + interval '1 month';
            END LOOP;
        END $$
        """
    )


def downgrade():
    """Revert."""
    op.drop_table("user_streams")
    op.drop_index("ix_study_events_user_seq", table_name="study_events")
    op.drop_index("ix_study_events_user_created", table_name="study_events")
    op.drop_index("ix_study_events_outcomes", table_name="study_events")
    op.drop_index("ix_study_events_submission_seq", table_name="study_events")
    op.drop_index("ix_study_events_course_user_seq", table_name="study_events")
    op.drop_table("study_events")
    if op.get_bind().dialect.name == "postgresql":
        op.execute(DropSequence(LOG_IDS))
    op.drop_table("projection_heads")
    op.drop_table("event_keys")
