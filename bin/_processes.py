"""Child processes that never outlive us: own session, a death signal on Linux, and the keeper behind both."""

import collections
import contextlib
import ctypes
import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from _console import Refusal
from _keeper import MARK

ROOT = Path(__file__).resolve().parent.parent
PR_SET_PDEATHSIG = 1
FIRST_LINES = 6
LAST_LINES = 12
LONGEST_LINE = 64 * 1024

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Keeper:
    """Our side of `_keeper.py`. Files passed as `keep_open` stay open (and locked) until the last child is gone."""

    def __init__(self, keep_open=()):
        self.mark = secrets.token_hex(16)
        script = Path(__file__).with_name("_keeper.py")
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(script), self.mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Not marked itself, so that a bin/test around us does not kill it before it has cleared up.
            env={name: value for name, value in os.environ.items() if name != MARK},
            pass_fds=keep_open,
            start_new_session=True,
            text=True,
        )
        self._pipe = self._process.stdin.fileno()

    def tell(self, verb, value):
        """Send one line; a keeper that somebody has killed is no reason to stop."""
        with contextlib.suppress(OSError, ValueError):
            self._process.stdin.write(f"{verb} {value}\n")
            self._process.stdin.flush()

    def close(self):
        """Have everything that is still there killed, and wait until it is."""
        self._pipe = None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        self._process.wait()

    def close_at_once(self):
        """As `close`, for a signal handler: without the locks that the interrupted code may hold."""
        pipe, self._pipe = self._pipe, None
        if pipe is not None:
            os.close(pipe)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._process.pid, 0)


def spawn(command, *, keeper, env=None, **options):
    """A `Popen` in its own session, marked and watched. Call it from the main thread: the death signal follows it."""
    parent = os.getpid()

    def die_with_parent():
        if _libc is not None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    marked = dict(os.environ if env is None else env) | {MARK: keeper.mark}
    options = {"cwd": ROOT, "start_new_session": True, "preexec_fn": die_with_parent} | options
    process = subprocess.Popen(list(map(str, command)), env=marked, **options)
    keeper.tell("watch", process.pid)
    return process


def kill_group(process, keeper):
    """Kill what is left of a process's group, reap it, and let the keeper forget it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    keeper.tell("forget", process.pid)


def run_quietly(command, *, what, keeper, env=None, explain=None, **options):
    """Run to the end and return the output. Raises `Refusal` when it fails: `explain(output)`, else the last lines."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT} | options
    process = spawn(command, keeper=keeper, env=env, **options)
    try:
        output = process.communicate()[0].decode("utf-8", "replace")
    finally:
        kill_group(process, keeper)
    if process.returncode != 0:
        reason = explain(output) if explain else None
        raise Refusal(reason or f"{what} failed:\n{excerpt(output.splitlines())}")
    return output


def excerpt(lines):
    """The first and the last lines, indented, to stand under a sentence: npm names its reason first, pip last."""
    lines = list(lines)
    if len(lines) > FIRST_LINES + LAST_LINES:
        lines = [*lines[:FIRST_LINES], "…", *lines[-LAST_LINES:]]
    return "\n".join("    " + line for line in lines)


class Service:
    """A child that is meant to stay: its lines go to `on_line`, its last ones are kept for an explanation."""

    def __init__(
        self, name, command, *, keeper, env=None, on_line=None, stop_signal=signal.SIGTERM, grace_seconds=8, **options
    ):
        self.name, self.command, self.env, self.options = name, command, env, options
        self.keeper, self.on_line = keeper, on_line
        self.stop_signal, self.grace_seconds = stop_signal, grace_seconds
        self.last_lines = collections.deque(maxlen=LAST_LINES)
        self.process = None

    def start(self):
        """Start the process, and a thread that forwards what it says."""
        self.last_lines.clear()
        self.process = spawn(
            self.command,
            keeper=self.keeper,
            env=self.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            **self.options,
        )
        threading.Thread(target=self._forward, args=(self.process.stdout,), daemon=True).start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self):
        """Ask, wait for at most the grace, then kill, with the rest of its group."""
        if self.process is None:
            return
        if self.is_running():
            self.process.send_signal(self.stop_signal)
        deadline = time.monotonic() + self.grace_seconds
        while self.is_running() and time.monotonic() < deadline:
            time.sleep(0.02)
        kill_group(self.process, self.keeper)

    def _forward(self, stream):
        for raw in iter(lambda: stream.readline(LONGEST_LINE), b""):
            line = raw.rstrip().rpartition(b"\r")[2].decode("utf-8", "replace")
            self.last_lines.append(line)
            if self.on_line:
                self.on_line(self.name, line)
        stream.close()
