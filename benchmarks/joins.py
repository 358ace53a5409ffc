"""Claim: of 300 students who join in 10 s each costs at most 15 statements, as many with 300 in the room as with 30.

Connecting and joining, counted in the web process by request; a teacher watches. How long a join takes stands beside
entering a room of the bare server. `python -m benchmarks.joins --database postgresql`
"""

import asyncio
import statistics
import sys
import time
import uuid

import click
import requests

from benchmarks import classroom, history, house, lines

MOST = 15
# Who comes at the same moment shares a transaction, and by chance a few more or fewer do.
GROWTH = 1.1
PATIENCE_SECONDS = 60


async def come(port, pupil, took):
    """One student's tab connects and joins."""
    began = time.perf_counter()
    line = await lines.connect(port, pupil.token)
    await line.call("join", {"session_id": pupil.session_id, "tab_id": str(uuid.uuid4())})
    took.append(time.perf_counter() - began)
    return line


async def crowd(port, pupils, seconds):
    """All of them come within so many seconds, evenly; answers their lines and how long each took."""
    took, coming, began = [], [], time.perf_counter()
    for number, pupil in enumerate(pupils):
        await asyncio.sleep(max(began + number * seconds / len(pupils) - time.perf_counter(), 0))
        coming.append(asyncio.ensure_future(come(port, pupil, took)))
    return await asyncio.wait_for(asyncio.gather(*coming), PATIENCE_SECONDS), took, time.perf_counter() - began


async def measure(opened, seconds):
    """They come to our server, then to the bare one."""
    served, (session_id,) = opened.served, opened.rooms
    port = served.port_of("web-counting")
    screen = await classroom.Screen(session_id).watch(port, opened.teachers[0])
    own = await crowd(port, opened.pupils, seconds)
    bare = await crowd(served.port_of("web-bare"), opened.pupils, seconds)
    for line in [*own[0], *bare[0], screen.line]:
        line.close()
    return own[1:], bare[1]


def counted(served):
    """How many statements each join took with its connection; who writes for others has theirs, so only sums tell."""
    found = requests.get(f"{served.url_of('web-counting')}/healthz/statements", timeout=10)
    return found.json()["joins"]


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--learners", default=300, show_default=True)
@click.option("--few", default=30, show_default=True)
@click.option("--seconds", default=10.0, show_default=True)
def main(database, learners, few, seconds):
    """Print all figures; 1 is answered when the claim is missed."""
    with house.opened(database, sizes=[learners], parts=()) as opened:
        opened.served.spawn_module("web-counting", "benchmarks.server")
        (own, lasted), bare = asyncio.run(measure(opened, seconds))
        joins = counted(opened.served)
    early, late = (statistics.mean(part) for part in (joins[:few], joins[-few:]))
    print(f"{history.machine()}; python -m benchmarks.joins --database {database} --learners {learners}")
    print(f"{learners} came within {lasted:.1f} s; {classroom.in_ms('connect and join', own)}")
    print(classroom.in_ms("the same at the bare server", bare))
    print(f"statements of a join: {early:.1f} of the first {few}, {late:.1f} of the last {few} (at most {MOST})")
    print(f"ratio {late / early:.2f} (at most {GROWTH})")
    sys.exit(late / early > GROWTH or max(early, late) > MOST)


if __name__ == "__main__":
    main()
