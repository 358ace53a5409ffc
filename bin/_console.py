"""What the person at the terminal sees: short lines, and one sentence when something cannot go on."""

import contextlib
import os
import queue
import sys
import threading

WAITING_LINES = 10_000


class Refusal(Exception):
    """Why this cannot go on, said to the person who typed the command; never shown as a traceback."""


_lines = queue.Queue(WAITING_LINES)
_start_lock = threading.Lock()
_writer = None


def say(text=""):
    """Show a line. Never waits: one thread writes, so a terminal stopped by Ctrl-S does not stop a class."""
    _ensure_writer()
    with contextlib.suppress(queue.Full):
        _lines.put_nowait(text)


def flush(timeout=1.0):
    """Wait until everything said so far is written, but not for ever."""
    _ensure_writer()
    written = threading.Event()
    try:
        _lines.put(written, timeout=timeout)
    except queue.Full:
        return
    written.wait(timeout)


def refuse(refusal):
    """End with the sentence on standard error and exit code 1."""
    flush()
    sys.exit(str(refusal))


def _ensure_writer():
    global _writer
    with _start_lock:
        if _writer is None:
            _writer = threading.Thread(target=_write_lines, daemon=True)
            _writer.start()


def _write_lines():
    encoding = (sys.stdout and sys.stdout.encoding) or "utf-8"
    while True:
        line = _lines.get()
        if isinstance(line, threading.Event):
            line.set()
        else:
            _write((line + "\n").encode(encoding, "replace"))


def _write(rest):
    """Straight to the file descriptor: Python's own buffer would be locked at exit if the terminal hangs."""
    try:
        while rest:
            rest = rest[os.write(1, rest) :]
    except OSError:
        pass  # nobody reads any more (`bin/run | head`): the server goes on
