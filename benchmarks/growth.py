"""Claim: an event costs at most 1.3 times as much CPU time when the log has a million events as when it has 10,000.

Appends to both logs in turn. What the database's process uses for the connection counts too, where it runs on this
machine. `python -m benchmarks.growth --database sqlite`
"""

import contextlib
import random
import statistics
import time
import uuid

import click
import psutil

from benchmarks import history
from models import ingest
from models.db import db
from models.events import Event

MOST = 1.3
LEARNERS = 1000
PER_CALL = 20
KEYS = "INSERT INTO event_keys SELECT event_id, user_id, user_seq, '{hash}' FROM study_events ORDER BY event_id"


class Log:
    """One log of some size, with the work of its learners."""

    def __init__(self, made, events):
        self.made = made
        with made.app_context():
            history.write(events, learners=LEARNERS)
            with db.engine.begin() as connection:
                connection.exec_driver_sql(KEYS.format(hash="0" * 64))

    def append(self, calls, chance):
        """So many calls; answers the CPU milliseconds of each event."""
        with self.made.app_context():
            batches = [[_event(chance) for _ in range(PER_CALL)] for _ in range(calls)]
            before = cpu_seconds()
            for batch in batches:
                ingest.append(batch)
            return 1000 * (cpu_seconds() - before) / calls / PER_CALL


def _event(chance):
    user_id = chance.randint(1, LEARNERS)
    work = (user_id - 1) * history.ASSIGNMENTS_OF_A_COURSE + chance.randint(1, history.ASSIGNMENTS_OF_A_COURSE)
    properties = {"message": "NameError: name 'total' is not defined on line 7", "file_path": "answer.py"}
    event = Event("Run.Program", user_id, str(uuid.uuid4()), submission_id=work, properties=properties, timed=True)
    event.client_ms = int(time.time() * 1000)
    return event


def cpu_seconds():
    """What this process and the database's processes that serve it have used."""
    own = time.process_time()
    if db.engine.dialect.name == "sqlite":
        return own
    with db.engine.connect() as connection:
        pids = connection.exec_driver_sql("SELECT pid FROM pg_stat_activity WHERE datname = current_database()").all()
    with contextlib.suppress(psutil.NoSuchProcess):
        own += sum(sum(psutil.Process(pid).cpu_times()[:2]) for (pid,) in pids)
    return own


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="sqlite", show_default=True)
@click.option("--large", default=1_000_000, show_default=True)
@click.option("--small", default=10_000, show_default=True)
@click.option("--rounds", default=10, show_default=True)
@click.option("--calls", default=50, show_default=True)
def main(database, large, small, rounds, calls):
    """Print both and their ratio."""
    chance = random.Random(7)
    with history.application_on(database) as one, history.application_on(database) as other:
        logs = {small: Log(one, small), large: Log(other, large)}
        found = {size: [] for size in logs}
        for number in range(rounds + 1):
            for size, log in logs.items():
                cost = log.append(calls, chance)
                if number:  # the first round warms up
                    found[size].append(cost)
    print(f"{database}, {PER_CALL} events a call, {history.machine()}")
    for size, costs in found.items():
        print(f"{size:,} events in the log: {statistics.median(costs):.4f} ms of CPU an event")
    print(f"ratio {statistics.median(found[large]) / statistics.median(found[small]):.2f} (at most {MOST})")


if __name__ == "__main__":
    main()
