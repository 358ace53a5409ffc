"""`bin/test`: set up, start a PostgreSQL and a Redis for this run only, run ruff and pytest, clear everything away."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from _console import Refusal, flush, refuse, say
from _postgres import private_postgresql, wait_for_postgresql
from _processes import Keeper, kill_group, spawn
from _redis import private_redis, wait_for_redis
from _setup import PYTHON, set_up
from _signals import StopSignals
from _system import ensure_system_parts, find_postgresql

HELP = """\
usage: bin/test [--set-up-only | --faults] [pytest's arguments ...]

Set up what the tests need and run them; without arguments ruff and every test.
--set-up-only installs and runs nothing. --faults runs the fault tests with all their points and at full length (Redis
away 40 s, a database frozen 20 s, a teacher asleep 5 min); and web, both workers, Redis and PostgreSQL are each killed
20 times on each database, up to an hour in all, instead of the short half and three kills as in every run. Each kill is
printed with its seed; TEST_FAULT_SEED draws the same moments again, TEST_FAULT_POINTS
changes the 20. TEST_POSTGRESQL_URL, TEST_REDIS_URL and TEST_CHROMIUM name servers and a browser of yours in place of
those that are looked for and started here; TEST_POSTGRESQL_BIN names the folder of PostgreSQL's programs."""
LAST_WORDS_SECONDS = 20
EVERYTHING = ["-q", "-n", "2", "--dist", "loadfile"]
# One after the other, and each kill told as it comes: they take long.
FAULTS = ["tests/faults", "tests/browser/test_saving.py", "tests/browser/test_student.py", "-v", "-s"]
FAULT_POINTS = "20"


def main():
    """Exit with pytest's code; with ruff's when only ruff complains; 1 with a sentence; 130 when interrupted."""
    arguments = sys.argv[1:]
    if arguments in (["-h"], ["--help"]):
        print(HELP)
        return
    stop = StopSignals()
    services = []
    keeper = Keeper()
    stop.at_once = keeper.close_at_once
    try:
        try:
            code = _set_up_and_test(arguments, keeper, services)
        finally:
            stop.is_stopping = True
            _clear_up(keeper, services)
    except Refusal as refusal:
        refuse(refusal)
    except KeyboardInterrupt:
        code = 130
    flush()
    sys.exit(code)


def _set_up_and_test(arguments, keeper, services):
    set_up(keeper, tests=True)
    postgresql, chromium = ensure_system_parts(keeper)
    if arguments == ["--set-up-only"]:
        return 0
    say("starting PostgreSQL and Redis for the tests …")
    env = os.environ | {"TEST_CHROMIUM": chromium or os.environ["TEST_CHROMIUM"]}
    env |= _programs(postgresql) | _start_servers(postgresql, keeper, services)
    flush()
    if arguments[:1] == ["--faults"]:
        arguments = [*FAULTS, *arguments[1:]]
        env.setdefault("TEST_FAULT_POINTS", FAULT_POINTS)
    lint = 0 if arguments else _run([PYTHON, "-m", "ruff", "check", "."], keeper, env)
    return _run([PYTHON, "-m", "pytest", *(arguments or EVERYTHING)], keeper, env) or lint


def _programs(postgresql):
    """Where the tests that kill PostgreSQL find one to start, even where the environment names a server."""
    folder = os.environ.get("TEST_POSTGRESQL_BIN") or postgresql or find_postgresql()
    return {"TEST_POSTGRESQL_BIN": str(folder)} if folder else {}


def _start_servers(postgresql, keeper, services):
    """Start what the environment does not name; the variables that tell the tests."""
    folder = Path(tempfile.mkdtemp(prefix="blockpy-test-"))
    keeper.tell("remove", folder)
    found = {}
    if not os.environ.get("TEST_REDIS_URL"):
        redis, found["TEST_REDIS_URL"] = private_redis(folder / "redis", keeper=keeper)
        services.append(redis)
        redis.start()
    if postgresql:
        server, found["TEST_POSTGRESQL_URL"] = private_postgresql(postgresql, folder / "postgresql", keeper=keeper)
        services.append(server)
        server.start()
        wait_for_postgresql(server)
    if "TEST_REDIS_URL" in found:
        wait_for_redis(redis, found["TEST_REDIS_URL"])
    return found


def _run(command, keeper, env):
    """Run with the terminal as it is. An interrupt reaches it once, and it may say its last words."""
    process = spawn(command, keeper=keeper, env=env)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(LAST_WORDS_SECONDS)
        raise
    finally:
        kill_group(process, keeper)


def _clear_up(keeper, services):
    """Stop the servers; the keeper kills what tests have left and removes the temporary folder."""
    for service in reversed(services):
        service.stop()
    keeper.close()
