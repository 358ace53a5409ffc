"""A database that stands still: nothing acknowledged is lost, nobody is shown as gone, and all is right afterwards."""

import contextlib
import sqlite3
import time

import pytest
import sqlalchemy

from tests.clients import eventually
from tests.faults import FULL
from tests.faults.load import writing
from tests.postgres_server import PostgresServer

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

SECONDS = 20
SHORT_SECONDS = 4
PARTS = ("web", "web2", "counts")


@contextlib.contextmanager
def locked(house):
    """Nobody writes to the SQLite file."""
    path = sqlalchemy.engine.make_url(house.installation.environment["DATABASE_URL"]).database
    with contextlib.closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield
        connection.execute("ROLLBACK")


def stand_still(house, school, frozen):
    """Everybody works on while the database stands still; then all is right."""
    web2 = house.installation.url_of("web2")
    tabs = school.tabs(urls=[house.url, web2])
    watchers = [school.watch(), school.watch(url=web2)]
    school.until_joined(tabs)
    caller = school.caller(school.pupils[0], pause_seconds=0.2)

    with writing([caller]):
        eventually(lambda: len(caller.acknowledged) > 2, 10, "he works")
        with frozen:
            time.sleep(0.2)
            known = len(caller.acknowledged)
            [tab.work(3) for tab in tabs]
            time.sleep(SECONDS if FULL else SHORT_SECONDS)
            stored = len(caller.acknowledged) - known
            sent = sum(len(tab.acknowledged) for tab in tabs)
        ended = time.monotonic()
        eventually(lambda: len(caller.acknowledged) > known + 2, 30, "he works on")
        print(f"he works on {time.monotonic() - ended:.1f} s after the end of the fault")
        school.until_joined(tabs)

    # At most what was asked before it stood still.
    assert (stored <= 1, sent) == (True, 0)
    school.check(ended=ended)
    for watcher in watchers:
        assert {row["state"] for row in watcher.rows.values()} == {"CONNECTED"}


# A server of its own takes its time to make.
@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)])
def test_a_database_that_stands_still_costs_time_only(request, builder, tmp_path, room, database):
    with contextlib.ExitStack() as closing:
        if database == "sqlite":
            house = request.getfixturevalue("twins")
            frozen = locked(house)
        else:
            server = closing.enter_context(contextlib.closing(PostgresServer().start()))
            house = closing.enter_context(builder.house(tmp_path, server.url, PARTS))
            frozen = server.frozen()
        stand_still(house, closing.enter_context(contextlib.closing(room(house, 8))), frozen)
