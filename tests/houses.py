"""A pytest plugin: installations that run, each with a Redis of its own, copied from one demo school per database."""

import contextlib
import shutil
import uuid

import pytest

from tests import conftest
from tests.clients import House
from tests.processes import Installation
from tests.redis_server import RedisServer

# Nothing listens there: preparing needs no Redis.
NO_REDIS = "redis://127.0.0.1:1/0"
EVERYTHING = ("web", "counts", "others", "scheduler")


class Builder:
    """Makes installations. A demo school costs seconds of hashing passwords, so each kind of database pays once."""

    def __init__(self, folder):
        self._folder = folder
        self._templates = {}
        self._closing = contextlib.ExitStack()

    @contextlib.contextmanager
    def installation(self, folder, database, redis_url, **options):
        """An installation with the demo school on a kind of database, or on one of its own; nothing of it runs yet."""
        with self._school(folder, database) as url:
            made = Installation(folder, url, redis_url, **options)
            try:
                yield made
            finally:
                made.stop()

    @contextlib.contextmanager
    def house(self, folder, database, parts=EVERYTHING, *, redis_keeps=False, **options):
        """A house with a Redis of its own and these parts running, at `house.redis`."""
        redis_server = RedisServer(folder, keeps=redis_keeps).start()
        try:
            with self.installation(folder, database, redis_server.url, **options) as installation:
                installation.start(*parts)
                house = House(installation)
                house.redis = redis_server
                with contextlib.closing(house):
                    yield house
        finally:
            redis_server.thaw()
            redis_server.kill()

    def close(self):
        """Remove the templates."""
        self._closing.close()

    def _template(self, database):
        if database not in self._templates:
            folder = self._folder / database
            folder.mkdir()
            url, template = f"sqlite:///{folder / 'blockpy.sqlite'}", folder / "blockpy.sqlite"
            if database == "postgresql":
                template, url = self._new_database("CREATE DATABASE {}")
            Installation(folder, url, NO_REDIS).prepare()
            self._templates[database] = (template, folder / "demo.json")
        return self._templates[database]

    @contextlib.contextmanager
    def _school(self, folder, database):
        if "://" in database:
            Installation(folder, database, NO_REDIS).prepare()
            yield database
            return
        template, told = self._template(database)
        shutil.copy(told, folder / "demo.json")
        with self._copy(folder, database, template) as url:
            yield url

    @contextlib.contextmanager
    def _copy(self, folder, database, template):
        if database == "sqlite":
            yield f"sqlite:///{shutil.copy(template, folder / 'blockpy.sqlite')}"
            return
        _, url = self._new_database(f"CREATE DATABASE {{}} TEMPLATE {template}")
        yield url

    def _new_database(self, statement):
        name = f"house_{uuid.uuid4().hex[:12]}"
        conftest._on_server(statement.format(name))
        self._closing.callback(conftest._on_server, f"DROP DATABASE {name} WITH (FORCE)")
        return name, conftest._postgresql_url(name)


@pytest.fixture(scope="session")
def builder(tmp_path_factory):
    """Makes installations from templates."""
    made = Builder(tmp_path_factory.mktemp("templates"))
    yield made
    made.close()
