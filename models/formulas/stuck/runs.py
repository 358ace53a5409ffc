"""The rules on how runs ended: the same error, no progress, haste, failures in a row."""

from models.formulas.stuck.terms import ERRORS, STUCK, Work

MINUTE_MS = 60_000
FAILED_RUNS = 3
SAME_ERROR_RUNS = 5
SAME_ERROR_MS = 5 * MINUTE_MS
NO_PROGRESS_MS = 10 * MINUTE_MS
BREAK_MS = 30 * MINUTE_MS
HASTY_RUNS = 8
HASTY_MS = 2 * MINUTE_MS


def solved_at(runs):
    """The moment of the last run that solved it, or None."""
    return max((run.at_ms for run in runs if run.solved), default=None)


def same_error(runs):
    """The same error class in the last 5 runs or more, over at least 5 minutes."""
    error = runs[-1].error if runs else None
    first = len(runs)
    while error and first and runs[first - 1].error == error:
        first -= 1
    same = runs[first:]
    if len(same) < SAME_ERROR_RUNS or same[-1].at_ms - same[0].at_ms < SAME_ERROR_MS:
        return None
    return Work(STUCK, same[0].at_ms, f"same {error} in the last {len(same)} runs")


def no_progress(runs, *, usual_ms, now_ms):
    """No more tests passing than before for 10 minutes, or longer where three of four solvers needed longer.

    It counts from the first run that passed as many as any since, within one sitting, and takes a second run to say
    that nothing has come of it.
    """
    failed = [run for run in _sitting(runs) if run.failed]
    if len(failed) < 2:
        return None
    best = max(failed, key=lambda run: run.successes)
    limit_ms = max(NO_PROGRESS_MS, usual_ms or 0)
    if best is failed[-1] or now_ms - best.at_ms < limit_ms:
        return None
    passing = f"{best.successes} of {best.tests} tests pass" if best.tests else "no test passes"
    return Work(STUCK, best.at_ms, f"still {passing}, for over {limit_ms // MINUTE_MS} minutes")


def _sitting(runs):
    """The runs since the last break of half an hour."""
    for number in range(len(runs) - 1, 0, -1):
        if runs[number].at_ms - runs[number - 1].at_ms >= BREAK_MS:
            return runs[number:]
    return runs


def hasty(runs):
    """8 runs in 2 minutes that do not change the failing test."""
    last = runs[-HASTY_RUNS:]
    if len(last) < HASTY_RUNS or last[-1].at_ms - last[0].at_ms > HASTY_MS:
        return None
    if not last[0].failed or any(run.outcome != last[0].outcome for run in last):
        return None
    return Work(STUCK, last[0].at_ms, f"{HASTY_RUNS} runs in 2 minutes that change nothing")


def failing(runs):
    """The last 3 runs failed."""
    last = runs[-FAILED_RUNS:]
    if len(last) < FAILED_RUNS or not all(run.failed for run in last):
        return None
    return Work(ERRORS, last[0].at_ms, f"the last {FAILED_RUNS} runs failed")
