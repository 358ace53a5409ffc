"""A TCP proxy of our own between clients and servers: it holds bytes back, slows them, cuts lines, and fails over."""

import asyncio
import contextlib
from urllib.parse import urlsplit

from tests.faults.looping import Looping

UP, DOWN = "up", "down"
CHUNK = 65_536


class Proxy(Looping):
    """One address before one or several servers; a new line goes to the next of them that answers.

    UP is what clients send, DOWN what servers send. What is held, the end of a line too, arrives when it is let go.
    """

    def __init__(self, *urls):
        super().__init__()
        self.targets = [urlsplit(url).port for url in urls]
        self.latency_seconds = 0.0
        self.refuses = False
        self.taken = 0
        self._lines = {}
        self._open = {UP: asyncio.Event(), DOWN: asyncio.Event()}
        self.let_go()
        self._server = self.do(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def hold(self, *directions):
        """Nothing gets through any more, in one direction or in both, and nobody is told: a half-open line."""
        for direction in directions or (UP, DOWN):
            self._loop.call_soon_threadsafe(self._open[direction].clear)

    def let_go(self):
        """Everything gets through, first what was held."""
        for event in self._open.values():
            self._loop.call_soon_threadsafe(event.set)

    def cut(self):
        """Every line breaks now, for both sides; answers how many there were."""
        return self.do(self._cut())

    async def _cut(self):
        lines = list(self._lines.items())
        for task, ends in lines:
            for writer in ends:
                writer.transport.abort()
            task.cancel()
        return len(lines)

    def close(self):
        """End all of it."""
        self._loop.call_soon_threadsafe(self._server.close)
        self.cut()
        self.end()

    async def _serve(self, reader, writer):
        task = self.keep(asyncio.current_task())
        self._lines[task] = [writer]
        try:
            if not self.refuses:
                await self._forward(reader, writer, task)
        except (OSError, asyncio.CancelledError):
            pass  # a line that breaks is what this is for
        finally:
            for end in self._lines.pop(task):
                end.transport.abort()

    async def _forward(self, reader, writer, task):
        far_reader, far_writer = await self._reach()
        self._lines[task].append(far_writer)
        await asyncio.gather(self._pour(reader, far_writer, UP), self._pour(far_reader, writer, DOWN))

    async def _reach(self):
        for _ in self.targets:
            self.taken += 1
            with contextlib.suppress(ConnectionRefusedError):
                return await asyncio.open_connection("127.0.0.1", self.targets[self.taken % len(self.targets)])
        raise ConnectionRefusedError("no server is up")

    async def _pour(self, source, sink, direction):
        while data := await source.read(CHUNK):
            if self.latency_seconds:
                await asyncio.sleep(self.latency_seconds)
            await self._open[direction].wait()
            sink.write(data)
            await sink.drain()
        await self._open[direction].wait()
        sink.write_eof()
