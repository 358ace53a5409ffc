"""The keeper: a tiny process that outlives its parent by a moment and ends whatever the parent has left behind.

The parent holds the other end of standard input, so the end of input means that the parent is gone, even by kill -9.
Lines until then: `watch GROUP`, `forget GROUP`, `remove FOLDER`. Processes that left their group (RQ's work-horses)
are found by a mark in their environment; that needs /proc, so Linux only.
"""

import contextlib
import os
import shutil
import signal
import sys
import time
from pathlib import Path

MARK = "SUPERVISOR_MARK"
SWEEPS = 100
PAUSE_SECONDS = 0.02


def main(mark):
    """Listen until the parent is gone, then kill what is watched or marked, then remove the folders."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups, folders = set(), []
    for line in sys.stdin:
        verb, _, value = line.rstrip("\n").partition(" ")
        if verb == "watch":
            groups.add(int(value))
        elif verb == "forget":
            groups.discard(int(value))
        elif verb == "remove":
            folders.append(value)
    for group in groups:
        _kill(os.killpg, group)
    for _ in range(SWEEPS):
        left = list(_marked(mark))
        if not left:
            break
        for pid in left:
            _kill(os.kill, pid)
        time.sleep(PAUSE_SECONDS)
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


def _kill(kill, number):
    with contextlib.suppress(ProcessLookupError, PermissionError):
        kill(number, signal.SIGKILL)


def _marked(mark):
    """The processes, dead ones not yet buried excepted, that were started with this mark."""
    needle = f"{MARK}={mark}".encode()
    for entry in Path("/proc").glob("[0-9]*/environ"):
        try:
            if needle in entry.read_bytes().split(b"\0"):
                yield int(entry.parent.name)
        except OSError:
            pass  # ended meanwhile, or somebody else's


if __name__ == "__main__":
    main(sys.argv[1])
