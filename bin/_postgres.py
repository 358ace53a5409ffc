"""A PostgreSQL server for one test run: a fresh cluster in a temporary folder, gone afterwards."""

import os
import pwd
import secrets
import signal
import time

from _console import Refusal
from _processes import Service, excerpt, run_quietly
from _redis import free_port

START_SECONDS = 60
# The data need not survive the machine, only a killed process: no fsync, but commits stay synchronous.
SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_connections": "200", "listen_addresses": "127.0.0.1"}


def private_postgresql(programs, folder, *, keeper):
    """Make the cluster in `folder`; a service (not started) and the URL of its superuser."""
    identity = _identity()
    password, port = secrets.token_hex(16), free_port()
    folder.mkdir(mode=0o700)
    password_file = folder / "password"
    password_file.write_text(password)
    if identity:
        folder.parent.chmod(0o711)
        for path in (folder, password_file):
            os.chown(path, identity["user"], identity["group"])
    data = folder / "data"
    initdb = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "--pwfile",
        password_file,
        "--auth-local=trust",
        "--auth-host=scram-sha-256",
        "--encoding=UTF8",
        "--no-locale",
        "--no-sync",
    ]
    run_quietly(initdb, what="Making a PostgreSQL cluster", keeper=keeper, cwd=folder, **identity)
    settings = SETTINGS | {"port": port, "unix_socket_directories": folder}
    options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
    command = [programs / "postgres", "-D", data, *options]
    # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients that a failed test has left.
    service = Service("postgresql", command, keeper=keeper, stop_signal=signal.SIGINT, cwd=folder, **identity)
    return service, f"postgresql+psycopg://postgres:{password}@127.0.0.1:{port}/postgres"


def wait_for_postgresql(service):
    """Wait until it takes connections. Raises `Refusal` with its last lines when it ends instead."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and service.is_running():
        if _is_ready(service.options["cwd"] / "data" / "postmaster.pid"):
            return
        time.sleep(0.05)
    raise Refusal(f"The PostgreSQL server for the tests does not start. Its last lines:\n{excerpt(service.last_lines)}")


def _is_ready(pid_file):
    """The server's own word, in the last line of its pid file, as pg_ctl reads it."""
    try:
        lines = pid_file.read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready"


def _identity():
    """Whom to run as: PostgreSQL refuses root, so there another user stands in (options of `Popen`)."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise Refusal("PostgreSQL does not run as root, and there is neither a user postgres nor a user nobody.")
