"""Jobs that only tests enqueue: they take their time, or fail in the ways that jobs fail."""

import time
from pathlib import Path

import redis
import sqlalchemy
from sqlalchemy.orm import Session

from models.db import db, transaction
from models.errors import NotFound
from models.user import User
from monitoring import memory
from workers import queue

SECRET = "print('the answer of Pupil 07')"


def work_for(seconds, path):
    """Take so long, then leave a line in a file."""
    time.sleep(seconds)
    with Path(path).open("a") as file:
        file.write("done\n")


def slow_at_first(path):
    """Take a minute the first time, and leave a line in a file the second time."""
    begun = Path(f"{path}.begun")
    if not begun.exists():
        begun.touch()
        time.sleep(60)
    work_for(0, path)


def until_stopped(path):
    """Go on until the worker is asked to stop, as a long job does that can go on elsewhere."""
    while not queue.stopping():
        time.sleep(0.05)
    work_for(0, path)


def need(path):
    """Fail until the file is there."""
    if not Path(path).exists():
        raise NotFound("The file is not there.")


def fail(way):
    """Fail in a way of `WAYS`; what can hold a value holds the secret."""
    WAYS[way]()


def _twice_the_same():
    with transaction() as session:
        session.add_all([User(name=SECRET, email=SECRET), User(name=SECRET, email=SECRET)])


def _empty_column():
    with transaction() as session:
        session.execute(sqlalchemy.insert(User).values(name=SECRET, email=None))


def _wrong_statement():
    db.session.execute(sqlalchemy.text("SELECT :value FROM no_such_table"), {"value": SECRET})


def _key():
    return {}[SECRET]


def _number():
    return int(SECRET)


def _while_handling():
    try:
        _number()
    except ValueError as error:
        raise RuntimeError(SECRET) from error


def _redis_command():
    memory().set("text", SECRET)
    with memory().pipeline() as pipeline:
        pipeline.lpush("text", SECRET).execute()


def _database_away():
    engine = sqlalchemy.create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none")
    with Session(engine) as session:
        session.execute(sqlalchemy.text("SELECT :value"), {"value": SECRET})


def _redis_away():
    redis.Redis(host="127.0.0.1", port=1).set("key", SECRET)


def _time_is_up():
    raise TimeoutError(SECRET)


def _not_found():
    raise NotFound("There is no course 5.")


# way: what does it
WAYS = {
    "twice the same": _twice_the_same,
    "empty column": _empty_column,
    "wrong statement": _wrong_statement,
    "key": _key,
    "number": _number,
    "while handling": _while_handling,
    "redis command": _redis_command,
    "not found": _not_found,
    "database away": _database_away,
    "redis away": _redis_away,
    "time is up": _time_is_up,
}
PASSES = ("database away", "redis away", "time is up")
