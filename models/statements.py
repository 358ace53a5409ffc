"""The statements of the write path as the driver gets them: a handful for a batch, however many events it has.

The ORM's own are right and cost more than all else of an event. PostgreSQL gets rows as one document in one statement;
SQLite runs one short statement for each, since a call into it costs next to nothing.
"""

import json
from datetime import UTC, datetime
from functools import lru_cache

import orjson

EVENT_KINDS = {
    "event_id": "varchar",
    "user_id": "integer",
    "actor_id": "integer",
    "user_seq": "bigint",
    "created_at": "timestamptz",
    "occurred_at": "timestamptz",
    "session_id": "varchar",
    "event_type": "varchar",
    "course_id": "integer",
    "assignment_id": "integer",
    "submission_id": "integer",
    "properties": "json",
    "schema_version": "integer",
    "ip_address": "varchar",
    "user_agent": "varchar",
}
KEY_KINDS = {"event_id": "varchar", "user_id": "integer", "user_seq": "bigint", "content_hash": "varchar"}
END_KINDS = {"user_id": "integer", "last_seq": "bigint", "last_at": "timestamptz"}


def _document(name, kinds):
    """What reads the rows of a document in a FROM clause, in their order."""
    columns = ", ".join(f"{name} {kind}" for name, kind in kinds.items())
    return f"json_to_recordset(%({name})s) AS new({columns})"


def _names(kinds):
    return ", ".join(kinds)


STREAM = "user_id, last_seq, last_at"
KEY = _names(KEY_KINDS)
PLACE = "id, user_id, assignment_id, course_id"


def _each(columns, table, key, kind):
    """PostgreSQL: look each one up. `= ANY` of a prepared statement reads the whole of a table that was small once."""
    return (
        f"SELECT {columns} FROM unnest(%(wanted)s::{kind}[]) AS wanted(one) "
        f"CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {key} = wanted.one OFFSET 0) AS found"
    )


class _PostgreSQL:
    locked = f"SELECT {STREAM} FROM user_streams WHERE user_id = ANY(%(wanted)s) ORDER BY user_id FOR NO KEY UPDATE"
    known = _each(KEY, "event_keys", "event_id", "varchar")
    places = _each(PLACE, "submissions", "id", "integer")
    claim = (
        f"INSERT INTO event_keys ({_names(KEY_KINDS)}) SELECT {_names(KEY_KINDS)} FROM {_document('keys', KEY_KINDS)} "
        "ON CONFLICT (event_id) DO NOTHING RETURNING event_id"
    )
    # An event without its key rolls back, so both may go together; what is counted is what was free.
    write = (
        f"WITH claimed AS ({claim}), stored AS (INSERT INTO study_events ({_names(EVENT_KINDS)}) "
        f"SELECT {_names(EVENT_KINDS)} FROM {_document('rows', EVENT_KINDS)} RETURNING user_id, user_seq, id), "
        f"moved AS (UPDATE user_streams SET last_seq = new.last_seq, last_at = new.last_at "
        f"FROM {_document('ends', END_KINDS)} WHERE user_streams.user_id = new.user_id) "
        "SELECT user_id, user_seq, id, (SELECT count(*) FROM claimed) FROM stored"
    )

    def select(self, connection, statement, wanted):
        return connection.exec_driver_sql(statement, {"wanted": wanted})

    def moment(self, value):
        return value.astimezone(UTC) if value else None

    def claim_keys(self, connection, keys):
        return len(connection.exec_driver_sql(self.claim, {"keys": _told(keys)}).all()) == len(keys)

    def write_events(self, connection, keys, rows, ends):
        told = {"keys": _told(keys), "rows": _told(rows), "ends": _told(ends)}
        found = connection.exec_driver_sql(self.write, told).all()
        placed = {(user_id, seq): log_id for user_id, seq, log_id, _ in found}
        return [placed[row["user_id"], row["user_seq"]] for row in rows] if found[0].count == len(keys) else None


