"""Keeps the services up: restarts with growing pauses, gives up on an essential one, stops all in reverse order."""

import time

from _console import Refusal, say
from _processes import excerpt, kill_group

FIRST_PAUSE_SECONDS = 1
LONGEST_PAUSE_SECONDS = 30
STEADY_SECONDS = 60  # who lived this long has earned a fresh count of failures
MOST_FAILURES = 5  # of an essential service, in a row
MOST_FAILURES_AT_START = 2


class Supervisor:
    """The running services, in the order in which they were started."""

    def __init__(self):
        self.is_starting = True
        self._entries = []

    def start(self, service, *, essential=False, restart=True):
        """Start a service and look after it. When an essential one keeps failing, `check` raises `Refusal`."""
        self._entries.append(_Entry(service, essential, restart))

    @property
    def has_services(self):
        return bool(self._entries)

    def check(self):
        """Notice who has ended, and start again whose pause is over."""
        now = time.monotonic()
        for entry in self._entries:
            entry.check(now, MOST_FAILURES_AT_START if self.is_starting else MOST_FAILURES)

    def stop_all(self):
        """Stop one after the other, the last started first: nobody loses what it still needs."""
        for entry in reversed(self._entries):
            entry.service.stop()


class _Entry:
    def __init__(self, service, essential, restart):
        self.service, self.essential, self.restart = service, essential, restart
        self.failures = 0
        self.due_at = None
        self._start(time.monotonic())

    def check(self, now, most_failures):
        if self.due_at is not None:
            if now >= self.due_at:
                self._start(now)
        elif not self.service.is_running():
            self._ended(now, most_failures)

    def _start(self, now):
        self.due_at, self.started_at = None, now
        self.service.start()

    def _ended(self, now, most_failures):
        name, process = self.service.name, self.service.process
        kill_group(process, self.service.keeper)
        if not self.restart:
            say(f"{name} is over." if process.returncode == 0 else f"{name} ended {_how(process.returncode)}.")
            self.due_at = float("inf")
            return
        self.failures = 1 if now - self.started_at >= STEADY_SECONDS else self.failures + 1
        if self.essential and self.failures >= most_failures:
            raise Refusal(
                f"{name} ended {self.failures} times in a row, the last time {_how(process.returncode)}. "
                f"Its last lines:\n{excerpt(self.service.last_lines)}"
            )
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), LONGEST_PAUSE_SECONDS)
        say(f"{name} ended {_how(process.returncode)}; starting it again in {pause} s.")
        self.due_at = now + pause


def _how(returncode):
    return f"with code {returncode}" if returncode >= 0 else f"by signal {-returncode}"
