"""Claim: an event costs at most 1.3 times the CPU time with a million events in the log as with ten thousand.

`python -m benchmarks.growth`; both logs are served in turns by the same process, the database's own time is told too.
"""

import contextlib
import time
import uuid
from collections import defaultdict

import click

from benchmarks import history
from models import ingest, projections
from models.db import db, to_ms, utcnow
from models.events import Event

LEARNERS = 10
BATCH = 100


def fold_all():
    """Fold until nothing is behind."""
    while projections.fold():
        pass


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


class Spent:
    """CPU and whole seconds of each kind of work."""

    def __init__(self):
        self.cpu, self.whole = defaultdict(float), defaultdict(float)

    @contextlib.contextmanager
    def on(self, kind):
        """Add what the block takes."""
        cpu, whole = time.process_time(), time.perf_counter()
        yield
        self.cpu[kind] += time.process_time() - cpu
        self.whole[kind] += time.perf_counter() - whole


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--small", default=10_000, show_default=True)
@click.option("--large", default=1_000_000, show_default=True)
@click.option("--rounds", default=40, show_default=True)
def main(database, small, large, rounds):
    """Print the cost of an event, appended and folded, on both logs."""
    spent = {size: Spent() for size in (small, large)}
    with contextlib.ExitStack() as stack:
        apps = {size: stack.enter_context(history.application_on(database)) for size in spent}
        for size, app in apps.items():
            with app.app_context():
                history.write(size, learners=max(size // 1000, LEARNERS))
                fold_all()
        for number in range(rounds + 2):
            for size, app in apps.items():
                told = Spent() if number < 2 else spent[size]
                with app.app_context():
                    with told.on("append"):
                        append_batch(number)
                    with told.on("fold"):
                        fold_all()
                    db.session.remove()
    print(f"{history.machine()}; python -m benchmarks.growth --database {database} --rounds {rounds}")
    for kind in ("append", "fold"):
        for size in spent:
            cpu, whole = (1e6 * told[kind] / rounds / BATCH for told in (spent[size].cpu, spent[size].whole))
            print(f"{kind} with {size:>9,} events in the log: {cpu:6.0f} us CPU, {whole:6.0f} us in all, per event")
        ratio = spent[large].cpu[kind] / spent[small].cpu[kind]
        whole = spent[large].whole[kind] / spent[small].whole[kind]
        print(f"ratio {ratio:.2f} of CPU time (at most 1.3), {whole:.2f} of the whole time")


if __name__ == "__main__":
    main()
