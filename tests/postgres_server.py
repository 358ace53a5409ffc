"""A PostgreSQL cluster of a test's own, durable, all of whose processes may be killed at any moment."""

import contextlib
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
import psycopg

from tests.processes import free_port, kill_tree

READY_SECONDS = 30
STOP_SECONDS = 20
USUAL_FOLDERS = ("usr/lib/postgresql/*/bin", "usr/pgsql-*/bin", "opt/homebrew/opt/postgresql*/bin")


def programs():
    """The folder of `initdb` and `postgres`: the one that `bin/test` has found, else the newest in a usual place."""
    if named := os.environ.get("TEST_POSTGRESQL_BIN"):
        return Path(named)
    if on_path := shutil.which("initdb"):
        return Path(on_path).resolve().parent
    found = [folder for pattern in USUAL_FOLDERS for folder in Path("/").glob(pattern) if (folder / "initdb").exists()]
    if not found:
        raise AssertionError("PostgreSQL's programs were not found: TEST_POSTGRESQL_BIN names their folder")
    return max(found, key=lambda folder: [int(digits) for digits in re.findall(r"\d+", str(folder))])


class PostgresServer:
    """One cluster on a port that stays the same; what it has committed survives `kill`, by crash recovery."""

    def __init__(self):
        self.process = None
        self.port = free_port()
        self._programs = programs()
        self._user = _other_user()
        # Not pytest's folder: nobody but its owner may look into that, and PostgreSQL refuses to run as root.
        self._folder = tempfile.TemporaryDirectory(prefix="blockpy-postgresql-")
        self.folder = Path(self._folder.name)
        self._make_cluster()

    def _make_cluster(self):
        password, password_file = secrets.token_hex(16), self.folder / "password"
        password_file.write_text(password)
        if self._user:
            for path in (self.folder, password_file):
                os.chown(path, self._user["user"], self._user["group"])
        options = ["-D", self.folder / "data", "-U", "postgres", "--pwfile", password_file, "--auth=scram-sha-256"]
        command = [self._programs / "initdb", *options, "--encoding=UTF8", "--no-locale", "--no-sync"]
        subprocess.run(command, cwd=self.folder, check=True, capture_output=True, timeout=60, **self._user)
        self.url = f"postgresql+psycopg://postgres:{password}@127.0.0.1:{self.port}/postgres"

    def start(self):
        """Start it; it takes connections when this returns."""
        self.spawn()
        self._wait_until_ready()
        return self

    def spawn(self):
        """Start it, after a kill with crash recovery, and wait for nothing."""
        settings = {"port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [self._programs / "postgres", "-D", self.folder / "data", *options]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True, **self._user
            )

    def _wait_until_ready(self):
        give_up = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up and self.process.poll() is None:
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=2).close()
                return
            time.sleep(0.02)
        raise AssertionError(f"PostgreSQL did not come up:\n{(self.folder / 'log').read_text()[-2000:]}")

    def kill(self):
        """Postmaster and all its children are gone, at once."""
        kill_tree(self.process)

    @contextlib.contextmanager
    def frozen(self):
        """Meanwhile it holds its connections and answers nothing: every process of it stands still."""
        stopped = [psutil.Process(self.process.pid)]
        stopped[0].suspend()  # who is stopped starts nobody
        stopped += stopped[0].children(recursive=True)
        [process.suspend() for process in stopped[1:]]
        try:
            yield
        finally:
            [process.resume() for process in stopped]

    def close(self):
        """Stop it and remove all that it held."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
        self._folder.cleanup()


def _other_user():
    """Whom to run as where we are root (options of `Popen`)."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
