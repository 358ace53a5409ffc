"""Migrations: up, down and up again; what they make is what the models say; the log refuses to be changed."""

import ast
from datetime import timedelta
from pathlib import Path

import flask_migrate
import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import func, inspect, select, text

from models.analytics_events import StudyEvent
from models.db import Base, db, release, transaction, utcnow
from tests.factories import make_event, store
from workers import upkeep

PARTITIONS = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'study_events'::regclass"
INDEXES = {
    "classes": {
        "ix_classes_teacher_id": ["teacher_id"],
        "ix_classes_status": ["status"],
        "ix_classes_name": ["name"],
    },
    "sessions": {
        "ix_sessions_class_id": ["class_id"],
        "ix_sessions_status": ["status"],
        "ix_sessions_scheduled_at": ["scheduled_at"],
        "ix_sessions_created_by": ["created_by"],
        "ix_sessions_test_id": ["test_id"],
        "ix_sessions_live": ["scheduled_at"],
    },
    "attempts": {
        "ix_attempts_session_id": ["session_id"],
        "ix_attempts_student_id": ["student_id"],
        "ix_attempts_status": ["status"],
        "ix_attempts_test_id": ["test_id"],
    },
    "study_events": {"ix_study_events_user_created": ["user_id", "created_at"]},
}


@pytest.fixture
def include_name(app):
    """The rule of `migrations/env.py`; the module itself cannot be imported, it runs."""
    path = Path(app.extensions["migrate"].directory) / "env.py"
    wanted = ("PARTITION_PREFIX", "include_name")
    tree = ast.parse(path.read_text())
    tree.body = [node for node in tree.body if _name_of(node) in wanted]
    names = {}
    exec(compile(tree, path, "exec"), names)
    return names["include_name"]


def _name_of(node):
    return getattr(node, "name", None) or getattr(getattr(node, "targets", [None])[0], "id", None)


def on_postgresql():
    return db.engine.dialect.name == "postgresql"


def things():
    """Tables with their columns, views, indexes and constraints, triggers and functions, as the database has them."""
    with db.engine.connect() as connection:
        found = inspect(connection)
        made = {f"view {name}" for name in found.get_view_names()}
        for table in found.get_table_names():
            if table != "alembic_version":
                made |= {f"{table} {column['name']} {column['type']}" for column in found.get_columns(table)}
                made |= {f"{table} {index['name']}" for index in found.get_indexes(table)}
                made |= {f"{table} {unique['name']}" for unique in found.get_unique_constraints(table)}
        rest = "SELECT 'trigger ' || name FROM sqlite_master WHERE type = 'trigger'"
        if on_postgresql():
            rest = (
                "SELECT 'trigger ' || tgname FROM pg_trigger WHERE NOT tgisinternal"
                " UNION SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace"
                " UNION SELECT 'sequence ' || relname FROM pg_class WHERE relkind = 'S'"
            )
        return made | set(connection.scalars(text(rest)))


def rows_of_the_log():
    release()
    return db.session.scalar(select(func.count()).select_from(StudyEvent))


def write(statement):
    with transaction() as session:
        session.execute(text(statement))


def partitions():
    release()
    return set(db.session.scalars(text(PARTITIONS)))


def month_name(months):
    today = utcnow()
    year, month = divmod(today.year * 12 + today.month - 1 + months, 12)
    return f"study_events_{year}_{month + 1:02}"


def test_every_migration_can_be_taken_back_and_applied_again(app):
    before = things()
    db.engine.dispose()

    flask_migrate.downgrade(revision="base")
    taken_back = things()
    flask_migrate.upgrade()

    assert taken_back == set()
    assert things() == before
    assert any(name.startswith("trigger study_events") for name in before)


def test_migrations_stand_in_one_row(app):
    scripts = ScriptDirectory(app.extensions["migrate"].directory)

    revisions = [script.revision for script in scripts.walk_revisions()]

    assert len(scripts.get_heads()) == 1
    assert sorted(revisions, reverse=True) == revisions == [f"{n:04}" for n in range(len(revisions), 0, -1)]


