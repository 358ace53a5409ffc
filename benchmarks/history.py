"""A school with a long history, written straight into an empty database: what benchmarks of the log stand on."""

import contextlib
import io
import json
import os
import platform
import random
import sqlite3
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import flask_migrate
import psycopg
import sqlalchemy
from sqlalchemy.engine import make_url

import app as application
from models.db import db

LEARNERS_OF_A_COURSE = 100
ASSIGNMENTS_OF_A_COURSE = 10
EVENTS_OF_A_LESSON = 100
SECONDS_BETWEEN = 7
KINDS = (
    [("File.Edit", {"file_path": "answer.py", "code_state_id": "0" * 64, "size": 120})] * 6
    + [("Run.Program", {"file_path": "answer.py"})] * 2
    + [("Run.Program", {"category": "ProgramErrorOutput", "message": "NameError: name 'x' is not defined"})]
    + [("Intervention", {"category": "instructor", "label": "tests", "message": "passed 2/4 tests"})]
)
EVENT_COLUMNS = (
    "event_id",
    "user_id",
    "actor_id",
    "user_seq",
    "created_at",
    "occurred_at",
    "event_type",
    "course_id",
    "assignment_id",
    "submission_id",
    "properties",
    "schema_version",
)
PAGE = 500


@contextlib.contextmanager
def application_on(database, redis_url=None):
    """An application on an empty, migrated database of its own: `sqlite`, or `postgresql` at BENCHMARK_DATABASE_URL."""
    with _database(database) as url:
        made = application_at(url, redis_url)
        with made.app_context():
            flask_migrate.upgrade()
            yield made
            db.session.remove()
            db.engine.dispose()


def application_at(url, redis_url=None):
    """An application on the database at a URL, with this Redis or the one that the environment names."""
    redis_url = redis_url or os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
    settings = {"DATABASE_URL": url, "SECRET_KEY": "only for benchmarks", "MESSAGE_QUEUE": False}
    settings |= {"REDIS_URL": redis_url, "LOG_LEVEL": "ERROR"}
    return application.create_app(settings)


@contextlib.contextmanager
def _database(database):
    if database == "sqlite":
        with tempfile.TemporaryDirectory() as folder:
            yield f"sqlite:///{Path(folder) / 'blockpy.sqlite'}"
        return
    server = make_url(os.environ.get("BENCHMARK_DATABASE_URL") or os.environ["TEST_POSTGRESQL_URL"])
    name = f"benchmark_{uuid.uuid4().hex[:8]}"
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield server.set(database=name).render_as_string(hide_password=False)
        finally:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    engine.dispose()


@contextlib.contextmanager
def driver(database):
    """A connection of the plain driver to the application's database, without anything of ours around it."""
    url = db.engine.url
    if database == "sqlite":
        connection = sqlite3.connect(url.database)
    else:
        connection = psycopg.connect(url.set(drivername="postgresql").render_as_string(hide_password=False))
    with contextlib.closing(connection):
        yield connection


def read_all(connection, *, after=0):
    """Read every event with a number above `after` as folds must, by learner and number, a page at a time."""
    mark = "?" if isinstance(connection, sqlite3.Connection) else "%s"
    statement = (
        f"SELECT * FROM study_events WHERE user_id = {mark} AND user_seq > {mark} ORDER BY user_seq LIMIT {PAGE}"
    )
    cursor = connection.cursor()
    count = 0
    for (user_id,) in cursor.execute("SELECT user_id FROM user_streams ORDER BY user_id").fetchall():
        seq = after
        while rows := cursor.execute(statement, (user_id, seq)).fetchall():
            count += len(rows)
            seq += len(rows)
    connection.commit()
    return count


def machine():
    """What a number was measured on, in words: a busy machine tells less."""
    python = platform.python_version()
    return f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}, Python {python}"


def write(events, *, learners=1000, seed=1, first_seq=1, works=ASSIGNMENTS_OF_A_COURSE):
    """Write `events` events of `learners` learners, each with so many works of a course. Nothing is folded."""
    chance = random.Random(seed)
    if first_seq == 1:
        _ground(learners)
    each = events // learners
    start = max(_month_start(), datetime.now(UTC) - timedelta(days=10))
    for user_id in range(1, learners + 1):
        _insert("study_events", EVENT_COLUMNS, _stream(user_id, each, start, chance, first_seq, works))
    last_seq = first_seq + each - 1
    with db.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE user_streams SET last_seq = {last_seq}, last_at = CURRENT_TIMESTAMP")
    _analyse()


