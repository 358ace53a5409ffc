"""Nobody who waits for an acknowledgement waits for Redis: it may stand still, from the very first event on."""

import time

import pytest

from tests.clients import Pupil
from tests.processes import Installation
from tests.redis_server import RedisServer

SOON_SECONDS = 1.5


@pytest.fixture
def own_redis(tmp_path):
    server = RedisServer(tmp_path).start()
    yield server
    server.kill()


@pytest.fixture
def pupil(tmp_path, database_url, own_redis):
    installation = Installation(tmp_path, database_url, own_redis.url)
    installation.prepare()
    installation.start("web")
    made = Pupil(installation.url, installation.demo["logins"]["students"][0])
    made.open(installation.demo["assignment_id"])
    yield made
    made.close()
    installation.stop()


def test_the_first_event_after_redis_froze_is_acknowledged_at_once(pupil, own_redis):
    pupil.log("Run.Program")
    own_redis.freeze()

    took = []
    for _ in range(3):
        began = time.monotonic()
        assert pupil.log("Run.Program")["success"]
        took.append(time.monotonic() - began)

    own_redis.thaw()
    assert max(took) < SOON_SECONDS


def test_the_wake_up_follows_the_acknowledgement(pupil, own_redis):
    pupil.log("Run.Program")

    with own_redis.client() as client:
        give_up = time.monotonic() + 5
        while not client.llen("rq:queue:counts") and time.monotonic() < give_up:
            time.sleep(0.02)
        waiting = client.llen("rq:queue:counts")

    assert waiting == 1
