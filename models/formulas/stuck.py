"""Who needs help: rules over a learner's last runs, as pure functions with a version (contract monitoring 6).

The rules and their reasons are in words that a teacher can check; there is no hidden score.
"""

from dataclasses import dataclass

VERSION = 1
OK, ERRORS, STUCK, HAND, DONE = "OK", "ERRORS", "STUCK", "HAND", "DONE"
FAILED_RUNS = 3
SAME_ERROR_RUNS = 5
SAME_ERROR_MS = 5 * 60_000
HASTY_RUNS = 8
HASTY_MS = 2 * 60_000


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
    def outcome(self):
        """What must change for the run to have changed anything."""
        return (self.error, self.tests, self.successes)


@dataclass(frozen=True)
class Work:
    """How the work goes, since when (ms), and the rule in words."""

    state: str
    since_ms: int | None = None
    reason: str | None = None


def work_of(runs, *, solved_ms=None, solved=False, active=True):
    """How the work goes, from a learner's runs in order. A solved exercise is DONE; STUCK only while he is active."""
    if solved:
        return Work(DONE, solved_ms)
    if active:
        stuck = _same_error(runs) or _hasty(runs)
        if stuck:
            return stuck
    last = runs[-FAILED_RUNS:]
    if len(last) == FAILED_RUNS and all(run.failed for run in last):
        return Work(ERRORS, last[0].at_ms, f"the last {FAILED_RUNS} runs failed")
    return Work(OK, runs[-1].at_ms if runs else None)


def _same_error(runs):
    last = runs[-SAME_ERROR_RUNS:]
    error = last[0].error if last else None
    if error is None or len(last) < SAME_ERROR_RUNS or any(run.error != error for run in last):
        return None
    if last[-1].at_ms - last[0].at_ms < SAME_ERROR_MS:
        return None
    return Work(STUCK, last[0].at_ms, f"same {error} in the last {SAME_ERROR_RUNS} runs")


def _hasty(runs):
    last = runs[-HASTY_RUNS:]
    if len(last) < HASTY_RUNS or last[-1].at_ms - last[0].at_ms > HASTY_MS:
        return None
    if not last[0].failed or any(run.outcome != last[0].outcome for run in last):
        return None
    return Work(STUCK, last[0].at_ms, f"{HASTY_RUNS} runs in 2 minutes that change nothing")
