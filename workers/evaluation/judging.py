"""Flags against marks: who is right, how soon, and what flags of other kinds would have come to.

Moments here are {name: [ms]}.
"""

import random
from bisect import bisect
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import median

from models.formulas.stuck.signs import STANDS_MS

# (before, after): a flag is right that comes at most so long before a mark or after it.
WINDOW_MS = (15_000, 30_000)
WIDE_MS = (60_000, 120_000)
RUN_WINDOWS_MS = (120_000, 300_000, 600_000)
DRAWS = 200
SEED = 1


@dataclass(frozen=True)
class Judgement:
    """How flags did: how many were right, of how many, for how many marks; the delays of the right ones in ms."""

    right: int
    flags: int
    marks: int
    delays_ms: tuple = ()

    @property
    def precision(self):
        """The share of flags that were right."""
        return self.right / self.flags if self.flags else 0.0

    @property
    def recall(self):
        """The share of marks that were found."""
        return self.right / self.marks if self.marks else 0.0

    @property
    def delay_ms(self):
        """The median delay; negative is before the mark. None where nothing was right."""
        return median(self.delays_ms) if self.delays_ms else None


def judge(flags, marks, window_ms=WINDOW_MS):
    """Pair each flag with at most one mark and each mark with at most one flag, as many as can be."""
    delays = [delay for name, moments in flags.items() for delay in _pairs(moments, marks.get(name, []), window_ms)]
    return Judgement(len(delays), count(flags), count(marks), tuple(delays))


def count(moments):
    """How many there are, of all learners."""
    return sum(map(len, moments.values()))


def _pairs(flags, marks, window_ms):
    """Both in order, the first mark in reach for each: no other pairing has more, as all windows are alike."""
    before_ms, after_ms = window_ms
    rest = sorted(marks)
    for flag in sorted(flags):
        while rest and flag - rest[0] > after_ms:
            rest.pop(0)
        if rest and rest[0] - flag <= before_ms:
            yield flag - rest.pop(0)


def longest_idle(histories, wanted, *, at_end):
    """As many flags where learners were idle longest: when they came back, or when the pause became one of these."""
    pauses = [(b - a, history.name, a, b) for history in histories for a, b in pairwise(history.moments)]
    pauses = sorted(pauses, key=lambda pause: (-pause[0], pause[2], pause[1]))[:wanted]
    flags = {}
    for _, name, begin, end in pauses:
        flags.setdefault(name, []).append(end if at_end else begin + pauses[-1][0])
    return flags


def most_runs(histories, wanted, *, within_ms):
    """As many flags where learners had run most within so long, as far apart from each other as the rules' own."""
    flags, taken = {}, 0
    for _, at_ms, name in sorted(_run_counts(histories, within_ms), key=lambda run: (-run[0], run[1], run[2])):
        mine = flags.setdefault(name, [])
        if taken < wanted and all(abs(at_ms - other) >= STANDS_MS for other in mine):
            mine.append(at_ms)
            taken += 1
    return flags


def _run_counts(histories, within_ms):
    for history in histories:
        tries = history.tries
        for number, at_ms in enumerate(tries):
            yield number + 1 - bisect(tries, at_ms - within_ms - 1), at_ms, history.name


def best_idle(histories, wanted, marks, window_ms=WINDOW_MS):
    """The baseline "longest idle", in whichever of its two readings does better here."""
    return _best((longest_idle(histories, wanted, at_end=end) for end in (False, True)), marks, window_ms)


def best_runs(histories, wanted, marks, window_ms=WINDOW_MS):
    """The baseline "most runs", over whichever stretch does better here."""
    readings = (most_runs(histories, wanted, within_ms=within_ms) for within_ms in RUN_WINDOWS_MS)
    return _best(readings, marks, window_ms)


def _best(readings, marks, window_ms):
    return max((judge(flags, marks, window_ms) for flags in readings), key=lambda found: found.right)


def chance(histories, flags, marks, window_ms=WINDOW_MS):
    """The mean share of right ones when each learner's flags fall on any second in which he is active."""
    chooser, right = random.Random(SEED), 0
    spans = {history.name: _seconds(history.active_spans()) for history in histories}
    for _ in range(DRAWS):
        drawn = {name: [_draw(*spans[name], chooser) for _ in mine] for name, mine in flags.items()}
        right += judge(drawn, marks, window_ms).right
    return right / DRAWS / max(count(flags), 1)


def _seconds(spans):
    return spans, list(accumulate(end - begin for begin, end in spans))


def _draw(spans, ends, chooser):
    place = chooser.randrange(ends[-1])
    number = bisect(ends, place)
    return spans[number][1] - (ends[number] - place)
