"""The database: the session, the one way to commit, the UTC type and the portable upsert."""

import sqlite3
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache

import orjson
from flask_migrate import Migrate
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import BigInteger, DateTime, MetaData, Numeric, bindparam, event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

SQLITE_WAIT_SECONDS = 30
SQLITE_RETRY_SECONDS = 0.0005
SQLITE_BUSY_MS = 5000
# The log of changes may grow to 32 MB before it is moved into the file: batches are a fifth quicker for it.
SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "wal_autocheckpoint=8000",
    f"busy_timeout={SQLITE_BUSY_MS}",
)
POSTGRESQL_OPTIONS = "-c timezone=utc -c idle_in_transaction_session_timeout=10000"


class Base(DeclarativeBase):
    """The base of every table; each constraint has a name, so that a migration can drop it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


# A row read or written belongs to its transaction: afterwards it is a detached copy, never silently read again.
db = SQLAlchemy(model_class=Base, session_options={"expire_on_commit": False})
migrate = Migrate()


class UTCDateTime(TypeDecorator):
    """An aware UTC instant; a naive one is refused, since nobody knows what it means."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value, dialect):
        """Store UTC; SQLite keeps it without the zone."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without zone: {value!r}")
        value = value.astimezone(UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value, dialect):
        """Always aware, whatever the driver gives."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)

    def result_processor(self, dialect, coltype):
        """PostgreSQL's are aware and in the zone of the connection, which is UTC: a log is read without a call each."""
        return None if dialect.name == "postgresql" else super().result_processor(dialect, coltype)


class ExactDecimal(TypeDecorator):
    """A decimal with a fixed scale, rounded half-up once; SQLite keeps it as an integer of the smallest unit."""

    impl = Numeric
    cache_ok = True

    def __init__(self, precision, scale):
        super().__init__(precision, scale)
        self.scale = scale
        self.unit = Decimal(1).scaleb(-scale)

    def load_dialect_impl(self, dialect):
        """NUMERIC, or BIGINT where the driver has no decimals."""
        return dialect.type_descriptor(BigInteger() if dialect.name == "sqlite" else self.impl)

    def process_bind_param(self, value, dialect):
        """Round to the scale, half-up."""
        if value is None:
            return None
        value = Decimal(value).quantize(self.unit, ROUND_HALF_UP)
        return int(value.scaleb(self.scale)) if dialect.name == "sqlite" else value

    def process_result_value(self, value, dialect):
        """A Decimal with exactly `scale` places."""
        if value is None:
            return None
        return Decimal(value).scaleb(-self.scale) if dialect.name == "sqlite" else value


def utcnow():
    """The clock, an aware UTC instant; only edges, jobs and `ingest` read it."""
    return datetime.now(UTC)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def to_ms(moment):
    """Whole milliseconds since 1970 of an aware instant, exactly."""
    return (moment - EPOCH) // MILLISECOND


def from_ms(milliseconds):
    """The aware instant of milliseconds since 1970; None stays None."""
    if milliseconds is None:
        return None
    seconds, rest = divmod(milliseconds, 1000)
    return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1000)


def iso(moment):
    """ISO 8601 in UTC with `Z`; None stays None."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z") if moment else None


def engine_options(url):
    """How to connect: a zone and a limit for frozen holders of locks on PostgreSQL, no waiting pool on SQLite.

    What an error tells of a statement are never its parameters: they are people's names and programs.
    """
    if url.startswith("sqlite"):
        return {
            "connect_args": {"check_same_thread": False},
            "pool_size": 20,
            "max_overflow": 40,
            "json_deserializer": orjson.loads,
            "hide_parameters": True,
        }
    return {
        "json_deserializer": orjson.loads,
        "hide_parameters": True,
        "connect_args": {"options": POSTGRESQL_OPTIONS, "connect_timeout": 5},
        "pool_size": 10,
        "max_overflow": 20,
        "pool_pre_ping": True,
    }


def prepare_engine(engine):
    """Make SQLite durable and honest about writers (domain 6), and PostgreSQL's connections cheap to take."""
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _sqlite_connected)
        event.listen(engine, "begin", _sqlite_begin)
    else:
        engine.dialect.do_ping = _postgresql_lives


def _postgresql_lives(connection):
    """Whether a connection can be used, from what has come by it unasked: its end would have come that way.

    Asking the server costs a tenth of an event. The first look may find its last words, the second one its end;
    psycopg raises then, and the pool makes a new connection.
    """
    connection.pgconn.consume_input()
    connection.pgconn.consume_input()
    return True


