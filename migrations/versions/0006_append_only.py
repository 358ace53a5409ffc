"""The log is append only by the database's own word; S0's submission log is a view of it."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

REFUSAL = "study_events is append only"
VIEW = """
    CREATE VIEW submission_log AS
    SELECT id, event_id, user_id AS subject_id, actor_id, submission_id, assignment_id, course_id, event_type,
           properties, occurred_at, created_at
    FROM study_events WHERE submission_id IS NOT NULL
"""


def upgrade():
    """Apply."""
    if op.get_bind().dialect.name == "postgresql":
        _refuse_on_postgresql()
    else:
        _refuse_on_sqlite()
    op.execute(VIEW)


def _refuse_on_postgresql():
    op.execute(
        f"""
        CREATE FUNCTION refuse_change_of_the_log() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$
        """
    )
    op.execute(
        """
        CREATE TRIGGER study_events_append_only BEFORE UPDATE OR DELETE ON study_events
        FOR EACH ROW EXECUTE FUNCTION refuse_change_of_the_log()
        """
    )


def _refuse_on_sqlite():
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"""
            CREATE TRIGGER study_events_no_{verb.lower()} BEFORE {verb} ON study_events
            BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END
            """
        )


def downgrade():
    """Revert."""
    op.execute("DROP VIEW submission_log")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP TRIGGER study_events_append_only ON study_events")
        op.execute("DROP FUNCTION refuse_change_of_the_log()")
    else:
        op.execute("DROP TRIGGER study_events_no_update")
        op.execute("DROP TRIGGER study_events_no_delete")