def _month_start():
    now = datetime.now(UTC)
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _stream(user_id, each, start, chance, first_seq, works):
    """One learner's events: first the creation of each work, then a lesson's worth of one after the other."""
    course_id = (user_id - 1) // LEARNERS_OF_A_COURSE + 1
    step = min(SECONDS_BETWEEN, (datetime.now(UTC) - start).total_seconds() / (each + first_seq))
    for n in range(first_seq, first_seq + each):
        which = (n if n <= works else n // EVENTS_OF_A_LESSON) % works
        kind, properties = chance.choice(KINDS)
        if n <= works:
            kind, properties = "Submission.Create", {"group_ids": []}
        moment = start + timedelta(seconds=n * step)
        yield (
            str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            user_id,
            user_id,
            n,
            moment,
            moment,
            kind,
            course_id,
            (course_id - 1) * ASSIGNMENTS_OF_A_COURSE + which + 1,
            (user_id - 1) * ASSIGNMENTS_OF_A_COURSE + which + 1,
            json.dumps(properties),
            1,
        )


def _ground(learners):
    courses = range(1, -(-learners // LEARNERS_OF_A_COURSE) + 1)
    people, assignments = range(1, learners + 1), range(1, len(courses) * ASSIGNMENTS_OF_A_COURSE + 1)
    with db.engine.begin() as connection:
        metadata = sqlalchemy.MetaData()
        metadata.reflect(connection)
        rows = {
            "users": [{"id": n, "email": f"{n}@benchmark", "name": "N", **_FLAGS} for n in people],
            "courses": [{"id": n, "name": "C", "owner_id": 1} for n in courses],
            "assignments": [
                {"id": n, "name": "A", "owner_id": 1, "course_id": (n - 1) // ASSIGNMENTS_OF_A_COURSE + 1}
                for n in assignments
            ],
            "submissions": [_work(n) for n in range(1, learners * ASSIGNMENTS_OF_A_COURSE + 1)],
            "user_streams": [{"user_id": n, "last_seq": 0} for n in people],
            "projection_heads": [
                {"projection": "counts", "user_id": n, "folded_seq": 0, "calculation_version": 1} for n in people
            ],
        }
        for name, items in rows.items():
            table = metadata.tables[name]
            connection.execute(table.insert(), [_filled(table, item) for item in items])


_FLAGS = {"is_admin": False, "is_active": True, "login_version": 0}


def _work(number):
    user_id, which = (number - 1) // ASSIGNMENTS_OF_A_COURSE + 1, (number - 1) % ASSIGNMENTS_OF_A_COURSE
    course_id = (user_id - 1) // LEARNERS_OF_A_COURSE + 1
    assignment_id = (course_id - 1) * ASSIGNMENTS_OF_A_COURSE + which + 1
    return {"id": number, "user_id": user_id, "course_id": course_id, "assignment_id": assignment_id}


def _filled(table, row):
    """The row with something in every column that must not be empty."""
    for column in table.columns:
        if not column.nullable and column.name not in row and column.server_default is None:
            row[column.name] = _nothing(column.type)
    return row


def _nothing(kind):
    if isinstance(kind, sqlalchemy.JSON):
        return {}
    if isinstance(kind, sqlalchemy.Boolean):
        return False
    if isinstance(kind, sqlalchemy.DateTime):
        return datetime.now(UTC)
    return "" if isinstance(kind, sqlalchemy.String) else 0


def _insert(table, columns, rows):
    """As fast as the driver can: COPY on PostgreSQL, executemany on SQLite."""
    names = ", ".join(columns)
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        if db.engine.dialect.name == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                copy.write(_copied(rows))
        else:
            marks = ", ".join("?" * len(columns))
            cursor.execute("BEGIN")
            plain = ([v.replace(tzinfo=None).isoformat(" ") if isinstance(v, datetime) else v for v in r] for r in rows)
            cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", plain)
        connection.commit()
    finally:
        connection.close()


def _copied(rows):
    text = io.StringIO()
    for row in rows:
        text.write("\t".join(str(value).replace("\\", "\\\\") for value in row) + "\n")
    return text.getvalue()


def _analyse():
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE")
