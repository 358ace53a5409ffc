"""Claim: one worker folds at least 0.3 times as fast as the driver reads the same rows.

`python -m benchmarks.fold --database postgresql`
"""

import time

import click

from benchmarks import history
from models import projections


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--events", default=100_000, show_default=True)
@click.option("--learners", default=100, show_default=True)
@click.option("--rounds", default=4, show_default=True, help="each reads, folds a part of the events, reads again")
def main(database, events, learners, rounds):
    """Print both speeds and their ratio."""
    with history.application_on(database), history.driver(database) as connection:
        read_seconds = folded_seconds = 0.0
        count = 0
        for part in range(rounds):
            each = events // rounds
            history.write(each, learners=learners, first_seq=part * each // learners + 1)
            first = part * (each // learners)
            read_seconds += _timed(lambda first=first: history.read_all(connection, after=first)) / 2
            folded_seconds += _timed(projections.fold_all)
            read_seconds += _timed(lambda first=first: history.read_all(connection, after=first)) / 2
            count += each
        print(f"{history.machine()}; python -m benchmarks.fold --database {database} --events {events}")
        print(
            f"the driver reads {count / read_seconds:,.0f} events/s, one worker folds {count / folded_seconds:,.0f}/s"
        )
        print(f"ratio {read_seconds / folded_seconds:.2f} (at least 0.3)")


def _timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
