"""Who needs help: rules over a learner's last steps, as pure functions with a version (contract monitoring 6).

The rules and their reasons are in words that a teacher can check; there is no hidden score. `runs.py` has the rules on
how runs ended, `signs.py` those on rhythm, code and requests, which need no outcome. docs/stuck.md tells what they see.
"""

from models.formulas.stuck.runs import failing, hasty, no_progress, same_error
from models.formulas.stuck.signs import LOOK, STEP_KINDS, Sign, Step, sign_at, signs_of
from models.formulas.stuck.terms import DONE, ERRORS, HAND, OK, STUCK, Run, Work, late_by_ms

__all__ = [
    "DONE",
    "ERRORS",
    "HAND",
    "LOOK",
    "OK",
    "STEP_KINDS",
    "STUCK",
    "VERSION",
    "Run",
    "Sign",
    "Step",
    "Work",
    "late_by_ms",
    "sign_at",
    "signs_of",
    "work_of",
]

VERSION = 2


def work_of(runs, *, solved_ms=None, solved=False, active=True, signs=(), usual_ms=None, now_ms=None):
    """How the work goes, from a learner's runs in order and the signs of his other steps (`signs_of`).

    A solved exercise is DONE, STUCK only who is active. `usual_ms` is how long three of four who solved this exercise
    have worked on it. Without `now_ms` it is the moment of the last run.
    """
    if solved:
        return Work(DONE, solved_ms)
    now_ms = now_ms if now_ms is not None or not runs else runs[-1].at_ms
    since_solved = _since_solved(runs)
    if active:
        stuck = (
            same_error(since_solved)
            or no_progress(since_solved, usual_ms=usual_ms, now_ms=now_ms)
            or hasty(since_solved)
            or _sign(signs, now_ms)
        )
        if stuck:
            return stuck
    return failing(since_solved) or Work(OK, runs[-1].at_ms if runs else None)


def _since_solved(runs):
    """A solved run clears everything before it."""
    solved = max((number for number, run in enumerate(runs) if run.solved), default=-1)
    return runs[solved + 1 :]


def _sign(signs, now_ms):
    sign = sign_at(signs, now_ms) if signs else None
    return sign and Work(STUCK, sign.at_ms, sign.reason)
