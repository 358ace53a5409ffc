"""Claim: folding an event costs at most 1.3 times the CPU time with a million events in the log as with ten thousand.

`python -m benchmarks.fold_growth`; one process serves both logs in turns. `benchmarks.growth` is for appending.
"""

import contextlib
import time
import uuid

import click

from benchmarks import history
from models import ingest, projections
from models.db import db, to_ms, utcnow
from models.events import Event

LEARNERS = 10
BATCH = 100


def append_batch(number):
    """A hundred events of a few learners, as one call of the API stores them."""
    now = to_ms(utcnow())
    events = []
    for n in range(BATCH):
        user_id = (number + n) % LEARNERS + 1
        work = (user_id - 1) * history.ASSIGNMENTS_OF_A_COURSE + 1
        event_type, properties = history.KINDS[n % len(history.KINDS)]
        event = Event(event_type, user_id, str(uuid.uuid4()), submission_id=work, client_ms=now + n, timed=True)
        event.properties = dict(properties)
        events.append(event)
    ingest.append(events)


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--small", default=10_000, show_default=True)
@click.option("--large", default=1_000_000, show_default=True)
@click.option("--rounds", default=40, show_default=True)
def main(database, small, large, rounds):
    """Print the CPU time of an event that is folded, on both logs."""
    spent = dict.fromkeys((small, large), 0.0)
    with contextlib.ExitStack() as stack:
        apps = {size: stack.enter_context(history.application_on(database)) for size in spent}
        for size, app in apps.items():
            with app.app_context():
                history.write(size, learners=max(size // 1000, LEARNERS))
                projections.fold_all()
        for number in range(-2, rounds):
            for size, app in apps.items():
                with app.app_context():
                    append_batch(number)
                    began = time.process_time()
                    projections.fold_all()
                    spent[size] += time.process_time() - began if number >= 0 else 0
                    db.session.remove()
    print(f"{history.machine()}; python -m benchmarks.fold_growth --database {database} --rounds {rounds}")
    for size, seconds in spent.items():
        print(f"with {size:>9,} events in the log: {1e6 * seconds / rounds / BATCH:6.0f} us of CPU for each")
    print(f"ratio {spent[large] / spent[small]:.2f} (at most 1.3)")


if __name__ == "__main__":
    main()
