"""What a job's error may say: where it happened and of which kind, never the data that it was about."""

import re
import traceback

import redis
from sqlalchemy import exc

OURS = ("models.", "monitoring.", "workers.", "blockpy.", "rq.")
AWAY = (ConnectionError, TimeoutError, exc.OperationalError, exc.InterfaceError, exc.TimeoutError)
REDIS_AWAY = (redis.ConnectionError, redis.TimeoutError, redis.ReadOnlyError, redis.OutOfMemoryError)
NOTHING = "its text is not kept, since it could hold somebody's data"
REDIS_CODE = re.compile(r"[A-Z]{2,}\b")


def may_pass(error):
    """Whether the same job may succeed in a while: a part was away or busy, or the time was up."""
    lost = getattr(error, "connection_invalidated", False)
    return lost or isinstance(error, AWAY + REDIS_AWAY) or type(error).__name__ == "JobTimeoutException"


def told(error):
    """The whole traceback, as Python writes it, with only such words of the errors as hold nobody's data."""
    parts = [_one(part) for part in _chain(error)]
    return "\nWhile that was handled, another one came up:\n\n".join(parts)


def last_line(text):
    """The line of a traceback that names the error."""
    return text.rstrip().rpartition("\n")[2]


def words(error):
    """An error in one line, without data: `IntegrityError: 23505 uq_users_email`."""
    return f"{type(error).__qualname__}: {' '.join(_words(error).split())}"


def _chain(error):
    """The error and those that led to it, the first one first."""
    chain = []
    while error is not None and error not in chain:
        chain.insert(0, error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return chain


def _one(error):
    lines = "".join(traceback.format_tb(error.__traceback__))
    return f"Traceback (most recent call last):\n{lines}{type(error).__module__}.{words(error)}\n"


def _words(error):
    if isinstance(error, exc.DBAPIError):
        return _database_words(error.orig)
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError)):
        return str(error)
    if isinstance(error, redis.RedisError):
        # A pipeline's error repeats the command with its arguments; Redis's own first word is behind that.
        code = REDIS_CODE.match(str(error).rpartition("caused error: ")[2])
        return code.group() if code else NOTHING
    if isinstance(error, OSError):
        return error.strerror or NOTHING
    return str(error) if (type(error).__module__ + ".").startswith(OURS) else NOTHING


def _database_words(error):
    """SQLite's own words name columns only; PostgreSQL's repeat values, so only its code and names are taken."""
    state = getattr(error, "sqlstate", None)
    if state is not None:
        names = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
        return " ".join([state, *filter(None, names)])
    # Without a code no statement was answered: it was the connection that failed.
    without_values = type(error).__module__ == "sqlite3" or type(error).__name__ == "OperationalError"
    return str(error) if without_values else NOTHING