def _told(value):
    """JSON, by the fast encoder where it can: it knows no half surrogate pairs and no integers beyond 64 bits."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return json.dumps(value, default=datetime.isoformat)


class _SQLite:
    """Its one writer has the lock already: what was looked for and not found cannot come in between."""

    locked = f"SELECT {STREAM} FROM user_streams WHERE user_id IN (SELECT value FROM json_each(?)) ORDER BY user_id"
    known = f"SELECT {KEY} FROM event_keys WHERE event_id IN (SELECT value FROM json_each(?))"
    places = f"SELECT {PLACE} FROM submissions WHERE id IN (SELECT value FROM json_each(?))"
    claim = f"INSERT INTO event_keys ({_names(KEY_KINDS)}) VALUES (?, ?, ?, ?)"
    insert = f"INSERT INTO study_events (id, {_names(EVENT_KINDS)}) VALUES ({', '.join('?' * (len(EVENT_KINDS) + 1))})"
    advance = "UPDATE user_streams SET last_seq = ?, last_at = ? WHERE user_id = ?"

    def select(self, connection, statement, wanted):
        return connection.exec_driver_sql(statement, (json.dumps(wanted),))

    def moment(self, text):
        return datetime.fromisoformat(text).replace(tzinfo=UTC) if text else None

    def claim_keys(self, connection, keys):
        connection.exec_driver_sql(self.claim, [tuple(key.values()) for key in keys])
        return True

    def write_events(self, connection, keys, rows, ends):
        if keys:
            self.claim_keys(connection, keys)
        (last,) = connection.exec_driver_sql("SELECT coalesce(max(id), 0) FROM study_events").one()
        ids = range(last + 1, last + 1 + len(rows))
        connection.exec_driver_sql(
            self.insert, [_sqlite_row(log_id, row) for log_id, row in zip(ids, rows, strict=True)]
        )
        moved = [(end["last_seq"], _sqlite_text(end["last_at"]), end["user_id"]) for end in ends]
        connection.exec_driver_sql(self.advance, moved)
        return list(ids)


_CREATED, _OCCURRED, _PROPERTIES = (list(EVENT_KINDS).index(n) for n in ("created_at", "occurred_at", "properties"))


def _sqlite_row(log_id, row):
    values = [log_id, *row.values()]
    values[_CREATED + 1] = _sqlite_text(row["created_at"])
    values[_OCCURRED + 1] = _sqlite_text(row["occurred_at"])
    values[_PROPERTIES + 1] = _told(row["properties"])
    return tuple(values)


@lru_cache(maxsize=1024)
def _sqlite_text(moment):
    """As SQLAlchemy keeps a time there."""
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds") if moment else None


_DIALECTS = {"sqlite": _SQLite(), "postgresql": _PostgreSQL()}


def _of(session):
    connection = session.connection()
    return connection, _DIALECTS[connection.dialect.name]


def locked_streams(session, user_ids):
    """Lock these streams, ascending; answers (user_id, last_seq, last_at) of those that are there."""
    connection, dialect = _of(session)
    found = dialect.select(connection, dialect.locked, user_ids)
    return [(user_id, last_seq, dialect.moment(last_at)) for user_id, last_seq, last_at in found]


def known_keys(session, event_ids):
    """The keys that exist of these ids."""
    connection, dialect = _of(session)
    return dialect.select(connection, dialect.known, event_ids).all()


def places(session, submission_ids):
    """(id, user_id, assignment_id, course_id) of these submissions."""
    connection, dialect = _of(session)
    return dialect.select(connection, dialect.places, submission_ids).all()


def claim_keys(session, keys):
    """Insert these keys, in their order; answers whether all were free."""
    connection, dialect = _of(session)
    return dialect.claim_keys(connection, keys)


def write_events(session, keys, rows, ends):
    """Insert keys and events and move the ends of their streams; answers the log ids, or None: a key was taken."""
    connection, dialect = _of(session)
    return dialect.write_events(connection, keys, rows, ends)
