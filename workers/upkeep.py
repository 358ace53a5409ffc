"""Jobs that keep the house: partitions of the log are made before they are needed."""

from sqlalchemy import text

from models.db import transaction

MONTHS_AHEAD = 3
MAKE_PARTITIONS = """
    DO $$
    DECLARE
        month date := date_trunc('month', now() AT TIME ZONE 'UTC');
        name text;
    BEGIN
        FOR i IN 0..{months} LOOP
            name := 'study_events_' || to_char(month, 'YYYY_MM');
            IF to_regclass(name) IS NULL THEN
                EXECUTE format(
                    'CREATE TABLE %I PARTITION OF study_events FOR VALUES FROM (%L) TO (%L)',
                    name,
                    month::timestamp AT TIME ZONE 'UTC',
                    (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
                );
            END IF;
            month := month + interval '1 month';
        END LOOP;
    END $$
"""


def make_partitions():
    """Make the log's partitions of this month and the next three where they are missing (PostgreSQL)."""
    with transaction() as session:
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text(MAKE_PARTITIONS.format(months=MONTHS_AHEAD).replace(":=", r"\:=")))
