"""The rules that need no outcome: a run in vain after long work, half a program gone or come at once, a request.

A sign is seen at one moment and stands for a while. Signs that follow each other closely are one trouble: who was
flagged stays flagged, with the first of them as the reason.
"""

from dataclasses import dataclass

from models.formulas.stuck.runs import solved_at

# So many of a learner's newest steps are looked at, in the live room and in the evaluation.
LOOK = 100
EDIT, TRY, HELP = "edit", "try", "help"
# Runs come with their outcomes, from `terms.Run`.
STEP_KINDS = {"File.Edit": EDIT, "Submit": TRY, "X-HelpRequest": HELP}
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Limits:
    """The few numbers of these rules; the evaluation tries others to show that little hangs on them."""

    late_ms: int = 3 * MINUTE_MS
    half_percent: int = 50


LIMITS = Limits()
# A longer pause is reading, talking or being away: it counts as this much work.
PAUSE_MS = 2 * MINUTE_MS
AT_ONCE_MS = MINUTE_MS
FEWEST_CHARACTERS = 40
# So long an answer to a run may take, and so long may be undone what was cut.
SETTLE_MS = 5_000
STANDS_MS = 2 * MINUTE_MS
HELP_STANDS_MS = 10 * MINUTE_MS


@dataclass(frozen=True)
class Step:
    """One thing that a learner did: an edit with the size and name of its file after it, a try or a call for help.

    `in_vain` says of a try: True it failed, False it got further than any before, None nobody knows.
    """

    at_ms: int
    kind: str
    size: int | None = None
    file: str = ""
    in_vain: bool | None = None

    @property
    def place(self):
        """Where it stands in a walk: what happened at the same moment has one order, however it was told."""
        return (self.at_ms, self.kind, self.file, self.size or 0, str(self.in_vain))


@dataclass(frozen=True)
class Sign:
    """What was seen at `at_ms`; it is told from `from_ms` to `until_ms`."""

    at_ms: int
    from_ms: int
    until_ms: int
    reason: str


def signs_of(steps, runs=(), limits=LIMITS):
    """The signs in a learner's last edits, tries and requests, by the moment from which they are told."""
    walk = sorted([*steps, *_tries(runs)], key=lambda step: step.place)
    cleared_ms = solved_at(runs)
    found = [*_late_tries(walk, limits), *_thrown(walk, limits), *_pasted(walk, limits), *_requests(walk)]
    if cleared_ms is not None:
        found = [sign for sign in found if sign.at_ms > cleared_ms]
    return sorted(found, key=lambda sign: (sign.from_ms, sign.at_ms, sign.reason))


def sign_at(signs, now_ms):
    """The sign that began the trouble which stands now, or None."""
    first, until_ms = None, None
    for sign in signs:
        if sign.from_ms > now_ms:
            break
        if until_ms is None or sign.from_ms > until_ms:
            first = sign
        until_ms = max(until_ms or 0, sign.until_ms)
    return first if until_ms is not None and now_ms <= until_ms else None


def _tries(runs):
    best = 0
    for run in runs:
        further = run.successes > best or run.solved
        best = max(best, run.successes)
        yield Step(run.at_ms, TRY, in_vain=False if further else run.failed or None)


def _late_tries(walk, limits):
    """A run after minutes of work without one, and it has not helped."""
    worked_ms, before = 0, None
    for step in walk:
        worked_ms += min(step.at_ms - before.at_ms, PAUSE_MS) if before else 0
        before = step
        if step.kind != TRY:
            continue
        if worked_ms >= limits.late_ms and step.in_vain is not False:
            from_ms = step.at_ms if step.in_vain else step.at_ms + SETTLE_MS
            said = f"the run after {worked_ms // MINUTE_MS} minutes of work did not solve it"
            yield Sign(step.at_ms, from_ms, step.at_ms + STANDS_MS, said)
        worked_ms = 0


def _thrown(walk, limits):
    """Half of a file gone within a minute, and not back some seconds later."""
    edits = _edits(walk)
    is_thrown = False
    for number, step in enumerate(edits):
        was_thrown, is_thrown = is_thrown, _is_small(edits, number, limits)
        if is_thrown and not was_thrown and not _comes_back(edits, number):
            said = "half of the program thrown away within a minute"
            yield Sign(step.at_ms, step.at_ms + SETTLE_MS, step.at_ms + STANDS_MS, said)


def _is_small(edits, number, limits):
    step = edits[number]
    top = _largest(edits, number)
    gone = top - step.size
    return gone >= FEWEST_CHARACTERS and gone * 100 >= top * limits.half_percent


def _largest(edits, number):
    """The largest size that this file had within the last minute: an edit's size stands until the next one."""
    step, top = edits[number], 0
    for earlier in reversed(edits[: number + 1]):
        if earlier.file == step.file:
            top = max(top, earlier.size)
            if step.at_ms - earlier.at_ms >= AT_ONCE_MS:
                break
    return top


def _comes_back(edits, number):
    step, top = edits[number], _largest(edits, number)
    for later in edits[number + 1 :]:
        if later.at_ms - step.at_ms > SETTLE_MS:
            break
        if later.file == step.file and later.size * 2 > top:
            return True
    return False


def _pasted(walk, limits):
    """Half of a file come by one edit, more than there was a minute ago: what was cut and put back is nothing new.

    After a minute without any edit, some may have been lost with the network.
    """
    edits, last = _edits(walk), {}
    for number, step in enumerate(edits):
        before, last[step.file] = last.get(step.file), number
        if before is None or step.at_ms - edits[before].at_ms > AT_ONCE_MS:
            continue
        come = step.size - _largest(edits, before)
        if come >= FEWEST_CHARACTERS and come * 100 >= step.size * limits.half_percent:
            said = "half of the program pasted in at once"
            yield Sign(step.at_ms, step.at_ms, step.at_ms + STANDS_MS, said)


def _edits(walk):
    return [step for step in walk if step.kind == EDIT and step.size is not None]


def _requests(walk):
    for step in walk:
        if step.kind == HELP:
            yield Sign(step.at_ms, step.at_ms, step.at_ms + HELP_STANDS_MS, "asked for help in the editor")
