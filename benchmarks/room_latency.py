"""Claim: the first change after a quiet moment is on the teacher's screen within 5 times a bare emit (p95 of each).

From the POST of one event in a class of 30 to the frame with its row, in turns with a POST that the bare server tells
one socket in a message of the same size. `python -m benchmarks.room_latency --database postgresql`
"""

import asyncio
import random
import sys

import click

from benchmarks import classroom, history, house

MOST = 5
FRAME_BYTES = 1000
WARM = 5
QUIET_SECONDS = 0.2


async def measure(opened, events):
    """Post one event, wait until it is counted and all is quiet; then the same with the bare server."""
    room = classroom.Classroom(opened, next(iter(opened.rooms)))
    bare = classroom.Bare(opened.served.port_of("web-bare"))
    await room.enter()
    await bare.enter(len(room.screens))
    chance = random.Random(1)
    for number in range(events + WARM):
        if number == WARM:
            room.take(), bare.take()
        await asyncio.sleep(chance.uniform(0.4, 0.9))
        await room.until_quiet(QUIET_SECONDS)
        await room.post(room.pupils[number % len(room.pupils)])
        await room.until_shown()
        await asyncio.sleep(chance.uniform(0.4, 0.9))
        await bare.post(FRAME_BYTES)
    seen, took = room.take(), bare.take()
    room.close(), bare.close()
    return seen, took, room.took


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--learners", default=30, show_default=True)
@click.option("--events", default=100, show_default=True)
def main(database, learners, events):
    """Print both and their ratio; 1 is answered when the claim is missed."""
    with house.opened(database, sizes=[learners]) as opened:
        seen, took, answered = asyncio.run(measure(opened, events))
    print(f"{history.machine()}; python -m benchmarks.room_latency --database {database} --events {events}")
    print(classroom.in_ms("POST to a bare emit", took))
    print(classroom.in_ms("POST to the teacher's screen", seen.activity))
    print(classroom.in_ms("until it is counted there", seen.counts))
    print(classroom.in_ms("until the POST is answered", answered))
    ratio = classroom.quantile(seen.activity, 95) / classroom.quantile(took, 95)
    print(f"ratio {ratio:.1f} (at most {MOST})")
    sys.exit(ratio > MOST)


if __name__ == "__main__":
    main()
