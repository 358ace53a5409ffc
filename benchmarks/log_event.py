"""Claim: `POST /blockpy/log_event` does at least half of what the same server does that only parses the same body.

The whole path: login, rights, idempotence, commit. `python -m benchmarks.log_event --database sqlite`
"""

import time
from urllib.parse import urlencode

import click

from benchmarks import history, installation, load
from benchmarks.load import ID

LEAST = 0.5


def body_of(desk, **said):
    """The form of one run, as the editor sends it; `said` are other values of its fields."""
    fields = {
        "assignment_id": desk.assignment_id,
        "assignment_group_id": "",
        "course_id": desk.course_id,
        "submission_id": desk.submission_id,
        "user_id": desk.user_id,
        "version": 1,
        "timestamp": int(time.time() * 1000),
        "timezone": -60,
        "passcode": "",
        "event_type": "Run.Program",
        "file_path": "answer.py",
        "message": "NameError: name 'total' is not defined on line 7",
        "category": "ProgramErrorOutput",
        "label": "",
    } | said
    return f"{urlencode(fields)}&event_id={ID.decode()}"


def requests_to(path, desks):
    """One request for each learner."""
    kind = "application/x-www-form-urlencoded; charset=UTF-8"
    return [load.request_of(path, body_of(desk), kind=kind, headers=desk.headers) for desk in desks]


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--clients", default=32, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
def main(database, clients, rounds, seconds):
    """Print both and their ratio."""
    with installation.serving(database, clients) as (served, desks):
        contestants = {
            "only parses": requests_to("/healthz/parse", desks),
            "log_event": requests_to("/blockpy/log_event", desks),
        }
        found = installation.compare(served, contestants, rounds=rounds, seconds=seconds)
    print(f"{database}, {clients} clients, {history.machine()}")
    installation.show(found)
    cpu = installation.ratio(found["only parses"], found["log_event"], "cpu_ms")
    print(f"ratio {installation.ratio(found['log_event'], found['only parses']):.2f} (at least {LEAST}), CPU {cpu:.2f}")


if __name__ == "__main__":
    main()
