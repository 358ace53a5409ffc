"""Claim: `POST /api/events`, 100 per call, stores at least 0.3 times as many as the driver inserts of the same rows.

The driver gets the rows ready-made, in batches of 500 with a commit each, into the same table with its indexes and
triggers. `python -m benchmarks.batches --database sqlite`
"""

import json
import statistics
import time

import click

from benchmarks import history, installation, load
from benchmarks.load import ID
from models.db import db
from models.statements import EVENT_KINDS

LEAST = 0.3
BATCH = 500
NAMES = ", ".join(EVENT_KINDS)


def request_to(desk, per_call):
    """One call with so many events of one learner, as JSON."""
    event = {
        "event_id": ID.decode(),
        "submission_id": desk.submission_id,
        "assignment_id": desk.assignment_id,
        "course_id": desk.course_id,
        "event_type": "Run.Program",
        "file_path": "answer.py",
        "message": "NameError: name 'total' is not defined on line 7",
        "category": "ProgramErrorOutput",
    }
    now_ms = int(time.time() * 1000)
    body = json.dumps({"events": [event | {"timestamp": now_ms - number} for number in range(per_call)]})
    return load.request_of("/api/events", body, kind="application/json", headers=desk.headers)


def newest_rows(connection):
    """The rows that a call stored, as the driver gave them: what it is to insert once more."""
    return connection.execute(f"SELECT {NAMES} FROM study_events ORDER BY id DESC LIMIT {BATCH}").fetchall()


def insert(connection, rows, seconds):
    """Insert the same rows again and again; answers how many a second."""
    postgresql = db.engine.dialect.name == "postgresql"
    mark = "%s" if postgresql else "?"
    statement = f"INSERT INTO study_events ({NAMES}) VALUES ({', '.join([mark] * len(EVENT_KINDS))})"
    values = [[json.dumps(value) if isinstance(value, dict) else value for value in row] for row in rows]
    began, count = time.perf_counter(), 0
    while (now := time.perf_counter()) - began < seconds:
        if not postgresql:
            connection.execute("BEGIN IMMEDIATE")
        connection.cursor().executemany(statement, values)
        connection.commit()
        count += len(values)
    return count / (now - began)


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--clients", default=8, show_default=True)
@click.option("--per-call", default=100, show_default=True)
@click.option("--rounds", default=5, show_default=True)
@click.option("--seconds", default=4.0, show_default=True)
def main(database, clients, per_call, rounds, seconds):
    """Print both and their ratio."""
    with installation.serving(database, clients) as (served, desks):
        requests = [request_to(desk, per_call) for desk in desks]
        installation.measure(served, requests, installation.WARM_SECONDS)
        connection = db.engine.raw_connection()
        calls, inserts = [], []
        for _ in range(rounds):
            calls.append(installation.measure(served, requests, seconds))
            inserts.append(insert(connection, newest_rows(connection.driver_connection), seconds / 2))
        connection.close()
    per_second = [call.per_second * per_call for call in calls]
    ratio = statistics.median(a / b for a, b in zip(per_second, inserts, strict=True))
    print(f"{database}, {clients} clients, {per_call} events a call, {history.machine()}")
    print(f"the driver inserts {statistics.median(inserts):,.0f} events/s")
    cpu = installation.median_of(calls, "cpu_ms") / per_call
    print(f"/api/events stores {statistics.median(per_second):,.0f} events/s, {cpu:.3f} ms of CPU each")
    print(f"ratio {ratio:.2f} (at least {LEAST})")


if __name__ == "__main__":
    main()
