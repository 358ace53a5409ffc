"""Claim: 3,000 sockets stay for 5 minutes on one process under load, an idle one costs at most 1.3 times a bare one.

Students' tabs, each joined in a session of 30, while others post and a teacher watches; beside it as many sockets of
the bare server, in a room too. `python -m benchmarks.idle_sockets --minutes 5`; it needs so many open files.
"""

import asyncio
import resource
import sys
import time
import uuid

import click

from benchmarks import classroom, history, house, lines

MOST = 1.3
CLASS = 30
AT_ONCE = 20
SETTLE_SECONDS = 3
SPARE_FILES = 500


async def idle_kb(opened, name, people, enter):
    """Connect and enter all of these people; answers (lines, kilobytes of each)."""
    before = opened.served.resident_kb(name)
    gate = asyncio.Semaphore(AT_ONCE)
    port = opened.served.port_of(name)

    async def come(pupil):
        async with gate:
            line = await lines.connect(port, pupil.token)
            answer = await line.call("join", {"session_id": pupil.session_id, "tab_id": str(uuid.uuid4())})
            enter(pupil, answer)
            return line

    found = await asyncio.gather(*map(come, people))
    await asyncio.sleep(SETTLE_SECONDS)
    return found, (opened.served.resident_kb(name) - before) / len(found)


def _has_joined(pupil, answer):
    pupil.submission_id = answer["submission_id"]


async def measure(opened, rate, minutes):
    """Warm both up by one class, fill both with sockets, then let the class work; answers what is told."""
    room = classroom.Classroom(opened, next(iter(opened.rooms)))
    await room.enter()
    await room.work(rate, SETTLE_SECONDS)
    bare_warm, _ = await idle_kb(opened, "web-bare", room.pupils, lambda *_: None)
    others = [pupil for pupil in opened.pupils if pupil not in room.pupils]
    bare, bare_kb = await idle_kb(opened, "web-bare", others, lambda *_: None)
    began = time.perf_counter()
    idle, own_kb = await idle_kb(opened, "web", others, _has_joined)
    joined = time.perf_counter() - began
    room.take(), room.took.clear()
    cpu, began = opened.served.cpu_seconds(), time.perf_counter()
    events = await room.work(rate, 60 * minutes)
    cores = (opened.served.cpu_seconds() - cpu) / (time.perf_counter() - began)
    ends = [line.ended for line in [*idle, *room.tabs, *(screen.line for screen in room.screens)] if line.ended]
    for line in [*idle, *bare, *bare_warm]:
        line.close()
    seen = room.take()
    room.close()
    return {"own": own_kb, "bare": bare_kb, "ends": ends, "events": events, "cores": cores, "joined": joined}, seen


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--sockets", default=3000, show_default=True)
@click.option("--minutes", default=5.0, show_default=True)
@click.option("--rate", default=10.0, show_default=True, help="events a second")
def main(database, sockets, minutes, rate):
    """Print who stayed, both memories and their ratio; 1 is answered when a claim is missed."""
    _allow_files(2 * sockets + SPARE_FILES)
    with house.opened(database, sizes=[CLASS] * (sockets // CLASS)) as opened:
        told, seen = asyncio.run(measure(opened, rate, minutes))
    print(f"{history.machine()}; python -m benchmarks.idle_sockets --database {database} --minutes {minutes:g}")
    print(f"{sockets} sockets joined, the last {sockets - CLASS} in {told['joined']:.0f} s, then {minutes:g} minutes")
    print(f"{told['events']} events meanwhile, web {told['cores']:.2f} cores")
    print(classroom.in_ms("POST to the teacher's screen", seen.activity))
    print(f"{len(told['ends'])} lines broke {told['ends'][:3] or ''}")
    ratio = told["own"] / told["bare"]
    print(f"an idle socket holds {told['own']:.0f} KB, a bare one {told['bare']:.0f} KB")
    print(f"ratio {ratio:.2f} (at most {MOST})")
    sys.exit(bool(told["ends"] or ratio > MOST))


def _allow_files(wanted):
    """As many open files as this process and those that it starts need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))


if __name__ == "__main__":
    main()
