"""A Socket.IO line to `/monitor` in a few coroutines: two hundred of them cost one thread."""

import asyncio
import contextlib
import json
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage
from wsproto.utilities import ProtocolError

NAMESPACE = "/monitor"
TARGET = "/socket.io/?EIO=4&transport=websocket"
CHUNK = 65_536
ANSWER_SECONDS = 10
# The engine's ping comes every 10 s, and may be 10 s late.
SILENCE_SECONDS = 21

BROKEN = (OSError, EOFError, asyncio.TimeoutError, ProtocolError)


class Refused(ConnectionError):
    """The server does not let this line in."""


class Line:
    """One line, from the connection to its end. `on_message(name, payload)` answers what the server is told back."""

    def __init__(self, on_message):
        self._on_message = on_message
        self._ws = WSConnection(ConnectionType.CLIENT)
        self._writer = self._reader = None
        self._texts = []
        self._part = ""
        self._answers = {}
        self._number = 0

    async def open(self, url, token):
        """Connect as the holder of a token. Raises `Refused`, or one of `BROKEN`."""
        place = urlsplit(url)
        self._reader, self._writer = await asyncio.open_connection(place.hostname, place.port)
        self._write(self._ws.send(Request(host=place.netloc, target=TARGET)))
        await self._text("0")
        self.send(f"40{NAMESPACE},{json.dumps({'token': token})}")
        await self._text(f"40{NAMESPACE}")

    async def _text(self, start):
        async with asyncio.timeout(ANSWER_SECONDS):
            text = await self._receive()
        if not text.startswith(start):
            raise Refused(text)

    async def listen(self):
        """Take what comes until the line breaks (one of `BROKEN`)."""
        while True:
            async with asyncio.timeout(SILENCE_SECONDS):
                text = await self._receive()
            self._take(text)

    async def call(self, name, payload, seconds=ANSWER_SECONDS):
        """Send a message; answers its acknowledgement. Somebody must `listen` meanwhile."""
        self._number += 1
        number, answer = self._number, asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        try:
            self.send(f"42{NAMESPACE},{number}{json.dumps([name, payload])}")
            async with asyncio.timeout(seconds):
                return await answer
        finally:
            del self._answers[number]

    def send(self, text):
        """Send a packet, whoever listens."""
        self._write(self._ws.send(TextMessage(data=text)))

    def break_off(self):
        """The line is gone as in a network that breaks."""
        if self._writer is not None:
            self._writer.transport.abort()

    def _write(self, data):
        if self._writer.transport.is_closing():
            raise ConnectionResetError("the line is closed")
        self._writer.write(data)

    async def _receive(self):
        while not self._texts:
            data = await self._reader.read(CHUNK)
            if not data:
                raise EOFError("the server has closed the line")
            self._ws.receive_data(data)
            for event in self._ws.events():
                self._note(event)
        return self._texts.pop(0)

    def _note(self, event):
        if isinstance(event, TextMessage):
            self._part += event.data
            if event.message_finished:
                self._texts.append(self._part)
                self._part = ""
        elif isinstance(event, Ping):
            self._write(self._ws.send(event.response()))
        elif isinstance(event, CloseConnection):
            raise EOFError("the server has closed the line")
        elif not isinstance(event, AcceptConnection):
            raise Refused(repr(event))

    def _take(self, text):
        kind, (number, content) = text[:2], _parsed(text[2:])
        if text[:1] == "2":
            self.send("3")
        elif kind == "42":
            self._answer(number, self._on_message(*content))
        elif kind == "43" and number in self._answers:
            with contextlib.suppress(asyncio.InvalidStateError):
                self._answers[number].set_result(content[0])
        elif kind == "41" or text[:1] == "1":
            raise EOFError("the server has ended the line")

    def _answer(self, number, answer):
        if number is not None:
            self.send(f"43{NAMESPACE},{number}{json.dumps([answer])}")


def _parsed(rest):
    """(number of the question or None, content) of what follows a packet's kind."""
    rest = rest.removeprefix(NAMESPACE).removeprefix(",")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return int(rest[:digits]) if digits else None, json.loads(rest[digits:]) if rest[digits:] else None
