"""Claim: two workers fold a backlog faster than one, and come to the same (PostgreSQL; SQLite has one writer).

`python -m benchmarks.workers`
"""

import subprocess
import sys
import time

import click
from sqlalchemy import text

from benchmarks import history
from models import projections
from models.db import db

FOLD = """
import sys
from benchmarks import history
from models import projections
with history.application_at(sys.argv[1]).app_context():
    print("ready", flush=True)
    sys.stdin.readline()
    projections.fold_all()
"""


def folded_by(count, url):
    """Seconds that so many processes need for all that is behind; what starting them takes is not counted."""
    command = [sys.executable, "-c", FOLD, url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    workers = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for worker in workers:
        worker.stdout.readline()
    began = time.perf_counter()
    for worker in workers:
        worker.stdin.write("\n")
        worker.stdin.flush()
    for worker in workers:
        worker.wait()
    return time.perf_counter() - began


def counted():
    """The sum of what was counted, to see that nothing was lost or doubled."""
    with db.engine.connect() as connection:
        return connection.execute(text("SELECT sum(runs), sum(edits), sum(time_spent_ms) FROM submission_counts")).one()


@click.command()
@click.option("--events", default=200_000, show_default=True)
@click.option("--learners", default=200, show_default=True)
def main(events, learners):
    """Print the times of one and of two workers, and their ratio."""
    seconds, sums = {}, set()
    for count in (1, 2):
        with history.application_on("postgresql") as app:
            history.write(events, learners=learners)
            seconds[count] = folded_by(count, app.config["DATABASE_URL"])
            sums.add(tuple(counted()))
            left = projections.users_behind()
    print(f"{history.machine()}; python -m benchmarks.workers --events {events}")
    print(f"one worker folds them in {seconds[1]:.1f} s, two in {seconds[2]:.1f} s, the database on the same cores")
    print(
        f"ratio {seconds[1] / seconds[2]:.2f}; {'the same counts' if len(sums) == 1 and not left else 'OTHER COUNTS'}"
    )


if __name__ == "__main__":
    main()
