"""What tests stand on: real databases and a real Redis, an application on each, people to act as."""

import os
import shutil
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import flask_migrate
import pytest
import redis as redis_library
import sqlalchemy
from sqlalchemy.engine import make_url
from xdist.scheduler import LoadFileScheduling

import app as application
from models.db import db
from monitoring import memory
from tests import factories
from tests.faults import FULL
from tests.processes import Installation
from workers import queue

REPLAY = Path(__file__).parent.parent.parent / "shared" / "replay"
NEEDED = {
    "TEST_POSTGRESQL_URL": "a PostgreSQL server",
    "TEST_REDIS_URL": "a Redis server",
    "TEST_CHROMIUM": "Chromium",
}


def pytest_configure(config):
    """Nothing is skipped for want of a part: without it there is no test run."""
    config.addinivalue_line("markers", "long: only where faults take as long as they must")
    missing = [words for name, words in NEEDED.items() if not os.environ.get(name)]
    if missing:
        raise pytest.UsageError(f"The tests need {', '.join(missing)}: start them by bin/test, which brings all of it.")


def pytest_collection_modifyitems(config, items):
    """What takes long and shows little that shorter tests do not is for `bin/test --faults`."""
    left_out = [] if FULL else [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


class _ByFile(LoadFileScheduling):
    """A file's tests stay together; so do all that kill, since two such houses at once leave no time to either."""

    def _split_scope(self, nodeid):
        path = super()._split_scope(nodeid)
        return "tests/faults" if path.startswith("tests/faults/") else path


def pytest_xdist_make_scheduler(config, log):
    """With several test processes, which of them gets what."""
    return _ByFile(config, log)


@pytest.fixture(scope="session")
def redis_url():
    """A Redis database of our own; each of several test processes has another one."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    whole = urlsplit(os.environ["TEST_REDIS_URL"])
    return whole._replace(path=f"/{int(whole.path.strip('/') or 0) + worker}").geturl()


@pytest.fixture(autouse=True)
def _empty_redis(redis_url):
    client = redis_library.Redis.from_url(redis_url)
    client.flushdb()
    client.close()


@pytest.fixture(scope="session")
def _sqlite_template(tmp_path_factory, redis_url):
    path = tmp_path_factory.mktemp("template") / "blockpy.sqlite"
    _migrate(f"sqlite:///{path}", redis_url)
    return path


@pytest.fixture(scope="session")
def _postgresql_template(redis_url):
    name = f"template_{uuid.uuid4().hex[:8]}"
    _on_server(f"CREATE DATABASE {name}")
    _migrate(_postgresql_url(name), redis_url)
    yield name
    _on_server(f"DROP DATABASE {name}")


def _migrate(url, redis_url):
    made = application.create_app(_settings(url, redis_url))
    with made.app_context():
        flask_migrate.upgrade()
        db.session.remove()
        db.engine.dispose()


def _settings(url, redis_url):
    return {
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "SECRET_KEY": "only for tests",
        "MESSAGE_QUEUE": False,
        "RATELIMIT_ENABLED": False,
        "TESTING": True,
        "LOG_LEVEL": "WARNING",
    }


def _postgresql_url(name):
    return make_url(os.environ["TEST_POSTGRESQL_URL"]).set(database=name).render_as_string(hide_password=False)


def _on_server(statement):
    engine = sqlalchemy.create_engine(os.environ["TEST_POSTGRESQL_URL"], isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text(statement))
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """A migrated, empty database of this test's own, on each kind."""
    if request.param == "sqlite":
        path = tmp_path / "blockpy.sqlite"
        shutil.copy(request.getfixturevalue("_sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    name = f"test_{uuid.uuid4().hex[:12]}"
    _on_server(f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('_postgresql_template')}")
    yield _postgresql_url(name)
    _on_server(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def app(database_url, redis_url, tmp_path):
    """The application on a database of its own, with its context pushed."""
    made = application.create_app({**_settings(database_url, redis_url), "INSTANCE_PATH": str(tmp_path)})
    with made.app_context():
        yield made
        db.session.remove()
        db.engine.dispose()
        memory().close()


@pytest.fixture
def school(app):
    """A course with its teacher, one exercise, and three learners: see `factories.School`."""
    return factories.make_school()


@pytest.fixture
def as_(app):
    """`as_(user)`: a test client that carries that person's bearer token; `as_(None)` is nobody."""
    return lambda user: factories.Caller(app.test_client(), user and factories.make_token(user))


@pytest.fixture
def run_jobs(app):
    """`run_jobs()` works all queues off, as a worker would, and fails where a job failed."""

    def run():
        queue.work(app, queue.NAMES, burst=True, forks=False)
        for name in queue.NAMES:
            for job_id in queue.queue(name).failed_job_registry.get_job_ids():
                raise AssertionError(queue.queue(name).fetch_job(job_id).latest_result().exc_string)

    return run


@pytest.fixture
def clock(monkeypatch):
    """`clock(moment)` sets the time that `ingest` reads."""
    return lambda moment: monkeypatch.setattr("models.storing.clock", lambda: moment)


@pytest.fixture
def installation(tmp_path, database_url, redis_url):
    """Real processes on this test's database, with the demo school; nothing is started yet."""
    made = Installation(tmp_path, database_url, redis_url)
    made.prepare()
    yield made
    made.stop()


@pytest.fixture
def live(installation):
    """A whole installation that runs: web on green threads, both workers, the scheduler."""
    installation.start("web", "counts", "others", "scheduler")
    return installation