def test_the_database_is_what_the_models_say(app, include_name):
    with db.engine.connect() as connection:
        options = {"compare_type": True, "include_name": include_name}
        context = MigrationContext.configure(connection, opts=options)

        differences = compare_metadata(context, Base.metadata)

    assert differences == []


def test_the_comparison_itself_sees_a_difference(app, include_name):
    write("DROP INDEX ix_classes_name")
    write("CREATE TABLE odd (id int)")
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_name": include_name})

        differences = compare_metadata(context, Base.metadata)

    assert sorted(kind for kind, *_ in differences) == ["add_index", "remove_table"]


def test_every_promised_index_is_there_by_its_name(app):
    with db.engine.connect() as connection:
        found = {
            table: {index["name"]: index["column_names"] for index in inspect(connection).get_indexes(table)}
            for table in INDEXES
        }

    for table, wanted in INDEXES.items():
        assert {name: found[table].get(name) for name in wanted} == wanted


def test_every_constraint_has_a_name(app):
    unnamed = [
        f"{table.name}: {constraint}"
        for table in Base.metadata.sorted_tables
        for constraint in table.constraints
        if constraint.name is None
    ]

    assert unnamed == []


CHANGES = (
    "UPDATE study_events SET event_type = 'X-Other'",
    "UPDATE study_events SET user_id = user_id",
    "DELETE FROM study_events",
    "DELETE FROM study_events WHERE user_seq = 1",
)


def test_the_log_refuses_to_be_changed(school):
    store(make_event(school.submission()))
    before = rows_of_the_log()

    for change in CHANGES:
        with pytest.raises(sqlalchemy.exc.DBAPIError, match="append only"):
            write(change)

    assert rows_of_the_log() == before > 0


def test_the_submission_log_is_a_view_of_the_log(school):
    work = school.submission()
    store(make_event(work))

    release()
    rows = db.session.execute(text("SELECT subject_id, event_type FROM submission_log ORDER BY id")).all()

    assert [tuple(row) for row in rows] == [
        (work.user_id, "Submission.Create"),
        (work.user_id, "File.Create"),
        (work.user_id, "Run.Program"),
    ]


def test_the_log_has_partitions_ahead_and_making_them_again_changes_nothing(school, clock):
    store(make_event(school.submission()))
    before = partitions() if on_postgresql() else things()

    upkeep.make_partitions()
    upkeep.make_partitions()

    assert (partitions() if on_postgresql() else things()) == before
    if on_postgresql():
        expected = {month_name(ahead) for ahead in range(upkeep.MONTHS_AHEAD + 1)}
        assert before == {*expected, "study_events_default"}
        assert db.session.scalar(text("SELECT count(*) FROM study_events_default")) == 0
        assert db.session.scalar(text(f"SELECT count(*) FROM {month_name(0)}")) == rows_of_the_log() > 0


def test_a_missing_partition_is_made_again_and_takes_the_events_of_its_month(school, clock):
    last = month_name(upkeep.MONTHS_AHEAD)
    if on_postgresql():
        write(f"DROP TABLE {last}")
    event = make_event(school.submission())

    upkeep.make_partitions()
    year, month = map(int, last.rsplit("_", 2)[1:])
    clock(utcnow().replace(year=year, month=month, day=1, hour=0, minute=0, second=0, microsecond=0))
    store(event)

    place = text(f"SELECT event_id FROM {last if on_postgresql() else 'study_events'}")
    release()
    assert event.event_id in db.session.scalars(place).all()


def test_a_partition_begins_at_the_first_instant_of_its_month_and_ends_before_the_next(school, clock):
    first = utcnow().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    next_first = (first + timedelta(days=32)).replace(day=1)
    ends = make_event(school.submission(0)), make_event(school.submission(0))

    for moment, event in zip((next_first - timedelta(microseconds=1), next_first), ends, strict=True):
        clock(moment)
        store(event)

    release()
    for months, event in enumerate(ends):
        table = month_name(months) if on_postgresql() else "study_events"
        assert event.event_id in db.session.scalars(text(f"SELECT event_id FROM {table}")).all()
