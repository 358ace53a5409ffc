"""One installation: its settings, its folder with lock and secret key, and what can be in the way of starting it."""

import errno
import fcntl
import json
import os
import secrets
import shlex
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from _console import Refusal
from _processes import ROOT
from _redis import redis_problem

LOCK_SECONDS = 1.5  # a bin/run that was killed needs a moment until its keeper has cleared up


@dataclass(frozen=True)
class Instance:
    """What the environment says about this installation."""

    path: Path
    host: str
    port: int
    given_database_url: str | None
    redis_url: str | None
    has_demo: bool

    @property
    def url(self):
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"

    @property
    def demo_file(self):
        return self.path / "demo.json"

    @property
    def database_url(self):
        return self.given_database_url or self.sqlite_url

    @property
    def sqlite_file(self):
        return self.path / "blockpy.sqlite"

    @property
    def sqlite_url(self):
        return f"sqlite:///{self.sqlite_file}"


def instance_from(environ):
    """The settings of an environment, with the defaults. Relative paths start at the root of the checkout."""
    path = Path(os.path.abspath(ROOT / Path(environ.get("INSTANCE_PATH") or "instance").expanduser()))
    port = environ.get("PORT") or "5000"
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise Refusal(f"PORT must be a number from 1 to 65535, not {port!r}.")
    return Instance(
        path=path,
        host=environ.get("HOST") or "127.0.0.1",
        port=int(port),
        given_database_url=environ.get("DATABASE_URL") or None,
        redis_url=environ.get("REDIS_URL") or None,
        has_demo=environ.get("DEMO", "1").strip().lower() not in ("0", "false", "no", "off"),
    )


def open_folder(instance):
    """Make the instance folder (for its owner only) and take its lock: the file descriptor that holds it."""
    try:
        instance.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=instance.path):
            pass
        lock = os.open(instance.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as problem:
        raise Refusal(
            f"The instance folder {instance.path} cannot be used: {problem.strerror}; INSTANCE_PATH can name another."
        ) from None
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except OSError as problem:
            if problem.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise Refusal(f"The instance folder {instance.path} cannot be locked: {problem.strerror}.") from None
            if time.monotonic() > deadline:
                raise Refusal(_who_has(lock, instance)) from None
            time.sleep(0.05)
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()} {instance.url}\n".encode())
    return lock


def _who_has(lock, instance):
    pid, _, url = os.read(lock, 1000).decode("utf-8", "replace").strip().partition(" ")
    known = f" (process {pid}, {url})" if url else ""
    return f"BlockPy Live already runs on the instance folder {instance.path}{known}."


def check_port(instance):
    """Raise `Refusal` unless the web process will be able to listen on HOST and PORT."""
    host, port = instance.host, instance.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise Refusal(f"Port {port} on {host} is in use by another program; PORT can name another.") from None
        raise Refusal(f"Nothing can listen on {host}, port {port}: {problem.strerror}.") from None


def check_services(instance):
    """Raise `Refusal` when a Redis or a PostgreSQL that the environment names is not there; before anything slow."""
    if instance.redis_url:
        problem = redis_problem(instance.redis_url)
        if problem:
            raise Refusal(f"The Redis server of REDIS_URL ({where(instance.redis_url)}) cannot be reached: {problem}.")
    try:
        parts = urlsplit(instance.database_url)
        if parts.scheme.startswith("postgres") and parts.hostname and "," not in parts.netloc:
            socket.create_connection((parts.hostname, parts.port or 5432), timeout=3).close()
    except (OSError, ValueError) as problem:
        reason = getattr(problem, "strerror", None) or problem
        raise Refusal(
            f"The database of DATABASE_URL ({where(instance.database_url)}) cannot be reached: {reason}."
        ) from None


def where(url):
    """An address without the name and the password in it."""
    scheme, separator, rest = url.partition("://")
    return scheme + separator + rest.rpartition("@")[2].partition("?")[0]


def environment(instance, redis_url):
    """The environment of every process of this installation."""
    return os.environ | _own_variables(instance, redis_url) | {"PYTHONUNBUFFERED": "1"}


def write_environment_file(instance, redis_url):
    """`run.env`: with it (`. instance/run.env`) a command typed beside the server meets the same installation."""
    lines = [f"export {name}={shlex.quote(value)}\n" for name, value in _own_variables(instance, redis_url).items()]
    _write_private(instance.path / "run.env", "".join(lines))


def _own_variables(instance, redis_url):
    return {
        "HOST": instance.host,
        "PORT": str(instance.port),
        "INSTANCE_PATH": str(instance.path),
        "DATABASE_URL": instance.database_url,
        "REDIS_URL": redis_url,
        "BLOCKPY_SECRET_KEY": os.environ.get("BLOCKPY_SECRET_KEY") or _secret_key(instance.path / "secret_key"),
    }


def _secret_key(file):
    """The key that signs cookies: made once, then always the same, or every start would log everybody out."""
    key = file.read_text().strip() if file.exists() else ""
    if not key:
        key = secrets.token_urlsafe(48)
        _write_private(file, key + "\n")
    return key


def _write_private(file, text):
    """Write for the owner's eyes only, whole or not at all."""
    descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-")
    with open(descriptor, "w") as target:
        target.write(text)
    os.replace(name, file)


def read_demo(instance):
    """The demo's logins and ids, or None where there is no demo."""
    try:
        return json.loads(instance.demo_file.read_text())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as problem:
        raise Refusal(f"{instance.demo_file} cannot be read: {problem}.") from None