def _sqlite_connected(connection, _record):
    connection.isolation_level = None
    for pragma in SQLITE_PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _sqlite_begin(connection):
    """A writer takes the lock when it begins: upgrading a reader later fails at once, whatever the timeout."""
    if connection.get_execution_options().get("writes"):
        _begin_immediate(connection.connection.driver_connection)
    else:
        connection.exec_driver_sql("BEGIN")


def _begin_immediate(connection):
    """Poll for the write lock: SQLite's own wait sleeps up to 100 ms and misses a busy worker's gaps."""
    give_up = time.monotonic() + SQLITE_WAIT_SECONDS
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(SQLITE_RETRY_SECONDS)
    finally:
        connection.execute(f"PRAGMA busy_timeout={SQLITE_BUSY_MS}")


def begin_writing(session):
    """Start the session's transaction as a writer; a reader's transaction must have ended."""
    session.connection(execution_options={"writes": True})


@contextmanager
def transaction():
    """The one way to commit. Inside another transaction it joins it.

    Gives the session. What is given to `after_commit` runs once the outermost one has committed.
    """
    session = db.session()
    if session.info.get("writing"):
        yield session
        return
    release()
    session.info["writing"] = True
    session.info["told_later"] = []
    try:
        begin_writing(session)
        yield session
        session.commit()
        session.expunge_all()
        later = session.info["told_later"]
    except BaseException:
        session.rollback()
        raise
    finally:
        session.info["writing"] = False
        session.info["told_later"] = []
    for tell in later:
        tell()


def in_transaction():
    """Whether the current session is inside `transaction()`."""
    return bool(db.session().info.get("writing"))


def after_commit(tell):
    """Call `tell()` once the current transaction has committed; never if it does not."""
    db.session().info["told_later"].append(tell)


def release():
    """End a read: nothing is held while waiting for somebody else's commit, and the next read is fresh.

    Rows that were read stay as they were read, detached: another thread may look at them, and nobody can change the
    database through them.
    """
    session = db.session()
    if session.info.get("writing"):
        return
    if session.new or session.dirty or session.deleted:
        raise RuntimeError("rows were changed outside transaction()")
    session.commit()
    session.expunge_all()


def begin_reading():
    """Begin a read whose statements need no common picture: on PostgreSQL none of it waits for a BEGIN or a COMMIT."""
    session = db.session()
    if not (session.in_transaction() or _is_sqlite(session)):
        session.connection(execution_options={"isolation_level": "AUTOCOMMIT"})


def insert_for(session, table):
    """The dialect's INSERT, which knows ON CONFLICT."""
    return (sqlite if _is_sqlite(session) else postgresql).insert(table)


def _is_sqlite(session):
    return session.get_bind().dialect.name == "sqlite"


def insert_missing(session, table, rows, *, keys):
    """Insert the rows whose `keys` are not there yet; the others stay as they are. Answers nothing."""
    if rows:
        _insert_many(session, table, rows, tuple(keys), None)


def upsert(session, table, rows, *, keys, add=()):
    """Insert rows; where they exist overwrite every given column but `keys`, and add to those named in `add`."""
    if rows:
        _insert_many(session, table, rows, tuple(keys), tuple(add))


def _insert_many(session, table, rows, keys, add):
    names = tuple(rows[0])
    if _is_sqlite(session):
        session.execute(_each_row(table, names, keys, add), rows)
        return
    session.connection().exec_driver_sql(_all_rows(table, names, keys, add), {"rows": orjson.dumps(rows).decode()})


@cache
def _each_row(table, names, keys, add):
    """SQLite: one statement that is executed for each row."""
    statement = sqlite.insert(table).values({name: bindparam(name) for name in names})
    if add is None:
        return statement.on_conflict_do_nothing(index_elements=keys)
    new = statement.excluded
    changes = {name: table.c[name] + new[name] if name in add else new[name] for name in names if name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=changes)


@cache
def _all_rows(table, names, keys, add):
    """PostgreSQL: all rows as one document in one statement, in their order."""
    kinds = ", ".join(f"{name} {table.c[name].type.compile(dialect=postgresql.dialect())}" for name in names)
    told = f"INSERT INTO {table.name} ({', '.join(names)}) SELECT * FROM json_to_recordset(%(rows)s) AS new({kinds})"
    told = f"{told} ON CONFLICT ({', '.join(keys)})"
    if add is None:
        return f"{told} DO NOTHING"
    changes = [
        f"{name} = {table.name}.{name} + excluded.{name}" if name in add else f"{name} = excluded.{name}"
        for name in names
        if name not in keys
    ]
    return f"{told} DO UPDATE SET {', '.join(changes)}"
