"""A simulated student's live line to the room, over Socket.IO (contract monitoring 3)."""

import contextlib
import logging
import random
import socket
import time
import uuid
from collections import deque

import socketio
from socketio.exceptions import SocketIOError

NAMESPACE = "/monitor"
PATIENCE_SECONDS = 5
PAUSES_SECONDS = (0.5, 1, 2, 4, 5)
PASSING = ("unavailable", "too_many")

# A line that breaks is what is played here: the tally tells it, the library's complaints would drown it.
silence = logging.getLogger(__name__)
silence.setLevel(logging.CRITICAL)


class Line:
    """One tab's connection, which is opened again after it breaks, until somebody cuts it."""

    def __init__(self, url, desk, session_id, tally):
        self._url, self._desk, self._session_id, self._tally = url, desk, session_id, tally
        self._tab_id = str(uuid.uuid4())
        self._client = None
        self._is_wanted = False
        self._failures = 0
        self._next_try_at = 0.0
        self._hints = deque()

    def open(self):
        """Enter the room, now or as soon as that is possible."""
        self._is_wanted = True
        self._next_try_at = 0.0
        self.keep()

    def keep(self):
        """Call again if the line broke and it is time to, and confirm the hints that have been on the page."""
        if self._is_wanted and not self._is_up and time.monotonic() >= self._next_try_at:
            self._connect()
        while self._hints and self._is_up:
            self._tell("seen", {"hint_id": self._hints.popleft()})

    def show(self, visible):
        """The tab was hidden or shown."""
        if self._is_up:
            self._tell("signal", {"session_id": self._session_id, "visible": visible, "focused": visible})

    def cut(self):
        """Lose the line as a network does, without goodbye: the other side has to find out."""
        self._is_wanted = False
        client, self._client = self._client, None
        transport = getattr(client and client.eio.ws, "sock", None)
        if transport is not None:
            with contextlib.suppress(OSError):
                transport.shutdown(socket.SHUT_RDWR)

    def leave(self):
        """Say goodbye and close."""
        self._is_wanted = False
        if self._is_up:
            with contextlib.suppress(SocketIOError):
                self._call("leave", {"session_id": self._session_id})
            self._client.disconnect()

    @property
    def _is_up(self):
        return self._client is not None and NAMESPACE in self._client.namespaces

    def _connect(self):
        # The library would take Ctrl-C for itself, and call again while this student's network is meant to be gone.
        self._client = socketio.Client(reconnection=False, handle_sigint=False, logger=silence, engineio_logger=silence)
        self._client.on("hint", self._take_hint, namespace=NAMESPACE)
        try:
            self._client.connect(
                self._url,
                namespaces=[NAMESPACE],
                auth={"token": self._desk.token},
                transports=["websocket"],
                wait_timeout=PATIENCE_SECONDS,
            )
            joined = self._call("join", {"session_id": self._session_id, "tab_id": self._tab_id})
        except SocketIOError:
            self._try_later()
        else:
            self._entered(joined)

    def _entered(self, joined):
        if joined["success"]:
            self._failures = 0
            self._tally.count("joins")
            return
        if joined.get("error") in PASSING:
            self._try_later()
        else:
            self._tally.refuse(f"join: {joined.get('message')}")
            self.cut()

    def _try_later(self):
        """Hang up, and call again after a pause with jitter, so that a class does not come back as one."""
        self.cut()
        self._is_wanted = True
        self._tally.count("failed")
        pause = PAUSES_SECONDS[min(self._failures, len(PAUSES_SECONDS) - 1)]
        self._failures += 1
        self._next_try_at = time.monotonic() + pause * random.uniform(0.5, 1.5)

    def _call(self, message, payload):
        return self._client.call(message, payload, namespace=NAMESPACE, timeout=PATIENCE_SECONDS)

    def _tell(self, message, payload):
        with contextlib.suppress(SocketIOError):
            self._client.emit(message, payload, namespace=NAMESPACE)

    def _take_hint(self, hint):
        """What this returns is the acknowledgement: delivered. Seen is told when the student looks up."""
        self._hints.append(hint["hint_id"])
        return {"success": True}
