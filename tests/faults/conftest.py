"""What the live rooms' faults stand on: two web processes with a Redis between, and a recorder."""

import pytest

from tests.faults.proxy import Proxy
from tests.faults.room import Room

WEBS = ("web", "web2")


@pytest.fixture(scope="package")
def twins(builder, tmp_path_factory):
    """A running installation with two web processes, that is hurt by one test after the other and must stay whole."""
    with builder.house(
        tmp_path_factory.mktemp("twins"), "sqlite", (*WEBS, "counts", "others", "scheduler"), redis_keeps=True
    ) as made:
        yield made


@pytest.fixture
def proxy(request):
    """`proxy(*urls)`: a proxy before them, closed after the test."""

    def make(*urls):
        made = Proxy(*urls)
        request.addfinalizer(made.close)
        return made

    return make


@pytest.fixture
def room(request):
    """`room(house, number)`: a session of so many new learners, with all who watch it and the recorder."""

    def make(house, number):
        made = Room(house, number)
        request.addfinalizer(made.close)
        return made

    return make
