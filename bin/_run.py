"""`bin/run`: set up, start every process of one installation, look after them, stop them all."""

import argparse
import http.client
import os
import shlex
import sys
import time
from urllib.parse import urlsplit

from _console import Refusal, flush, refuse, say
from _database import prepare_database
from _instance import (
    check_port,
    check_services,
    environment,
    instance_from,
    open_folder,
    read_demo,
    write_environment_file,
)
from _processes import Keeper, Service
from _redis import private_redis, wait_for_redis
from _setup import PYTHON, set_up
from _signals import StopSignals
from _supervisor import Supervisor

FLASK = [PYTHON, "-m", "flask", "--app", "app"]
READY_SECONDS = 90
PAUSE_SECONDS = 0.1
CLASS = ["--students", "25", "--minutes", "60", "--speed", "1"]
DESCRIPTION = """\
Start all of BlockPy Live on this machine: database, Redis, web, workers, scheduler and a demo class.
The first start installs everything into this folder; Ctrl-C stops all of it."""
VARIABLES = """\
environment:
  HOST, PORT        where it listens (127.0.0.1, 5000)
  INSTANCE_PATH     the folder for data, secret key and demo logins (instance)
  DATABASE_URL      PostgreSQL in place of SQLite in the instance folder
  REDIS_URL         a Redis of yours in place of the one that is started here
  DEMO              0: make no demo class"""


def main():
    """Run until somebody stops it. Exit codes: 0 stopped as asked, 1 with a sentence, 130 stopped during set-up."""
    arguments = _parse()
    stop = StopSignals()
    try:
        instance = instance_from(os.environ)
        lock = open_folder(instance)
        keeper = Keeper(keep_open=[lock])
        supervisor = Supervisor()
        stop.at_once = keeper.close_at_once
        try:
            _start_and_watch(instance, keeper, supervisor, with_class=arguments.with_class, stop=stop)
        finally:
            stop.is_stopping = True
            _stop(instance, keeper, supervisor)
    except Refusal as refusal:
        refuse(refusal)
    except KeyboardInterrupt:
        flush()
        sys.exit(0 if stop.was_running else 130)


def _parse():
    parser = argparse.ArgumentParser(
        "bin/run", description=DESCRIPTION, epilog=VARIABLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--with-class", action="store_true", help="also play a simulated class in the demo session")
    return parser.parse_args()


def _start_and_watch(instance, keeper, supervisor, *, with_class, stop):
    if with_class and not instance.has_demo:
        raise Refusal("--with-class plays in the demo class, and DEMO=0 leaves that out.")
    check_port(instance)
    check_services(instance)
    set_up(keeper)
    redis_url = instance.redis_url or _start_redis(instance, keeper, supervisor, stop)
    env = environment(instance, redis_url)
    prepare_database(instance, keeper, env)
    write_environment_file(instance, redis_url)
    say("starting …")
    supervisor.start(_service("web", [PYTHON, "app.py"], keeper, env), essential=True)
    # `counts` has a worker to itself, so that the live room never waits for other jobs. The other two
    # come when the first two are up: four at once would keep people waiting longer.
    supervisor.start(_service("counts", [*FLASK, "worker", "counts"], keeper, env))
    _wait_until_ready(instance, supervisor)
    supervisor.start(_service("worker", [*FLASK, "worker"], keeper, env))
    supervisor.start(_service("scheduler", [*FLASK, "scheduler"], keeper, env))
    demo = read_demo(instance)
    _show_logins(instance, demo)
    if with_class:
        command = [*FLASK, "simulate-class", "--url", instance.url, "--demo", instance.demo_file, *CLASS]
        supervisor.start(_service("class", command, keeper, env), restart=False)
    stop.was_running = True
    while True:
        supervisor.check()
        time.sleep(PAUSE_SECONDS)


def _service(name, command, keeper, env):
    return Service(name, command, keeper=keeper, env=env, on_line=_forward)


def _forward(name, line):
    say(f"{name:<9} | {line}")


def _start_redis(instance, keeper, supervisor, stop):
    service, url = private_redis(instance.path / "redis", keeper=keeper)
    supervisor.start(service, essential=True)
    wait_for_redis(service, url)
    # What it says at every start and stop helps nobody.
    service.on_line = lambda name, line: None if stop.is_stopping else _forward(name, line)
    return url


def _wait_until_ready(instance, supervisor):
    deadline = time.monotonic() + READY_SECONDS
    while True:
        supervisor.check()
        missing = _what_is_missing(instance)
        if missing is None:
            supervisor.is_starting = False
            return
        if time.monotonic() > deadline:
            raise Refusal(f"The server is not ready after {READY_SECONDS} s: {missing}")
        time.sleep(PAUSE_SECONDS)


def _what_is_missing(instance):
    """What /readyz says is missing, or None when the server is ready."""
    parts = urlsplit(instance.url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read(2000).decode("utf-8", "replace").strip()
        return None if answer.status == 200 else f"{answer.status} {body}"
    except (OSError, http.client.HTTPException):
        return f"{instance.url} does not answer."
    finally:
        connection.close()


def _show_logins(instance, demo):
    lines = ["", f"BlockPy Live is running: {instance.url}/", ""]
    if demo and instance.has_demo:
        logins = demo["logins"]
        people = {role: logins[role] for role in ("admin", "teacher")}
        people |= {"student": logins["students"][0], "parent": logins["parent"]}
        width = max(len(person["email"]) for person in people.values())
        lines += [f"  {role:<8} {person['email']:<{width}}  {person['password']}" for role, person in people.items()]
        lines += [
            "",
            f"  live room    {instance.url}/sessions/{demo['session_id']}",
            f"  assignment   {instance.url}/assignments/{demo['assignment_id']}",
            f"  all logins   {instance.demo_file}",
            "",
        ]
    lines += [
        "Ctrl-C stops all of it. Commands typed beside it need its settings first:",
        f"  . {shlex.quote(str(instance.path / 'run.env'))}",
        "",
    ]
    for line in lines:
        say(line)


def _stop(instance, keeper, supervisor):
    if supervisor.has_services:
        say("stopping …")
    supervisor.stop_all()
    keeper.close()
    (instance.path / "run.env").unlink(missing_ok=True)
    flush()
