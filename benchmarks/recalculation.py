"""Claim: recalculating a million events takes at most 4 times as long as the driver takes to read them, memory flat.

`python -m benchmarks.recalculation --events 1000000`
"""

import resource
import time

import click

from benchmarks import history
from models import projections
from workers import scopes


def recalculate_all(show):
    """Everything, as `recalculate-counts --all` does it, without its own bookkeeping; answers the differences."""
    found = []
    for phase, key, work in scopes.steps("all", None, batch=500):
        found += work(key, dry_run=False, tick=lambda: None, wrong=())
        show(phase, key)
    return found


def memory_mb():
    """The most memory that this process has held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--events", default=1_000_000, show_default=True)
@click.option("--learners", default=1000, show_default=True)
def main(database, events, learners):
    """Print both times, their ratio, and the memory at a tenth and at the end."""
    with history.application_on(database), history.driver(database) as connection:
        history.write(events, learners=learners)
        projections.fold_all()
        marks = {}
        began = time.perf_counter()
        history.read_all(connection)
        read = time.perf_counter() - began
        began = time.perf_counter()
        found = recalculate_all(lambda phase, key: marks.setdefault((phase, key), memory_mb()))
        recalculated = time.perf_counter() - began
        began = time.perf_counter()
        history.read_all(connection)
        read = (read + time.perf_counter() - began) / 2
        print(f"{history.machine()}; python -m benchmarks.recalculation --database {database} --events {events}")
        print(f"the driver reads them in {read:.1f} s, recalculation takes {recalculated:.1f} s")
        print(f"ratio {recalculated / read:.2f} (at most 4); {len(found)} differences")
        print(f"memory at a tenth {marks[0, learners // 10]} MB, at the end {memory_mb()} MB")


if __name__ == "__main__":
    main()
