"""Flags against students who know when they are stuck: from when to when, not only one moment."""

from workers.evaluation import judging
from workers.evaluation.judging import RUN_WINDOWS_MS, count, longest_idle, most_runs

LONG_MS = 5 * 60_000


class Judgement(judging.Judgement):
    """How flags did: `right` of them fell into a trouble; of the long troubles (`marks`), each may be found once."""

    @property
    def recall(self):
        """The share of long troubles that were found; a delay is noted for each."""
        return len(self.delays_ms) / self.marks if self.marks else 0.0


def judge(flags, histories):
    """Any flag in a trouble is right; a long trouble is found by its first one."""
    right, long, delays = 0, 0, []
    for history in histories:
        mine = sorted(flags.get(history.name, []))
        right += sum(any(begin <= at_ms <= end for begin, end in history.troubles) for at_ms in mine)
        for begin, end in history.troubles:
            if end - begin >= LONG_MS:
                long += 1
                delays += [at_ms - begin for at_ms in mine if begin <= at_ms <= end][:1]
    return Judgement(right, count(flags), long, tuple(delays))


def best_idle(histories, wanted):
    """The baseline "longest idle", in whichever of its two readings finds more."""
    return _best((longest_idle(histories, wanted, at_end=end) for end in (False, True)), histories)


def best_runs(histories, wanted):
    """The baseline "most runs", over whichever stretch finds more."""
    return _best((most_runs(histories, wanted, within_ms=within_ms) for within_ms in RUN_WINDOWS_MS), histories)


def _best(readings, histories):
    return max((judge(flags, histories) for flags in readings), key=lambda found: found.precision + found.recall)
