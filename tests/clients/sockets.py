"""Sockets of real clients, and waiting for what they bring."""

import threading
import time
from datetime import datetime

import engineio
import socketio

NAMESPACE = "/monitor"
PATIENCE_SECONDS = 15
POLL_SECONDS = 0.05


def eventually(check, seconds, what):
    """What `check()` answers as soon as that is true; fails after so many seconds with `what` was expected."""
    give_up = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(POLL_SECONDS)
    return found


def moment(text):
    """Seconds since 1970 of a time of the wire."""
    return datetime.fromisoformat(text).timestamp()


class _InOrder(engineio.Client):
    """As it comes, each message is handled in a thread of its own, and frames overtake each other."""

    def _trigger_event(self, event, *args, **options):
        return super()._trigger_event(event, *args, **options | {"run_async": False})

    def disconnect(self, abort=False, reason=None):
        """Hung up by the server, it ends on the thread that reads, which cannot wait for itself."""
        is_reading = threading.current_thread() is self.read_loop_task
        super().disconnect(abort=abort or is_reading, reason=reason)


class _Client(socketio.Client):
    def _engineio_client_class(self):
        return _InOrder


def make_socket(**options):
    """A Socket.IO client that hands over messages in the order in which they came."""
    return _Client(handle_sigint=False, **options)


def connect(client, url, token):
    """Open the line to `/monitor`."""
    client.connect(
        url, namespaces=[NAMESPACE], auth={"token": token}, transports=["websocket"], wait_timeout=PATIENCE_SECONDS
    )
