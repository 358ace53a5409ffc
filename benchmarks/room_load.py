"""Claim: 500 students, 10 teachers, 100 events/s on one web process and one worker: p95 to the screens under 0.7 s.

And frames are merged: at most a fortieth of events times watchers is sent. In turns with the bare server, which emits
for each POST. `python -m benchmarks.room_load --database postgresql`
"""

import asyncio
import sys
import time

import click

from benchmarks import classroom, history, house

MOST_SECONDS = 0.7
MERGED = 40
EVENT_BYTES = 1000
WARM_SECONDS = 6


async def measure(opened, rate, seconds):
    """The school works, then the bare server emits as often; answers what the benchmark tells."""
    room = classroom.Classroom(opened, next(iter(opened.rooms)))
    bare = classroom.Bare(opened.served.port_of("web-bare"))
    await room.enter()
    await bare.enter(len(room.screens))
    await room.work(rate, WARM_SECONDS)
    room.take(), room.took.clear()
    before = opened.served.cpu_seconds(), opened.served.cpu_seconds("counts"), time.perf_counter()
    events = await room.work(rate, seconds)
    used = opened.served.cpu_seconds(), opened.served.cpu_seconds("counts"), time.perf_counter()
    seen = room.take()
    cores = [(used[n] - before[n]) / (used[2] - before[2]) for n in (0, 1)]
    before = opened.served.cpu_seconds("web-bare"), time.perf_counter()
    await bare.work(rate, seconds, EVENT_BYTES)
    cores.append((opened.served.cpu_seconds("web-bare") - before[0]) / (time.perf_counter() - before[1]))
    broken = [line.ended for line in room.tabs if line.ended]
    room.close(), bare.close()
    return events, seen, room.took, bare.take(), cores, broken


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--learners", default=500, show_default=True)
@click.option("--teachers", default=10, show_default=True)
@click.option("--rate", default=100.0, show_default=True, help="events a second")
@click.option("--seconds", default=30.0, show_default=True)
def main(database, learners, teachers, rate, seconds):
    """Print all figures; 1 is answered when a claim is missed."""
    with house.opened(database, sizes=[learners], teachers=teachers) as opened:
        events, seen, answered, bare, cores, broken = asyncio.run(measure(opened, rate, seconds))
    print(f"{history.machine()}; python -m benchmarks.room_load --database {database} --seconds {seconds:.0f}")
    print(f"{events} events ({events / seconds:.0f}/s) to {teachers} screens, {len(broken)} lines broke")
    print(f"cores used: web {cores[0]:.2f}, worker {cores[1]:.2f}, the bare server {cores[2]:.2f}")
    print(classroom.in_ms("POST to a bare emit", bare))
    print(classroom.in_ms("POST to the teachers' screens", seen.activity))
    print(classroom.in_ms("until it is counted there", seen.counts))
    print(classroom.in_ms("until the POST is answered", answered))
    shown, ratio = classroom.quantile(seen.activity, 95), seen.frames / (events * teachers)
    print(f"{seen.frames} frames of {seen.rows / max(seen.frames, 1):.0f} rows, {seen.resyncs} times anew")
    print(f"p95 {shown:.2f} s (at most {MOST_SECONDS}), {shown / classroom.quantile(bare, 95):.1f} times a bare emit")
    print(f"ratio of frames 1/{1 / ratio:.0f} of events x watchers (at most 1/{MERGED})")
    sys.exit(bool(shown > MOST_SECONDS or ratio > 1 / MERGED or broken))


if __name__ == "__main__":
    main()
