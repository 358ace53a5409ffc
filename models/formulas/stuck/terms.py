"""The words of the rules: how the work goes, and what is known of one run."""

from dataclasses import dataclass

OK, ERRORS, STUCK, HAND, DONE = "OK", "ERRORS", "STUCK", "HAND", "DONE"
# A client that is further behind than this has another clock, or was offline.
LATE_MS = 120_000


@dataclass
class Run:
    """One run as far as it is known: when, the exception's name if it failed, tests and how many passed."""

    at_ms: int
    error: str | None = None
    tests: int = 0
    successes: int = 0

    @property
    def failed(self):
        """Whether it ended with an error or with tests that do not pass."""
        return self.error is not None or self.successes < self.tests

    @property
    def solved(self):
        """Whether there were tests, and all of them passed."""
        return self.error is None and 0 < self.tests <= self.successes

    @property
    def outcome(self):
        """What must change for the run to have changed anything."""
        return (self.error, self.tests, self.successes)


@dataclass(frozen=True)
class Work:
    """How the work goes, since when (ms), and the rule in words."""

    state: str
    since_ms: int | None = None
    reason: str | None = None


def late_by_ms(moments):
    """By how much a client's clock is behind the server's, from (when it says, when it came): the quickest event tells.

    Rules and charts compare what clients time with the server's now; a clock that is an hour slow must not look stuck.
    """
    late_ms = min((came_ms - said_ms for said_ms, came_ms in moments), default=0)
    return late_ms if late_ms > LATE_MS else 0
