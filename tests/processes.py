"""Real processes for tests: a Redis, an installation of its own, its web server and its workers."""

import contextlib
import gc
import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
import warnings
from pathlib import Path

import psutil

ROOT = Path(__file__).parent.parent
READY_SECONDS = 40


def free_port():
    """A port on loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def kill_tree(process):
    """Kill a process and all that came from it: work horses and PostgreSQL's children are groups of their own."""
    family = []
    with contextlib.suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        parent.suspend()  # who is stopped starts nobody meanwhile
        family = [parent, *parent.children(recursive=True)]
    for member in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            member.kill()
    process.wait(timeout=20)
    psutil.wait_procs(family, timeout=20)


class Installation:
    """BlockPy Live as its processes: a folder, a database, a Redis database, and what is started of it.

    `own` is what differs in the environment of a part, by its name.
    """

    def __init__(self, folder, database_url, redis_url, *, async_mode="eventlet", settings=None):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._ports = {"web": self.port}
        self.own = {}
        self.folder = Path(folder)
        self.running = {}
        self.environment = {
            **os.environ,
            "INSTANCE_PATH": str(folder),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "PORT": str(self.port),
            "BLOCKPY_SECRET_KEY": "only for tests",
            "BLOCKPY_ASYNC_MODE": async_mode,
            "BLOCKPY_RATELIMIT_ENABLED": "false",
            **(settings or {}),
        }

    @property
    def demo(self):
        """What `demo.json` holds."""
        return json.loads((self.folder / "demo.json").read_text())

    def prepare(self, *options):
        """Migrate, and make the demo school."""
        command = [sys.executable, "-m", "flask", "--app", "app", "prepare", "--url", self.url, *options]
        subprocess.run(command, cwd=ROOT, env=self.environment, check=True, capture_output=True, timeout=120)

    def start(self, *names):
        """Start parts by name: web, web2, ..., counts, others, scheduler; webs are answering when this returns."""
        self.spawn(*names)
        for name in names:
            if name.startswith("web"):
                self.wait_until_ready(name)

    def spawn(self, *names):
        """Start parts by name and wait for nothing."""
        for name in names:
            flask = [sys.executable, "-m", "flask", "--app", "app"]
            command = {
                "web": [sys.executable, "app.py"],
                "counts": [*flask, "worker", "counts"],
                "others": [*flask, "worker"],
                "scheduler": [*flask, "scheduler"],
            }[name.rstrip("0123456789")]
            environment = self.environment | {"PORT": str(self.port_of(name))} | self.own.get(name, {})
            log = (self.folder / f"{name}.log").open("ab")
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
            log.close()

    def port_of(self, name):
        """The port of a web process: each keeps its own when it is started again."""
        return self._ports.setdefault(name, free_port()) if name.startswith("web") else self.port

    def url_of(self, name):
        """The address of one of several web processes."""
        return f"http://127.0.0.1:{self.port_of(name)}"

    def wait_until_ready(self, name="web"):
        """Until `/readyz` answers 200; fails with the server's log when it does not come up."""
        give_up = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up:
            ready = f"{self.url_of(name)}/readyz"
            with contextlib.suppress(OSError), urllib.request.urlopen(ready, timeout=2) as answer:
                if answer.status == 200:
                    return
            time.sleep(0.1)
        raise AssertionError(f"the server did not come up:\n{self.log(name)}")

    def log(self, name):
        """What a part has said so far."""
        return (self.folder / f"{name}.log").read_text()

    def kill(self, name):
        """End a part with all its children, at once."""
        kill_tree(self.running.pop(name))

    def stop(self):
        """End everything that still runs."""
        for name in list(self.running):
            self.kill(name)
        forget_dead_sockets()


def forget_dead_sockets():
    """A client whose server was killed leaves its socket to the collector, who warns: here, and in no other test."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
