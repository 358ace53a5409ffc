"""Connections: one that has ended is replaced before anybody meets its end."""

import time

import pytest
import sqlalchemy
from sqlalchemy import text

from models.db import db, release

OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> :mine"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("idle_seconds", [0, 0.2])
def test_connections_that_the_server_has_ended_are_replaced_before_they_are_used(app, idle_seconds):
    for _ in range(3):
        before = db.session.scalar(text("SELECT pg_backend_pid()"))
        release()
        killer = sqlalchemy.create_engine(db.engine.url, poolclass=sqlalchemy.NullPool)
        with killer.begin() as connection:
            connection.execute(text(OTHERS), {"mine": connection.scalar(text("SELECT pg_backend_pid()"))})
        time.sleep(0.05 + idle_seconds)

        after = db.session.scalar(text("SELECT pg_backend_pid()"))

        assert after != before
        release()
