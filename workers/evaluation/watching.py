"""A room of its own for one learner's log: what the rules say at each second, with the live room's bounded look."""

from dataclasses import dataclass, field
from itertools import pairwise

from models.formulas.stuck import HAND, LOOK, STUCK, Run, signs_of, work_of
from models.formulas.stuck.signs import LIMITS
from monitoring.presence import IDLE_AFTER_MS
from monitoring.repositories.sql_facts_repository import RECENT_OUTCOMES

SECOND_MS = 1000


@dataclass
class History:
    """One learner's work on one exercise: his steps and runs in the order of their moments, and the answer.

    `marks` are (moment, label, is praise) where an expert would step in, `troubles` (begin, end) in which he knew that
    he was stuck. Neither is ever shown to a rule.
    """

    name: str
    steps: list = field(default_factory=list)
    marks: list = field(default_factory=list)
    troubles: list = field(default_factory=list)
    others: list = field(default_factory=list)

    @property
    def moments(self):
        """When anything happened, each moment once, in order."""
        return sorted({step.at_ms for step in self.steps} | set(self.others))

    @property
    def tries(self):
        """When he ran or handed in, each moment once, in order."""
        return sorted({step.at_ms for step in self.steps if isinstance(step, Run) or step.kind == "try"})

    def active_spans(self):
        """(begin, end) of each stretch in which the room calls him active."""
        moments = self.moments
        spans = [(a, min(b, a + IDLE_AFTER_MS)) for a, b in pairwise(moments)]
        return [*spans, (moments[-1], moments[-1] + IDLE_AFTER_MS)] if moments else []


@dataclass(frozen=True)
class Flag:
    """The moment at which the room turns to a learner, since when and why."""

    name: str
    at_ms: int
    since_ms: int
    reason: str


def flags_of(history, *, limits=LIMITS, usual_ms=None):
    """Each time the room would say anew that this learner needs help. The same trouble is one flag, however long."""
    found, last = [], None
    known, rest = [], sorted(history.steps, key=lambda step: step.at_ms)
    for begin, end in history.active_spans():
        while rest and rest[0].at_ms <= begin:
            known.append(rest.pop(0))
        asked = _asker(known[-LOOK:], [step for step in known if isinstance(step, Run)], limits, usual_ms)
        for now_ms in range(begin, max(end, begin + 1), SECOND_MS):
            work = asked(now_ms)
            if work.state in (STUCK, HAND) and work.since_ms != last:
                last = work.since_ms
                found.append(Flag(history.name, now_ms, work.since_ms, work.reason))
    return found


def _asker(newest, runs, limits, usual_ms):
    """`work_of` with what the live room would have read at this moment."""
    runs = runs[-RECENT_OUTCOMES // 2 :]
    signs = signs_of([step for step in newest if not isinstance(step, Run)], runs, limits)
    return lambda now_ms: work_of(runs, signs=signs, usual_ms=usual_ms, now_ms=now_ms)
