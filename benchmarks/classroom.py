"""A class at work before its teachers' screens: who posts what and when, and when each screen showed it."""

import asyncio
import itertools
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from benchmarks import lines, load, log_event
from models.db import db, release
from models.streams import UserStream

KINDS = (
    [{"event_type": "File.Edit", "message": "", "category": ""}] * 6
    + [{"event_type": "Run.Program", "message": "", "category": ""}] * 2
    + [{"event_type": "Run.Program"}]
    + [{"event_type": "Intervention", "category": "instructor", "label": "tests", "message": "passed 2/4 tests"}]
)
FORM = "application/x-www-form-urlencoded; charset=UTF-8"
PATIENCE_SECONDS = 30
AT_ONCE = 20


@dataclass
class Posted:
    """One event on its way: when it was sent by both clocks, and how far its learner is counted once it is."""

    at: float
    wall: float
    counted_seq: int
    is_shown: bool = False


@dataclass
class Seen:
    """What screens have seen: seconds from the POST until an event stood in a row, and until it was counted there."""

    activity: list = field(default_factory=list)
    counts: list = field(default_factory=list)
    frames: int = 0
    rows: int = 0
    resyncs: int = 0


class Screen:
    """A teacher's page: it applies frames, acknowledges them, and notes when it showed what was posted."""

    def __init__(self, session_id):
        self.session_id = session_id
        self.seen = Seen()
        self.waiting = {}
        self.news = asyncio.Event()
        self.asking = None
        self.heard_at = 0.0

    async def watch(self, port, token):
        """Open the line and ask for the picture."""
        self.line = await lines.connect(port, token, self._hear)
        await self._ask()
        return self

    async def _ask(self):
        answer = await self.line.call("watch", {"session_id": self.session_id})
        picture = answer["snapshot"]
        self.line.tell("ack", {"session_id": self.session_id, "seq": picture["seq"]})
        self._show(picture["rows"], time.perf_counter())

    def expect(self, user_id, posted):
        """An event of this learner is on its way."""
        self.waiting.setdefault(user_id, []).append(Posted(posted.at, posted.wall, posted.counted_seq))

    @property
    def is_done(self):
        """Whether everything that was posted is shown and counted."""
        return not any(self.waiting.values())

    def _hear(self, name, payload, at):
        self.heard_at = at
        if name == "frame":
            self.line.tell("ack", {"session_id": self.session_id, "seq": payload["to"]})
            self.seen.frames += 1
            self.seen.rows += len(payload["rows"])
            self._show(payload["rows"], at)
        elif name == "resync":
            self.seen.resyncs += 1
            self.asking = asyncio.ensure_future(self._ask())

    def _show(self, rows, at):
        for row in rows:
            self._look(row, at)
        self.news.set()

    def _look(self, row, at):
        waiting = self.waiting.get(row["user_id"])
        if not waiting:
            return
        acted = datetime.fromisoformat(row["last_activity"]).timestamp() if row["last_activity"] else 0
        for posted in waiting:
            if not posted.is_shown and acted >= posted.wall:
                posted.is_shown = True
                self.seen.activity.append(at - posted.at)
            if row["counted_seq"] >= posted.counted_seq:
                self.seen.counts.append(at - posted.at)
        self.waiting[row["user_id"]] = [item for item in waiting if item.counted_seq > row["counted_seq"]]


