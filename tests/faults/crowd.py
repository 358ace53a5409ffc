"""Students' tabs by the hundred: each comes back by itself, and sends again what was not acknowledged."""

import asyncio
import random
import uuid

from tests.faults.load import KINDS
from tests.faults.looping import Looping
from tests.faults.websocket import BROKEN, Line, Refused

PAUSES_SECONDS = (0.5, 1, 2, 4, 5)
OPEN_SECONDS = 15
MOST_EVENTS = 100
LOOK_SECONDS = 0.02


class Crowd(Looping):
    """The tabs of one test and their loop; `truth` hears of every line that is up or down."""

    def __init__(self, truth):
        super().__init__()
        self.truth = truth
        self.tabs = []

    def tab(self, pupil, session_id, *, url=None):
        """A tab that is opened and comes in as soon as it can; `url` is where it calls if not at the pupil's."""
        made = Tab(self, pupil, session_id, url or pupil.url)
        self.tabs.append(made)
        made.life = self.start(made.live())
        return made

    def close(self):
        """All tabs are gone."""
        for tab in self.tabs:
            tab.wanted = False
        self.end()


class Tab:
    """One tab of a student in a live session, with an outbox as the editor has.

    `acknowledged` and `wrong` are as `load.check_written` wants them; `received` is [(name, payload)] of the server.
    """

    def __init__(self, crowd, pupil, session_id, url):
        self.crowd, self.pupil, self.session_id, self.url = crowd, pupil, session_id, url
        self.tab_id = str(uuid.uuid4())
        self.wanted = True
        self.line = self.life = self.joined = None
        self.joins = 0
        self.refusals, self.received, self.wrong = [], [], []
        self.outbox, self.acknowledged = [], []
        self.seen = True

    # what a test calls

    def say(self, name, payload):
        """Send a message by the line as it is; answers the acknowledgement."""
        return self.crowd.do(self.line.call(name, payload))

    def drop(self):
        """The line breaks; the tab calls again after a while."""
        self.crowd.do(self._break_off())

    def forsake(self):
        """The device has lost its power: nothing of it will be heard again, whatever is in its lines."""
        self.wanted = False
        self.crowd.truth.down(self.pupil.user_id, self)

    def close(self, *, goodbye=False):
        """The tab is closed for good, with a goodbye or as a browser that is killed."""
        self.wanted = False
        if goodbye and self.joined:
            self.say("leave", {"session_id": self.session_id})
        self.drop()

    def work(self, number):
        """Do so many things more: they go out as soon as they can."""
        for index in range(number):
            self.outbox.append(self.pupil.fields(KINDS[index % len(KINDS)]))

    def heard(self, name):
        """What was received under this name so far."""
        return [payload for told, payload in list(self.received) if told == name]

    # the tab's own life, in the loop

    async def live(self):
        """Call, join, listen, and call again after a pause with jitter, until the tab is closed."""
        failures = 0
        while self.wanted:
            joins = self.joins
            try:
                await self._stay()
            except Refused as refused:
                self.refusals.append(str(refused))
            except BROKEN:
                pass  # the network's own: calling again is all there is to do
            finally:
                await self._break_off()
            failures = 0 if self.joins > joins else failures + 1
            if self.wanted:
                await asyncio.sleep(PAUSES_SECONDS[min(failures, len(PAUSES_SECONDS) - 1)] * random.uniform(0.5, 1.5))

    async def _stay(self):
        self.line = Line(self._hear)
        async with asyncio.timeout(OPEN_SECONDS):
            await self.line.open(self.url, self.pupil.token)
        work = asyncio.ensure_future(self._work())
        try:
            await self.line.listen()
        finally:
            work.cancel()
            await asyncio.gather(work, return_exceptions=True)

    async def _work(self):
        """Join, then send what waits: what breaks here ends the line, as it does in the editor."""
        try:
            answer = await self.line.call("join", {"session_id": self.session_id, "tab_id": self.tab_id})
            if not answer["success"]:
                self.refusals.append(answer)
                raise EOFError("not let in")
            self._enter(answer)
            while True:
                await self._send() if self.outbox else await asyncio.sleep(LOOK_SECONDS)
        except BROKEN:
            self.line.break_off()

    def _enter(self, answer):
        if self.pupil.submission is None:
            course_id, session = self.pupil.course_id, answer["session"]
            self.pupil.submission = {"id": answer["submission_id"], "assignment_id": session["assignment_id"]}
            self.pupil.submission["course_id"] = course_id
        self.joined, self.joins = answer, self.joins + 1
        self.crowd.truth.up(self.pupil.user_id, self)

    async def _send(self):
        batch = self.outbox[:MOST_EVENTS]
        try:
            answer = await self.line.call("events", {"session_id": self.session_id, "events": batch})
        except TimeoutError:
            return  # what was not acknowledged is sent again by the line that is there
        if not answer["success"]:
            self.refusals.append(answer)
            raise EOFError("not taken")
        self.wrong += [result for result in answer["results"] if result["status"] == "rejected"]
        self.acknowledged += [(result["event_id"], result.get("log_id")) for result in answer["results"]]
        del self.outbox[: len(batch)]

    async def _break_off(self):
        self.joined = None
        self.crowd.truth.down(self.pupil.user_id, self)
        if self.line is not None:
            self.line.break_off()

    def _hear(self, name, payload=None):
        """What a message is answered with; a hint that came to a visible page is confirmed."""
        self.received.append((name, payload))
        if name == "hint" and self.seen:
            seen = self.line.call("seen", {"hint_id": payload["hint_id"]})
            self.crowd.keep(asyncio.ensure_future(seen))
        return {"success": True}
