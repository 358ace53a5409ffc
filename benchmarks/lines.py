"""The wire as cheap as Python has it: websocket lines to `/monitor` and keep-alive posts, thousands in one loop.

What measures must not be what is slow: a frame is cut out of the buffer, its moment is taken, and only then is it read.
"""

import asyncio
import itertools
import time

import orjson

NAMESPACE = "/monitor"
HOST = "127.0.0.1"
UPGRADE = (
    f"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
).encode()
NO_MASK = b"\0\0\0\0"
TEXT, CLOSE = 1, 8
CALL_SECONDS = 120


class Line(asyncio.Protocol):
    """One Socket.IO line. `hear(name, payload, at)` is called for each message, `at` is when it came (monotonic).

    `ended` is why and when (monotonic) the line broke, or None.
    """

    def __init__(self, token=None, hear=None):
        self.token, self.hear = token, hear
        self.buffer = bytearray()
        self.is_upgraded = False
        self.opened = asyncio.get_running_loop().create_future()
        self.ended = None
        self.answers = {}
        self.numbers = itertools.count(1)

    async def call(self, name, payload):
        """Send a message; answers its acknowledgement."""
        number = next(self.numbers)
        self.answers[number] = asyncio.get_running_loop().create_future()
        self.write(f"42{NAMESPACE},{number}{orjson.dumps([name, payload]).decode()}")
        async with asyncio.timeout(CALL_SECONDS):
            return await self.answers[number]

    def tell(self, name, payload):
        """Send a message that needs no answer."""
        self.write(f"42{NAMESPACE},{orjson.dumps([name, payload]).decode()}")

    def write(self, text):
        """Send a packet; a client must say that it masks, and by what."""
        data = text.encode()
        size = len(data)
        head = bytes((0x81, 0x80 | size)) if size < 126 else b"\x81\xfe" + size.to_bytes(2)
        self.transport.write(head + NO_MASK + data)

    def close(self):
        """Hang up."""
        self.transport.abort()

    # the protocol's own

    def connection_made(self, transport):
        self.transport = transport
        transport.write(UPGRADE)

    def connection_lost(self, error):
        self._end(f"the line is closed: {error}")

    def data_received(self, data):
        at = time.perf_counter()
        self.buffer += data
        if not self.is_upgraded:
            head, found, rest = self.buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if not head.startswith(b"HTTP/1.1 101"):
                self._end(head.decode())
                return
            self.is_upgraded, self.buffer = True, rest
        while (frame := self._frame()) is not None:
            self._take(*frame, at)

    def _frame(self):
        """(kind, content) of the next whole frame, or None."""
        buffer = self.buffer
        if len(buffer) < 2:
            return None
        start, size = 2, buffer[1] & 0x7F
        if size > 125:
            start = 4 if size == 126 else 10
            size = int.from_bytes(buffer[2:start])
        if len(buffer) < start + size or len(buffer) < start:
            return None
        kind, content = buffer[0] & 0x0F, bytes(buffer[start : start + size])
        del buffer[: start + size]
        return kind, content

    def _take(self, kind, content, at):
        if kind == CLOSE:
            self._end("the server has closed the line")
        elif kind != TEXT:
            self._end(f"a frame of kind {kind}")
        elif content == b"2":
            self.write("3")
        elif content.startswith(b"0"):
            self.write(f"40{NAMESPACE},{orjson.dumps({'token': self.token}).decode()}")
        elif content.startswith(b"40"):
            self.opened.set_result(None)
        elif content.startswith(b"42"):
            self._hear(content, at)
        elif content.startswith(b"43"):
            number, answer = _parts(content)
            self.answers.pop(number).set_result(answer[0])
        else:
            self._end(content.decode())

    def _hear(self, content, at):
        number, (name, *payload) = _parts(content)
        if self.hear:
            self.hear(name, payload[0] if payload else None, at)
        if number is not None:
            self.write(f"43{NAMESPACE},{number}[null]")

    def _end(self, reason):
        self.ended = self.ended or (reason, time.perf_counter())
        for waiting in (self.opened, *self.answers.values()):
            if not waiting.done():
                waiting.set_exception(ConnectionError(reason))


def _parts(content):
    """(number or None, content) of a packet `4x/monitor,<number><JSON>`."""
    rest = content.partition(b",")[2]
    start = rest.index(b"[")
    return int(rest[:start]) if start else None, orjson.loads(rest[start:])


async def connect(port, token=None, hear=None):
    """An open line of the holder of a token. Raises `ConnectionError` where it is refused."""
    loop = asyncio.get_running_loop()
    _, line = await loop.create_connection(lambda: Line(token, hear), HOST, port)
    await asyncio.wait_for(line.opened, CALL_SECONDS)
    return line


class Poster(asyncio.Protocol):
    """One keep-alive connection, as a browser has it: one request at a time."""

    def __init__(self):
        self.answer = b""
        self.waiting = None

    async def send(self, request):
        """Send a whole request; answers (status line, body)."""
        self.answer, self.waiting = b"", asyncio.get_running_loop().create_future()
        self.transport.write(request)
        async with asyncio.timeout(CALL_SECONDS):
            return await self.waiting

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, error):
        if self.waiting and not self.waiting.done():
            self.waiting.set_exception(ConnectionError(f"no answer: {error}"))

    def data_received(self, data):
        self.answer += data
        head, found, body = self.answer.partition(b"\r\n\r\n")
        if found:
            length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
            if len(body) >= length and not self.waiting.done():
                self.waiting.set_result((head.partition(b"\r\n")[0], body))


async def poster(port):
    """A connection to post over."""
    _, made = await asyncio.get_running_loop().create_connection(Poster, HOST, port)
    return made