class Classroom:
    """One session's learners with their tabs and connections, and the screens that watch it."""

    def __init__(self, house, session_id, *, seed=1):
        self.house, self.session_id, self.port = house, session_id, house.served.port
        self.pupils = house.rooms[session_id]
        self.chance = random.Random(seed)
        self.screens, self.tabs, self.posters, self.took = [], [], {}, []
        self.busy, self.running = set(), set()
        self.kinds = itertools.cycle(KINDS)

    async def enter(self):
        """Everybody joins, then the teachers watch; what that made is in the log before anything is measured."""
        gate = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(self._join(pupil, gate) for pupil in self.pupils))
        for token in self.house.teachers:
            self.screens.append(await Screen(self.session_id).watch(self.port, token))
        query = select(UserStream.user_id, UserStream.last_seq)
        ends = dict(map(tuple, db.session.execute(query)))
        release()
        for pupil in self.pupils:
            pupil.counted_seq, pupil.posts = ends[pupil.user_id], 0

    async def _join(self, pupil, gate):
        async with gate:
            line = await lines.connect(self.port, pupil.token)
            answer = await line.call("join", {"session_id": self.session_id, "tab_id": str(uuid.uuid4())})
            pupil.submission_id = answer["submission_id"]
            self.tabs.append(line)
            self.posters[pupil.user_id] = await lines.poster(self.port)

    async def post(self, pupil):
        """Post one event of a learner, which every screen is to show."""
        text = load.request_of(
            "/blockpy/log_event",
            log_event.body_of(pupil, **next(self.kinds)),
            kind=FORM,
            headers={"Authorization": f"Bearer {pupil.token}", "User-Agent": "Mozilla/5.0 (X11; Linux) Chrome/150.0"},
        )
        pupil.posts += 1
        posted = Posted(time.perf_counter(), time.time(), pupil.counted_seq + pupil.posts)
        for screen in self.screens:
            screen.expect(pupil.user_id, posted)
        request = text.replace(load.ID.decode(), str(uuid.uuid4())).encode()
        status, body = await self.posters[pupil.user_id].send(request)
        self.took.append(time.perf_counter() - posted.at)
        if b"200" not in status or b'"success":true' not in body:
            raise ValueError((status, body[:500]))

    async def work(self, rate, seconds):
        """So many events a second, whoever's turn it is; answers how many were posted. It ends when all are shown."""
        end = time.perf_counter() + seconds
        due, number = time.perf_counter(), 0
        order = itertools.cycle(self.chance.sample(self.pupils, len(self.pupils)))
        while (now := time.perf_counter()) < end:
            if due > now:
                await asyncio.sleep(due - now)
            due += self.chance.expovariate(rate)
            free = next((pupil for pupil in itertools.islice(order, len(self.pupils)) if pupil not in self), None)
            if free is not None:
                self._begin(free)
                number += 1
        await asyncio.gather(*self.running)
        await self.until_shown()
        return number

    def __contains__(self, pupil):
        return pupil.user_id in self.busy

    def _begin(self, pupil):
        """He is busy until he is answered."""
        self.busy.add(pupil.user_id)
        task = asyncio.ensure_future(self.post(pupil))
        self.running.add(task)
        task.add_done_callback(lambda _: self.busy.discard(pupil.user_id))

    async def until_shown(self):
        """Wait until every screen shows all of it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            for screen in self.screens:
                while not screen.is_done:
                    screen.news.clear()
                    await screen.news.wait()

    async def until_quiet(self, seconds):
        """Wait until no screen has heard anything for so long."""
        while (left := max(screen.heard_at for screen in self.screens) + seconds - time.perf_counter()) > 0:
            await asyncio.sleep(left)

    def take(self):
        """What all screens have seen since the last time, together."""
        whole = Seen()
        for screen in self.screens:
            seen, screen.seen = screen.seen, Seen()
            whole.activity += seen.activity
            whole.counts += seen.counts
            whole.frames += seen.frames
            whole.rows += seen.rows
            whole.resyncs += seen.resyncs
        return whole

    def close(self):
        """Everybody hangs up."""
        for line in [*self.tabs, *(screen.line for screen in self.screens)]:
            line.close()
        for poster in self.posters.values():
            poster.transport.abort()


class Bare:
    """As many sockets of the bare server, and posts that it tells them all."""

    def __init__(self, port, *, seed=1):
        self.port = port
        self.chance = random.Random(seed)
        self.sockets, self.waiting, self.took = [], {}, []
        self.numbers = itertools.count(1)

    async def enter(self, sockets):
        """Connect so many."""
        self.poster = await lines.poster(self.port)
        for _ in range(sockets):
            self.sockets.append(await lines.connect(self.port, hear=self._hear))

    async def post(self, size):
        """One emit of so many bytes; it ends when every socket has it."""
        number = next(self.numbers)
        self.waiting[number] = [time.perf_counter(), len(self.sockets), asyncio.Event()]
        body = f'{{"number": {number}, "size": {size}}}'
        text = load.request_of("/echo", body, kind="application/json", headers={})
        await self.poster.send(text.encode())
        await self.waiting[number][2].wait()
        del self.waiting[number]

    async def work(self, rate, seconds, size):
        """So many emits a second."""
        due = time.perf_counter()
        end = due + seconds
        while (now := time.perf_counter()) < end:
            await asyncio.sleep(max(due - now, 0))
            due += self.chance.expovariate(rate)
            await self.post(size)

    def _hear(self, name, payload, at):
        waiting = self.waiting[payload["number"]]
        self.took.append(at - waiting[0])
        waiting[1] -= 1
        if not waiting[1]:
            waiting[2].set()

    def take(self):
        """What has come since the last time: seconds from POST to socket."""
        took, self.took = self.took, []
        return took

    def close(self):
        """Hang up."""
        for line in self.sockets:
            line.close()
        self.poster.transport.abort()


def quantile(values, percent):
    """The value that so many percent do not exceed."""
    ascending = sorted(values)
    return ascending[min(len(ascending) * percent // 100, len(ascending) - 1)]


def in_ms(name, seconds):
    """A line of the report."""
    return f"{name}: p50 {1000 * quantile(seconds, 50):.1f} ms, p95 {1000 * quantile(seconds, 95):.1f} ms"
