"""The gaps between edits or attempts, mergeable in any order: exact sums, extremes and a histogram (domain 9.2 to 9.4).

Whole milliseconds inside, so that two ways to the same gaps end in the same bits; seconds and floats only at output.
"""

from dataclasses import dataclass, field
from fractions import Fraction

from models.formulas.averages import Spread, mean_seconds
from models.formulas.durations import histogram_of, merge_histograms, quantile

KINDS = ("edit", "attempt")
PARTS = ("count", "sum_ms", "sumsq_ms2", "min_ms", "max_ms", "hist")
PERCENTILES = (50, 90, 95, 99)


@dataclass(slots=True)
class Gaps:
    """All gaps of one kind; the empty one is neutral."""

    count: int = 0
    sum_ms: int = 0
    sumsq_ms2: int = 0
    min_ms: int | None = None
    max_ms: int | None = None
    hist: dict = field(default_factory=dict)

    @classmethod
    def of(cls, row, kind):
        """The gaps of a kind that a counts row (a mapping of its columns) stores."""
        return cls(**{part: row[f"{kind}_{part}"] for part in PARTS} | {"hist": dict(row[f"{kind}_hist"])})

    def columns(self, kind):
        """The columns of a counts row that hold these gaps."""
        return {f"{kind}_{part}": getattr(self, part) for part in PARTS}

    @classmethod
    def of_values(cls, values_ms):
        """The gaps that a list of durations is."""
        if not values_ms:
            return cls()
        sumsq_ms2 = sum(value * value for value in values_ms)
        return cls(len(values_ms), sum(values_ms), sumsq_ms2, min(values_ms), max(values_ms), histogram_of(values_ms))

    def merge(self, other):
        """Take in the gaps of `other`."""
        self.count += other.count
        self.sum_ms += other.sum_ms
        self.sumsq_ms2 += other.sumsq_ms2
        self.min_ms = min((x for x in (self.min_ms, other.min_ms) if x is not None), default=None)
        self.max_ms = max((x for x in (self.max_ms, other.max_ms) if x is not None), default=None)
        merge_histograms(self.hist, other.hist)

    def statistics(self):
        """What people read, in seconds: mean, deviations (sample and population), extremes and percentiles.

        None stands for what so few gaps cannot tell. A percentile is within 0.4 % of the true one (domain 9.4).
        """
        spread = Spread.of_sums(self.count, self.sum_ms, self.sumsq_ms2)
        told = {
            "count": self.count,
            "mean": mean_seconds(self.sum_ms, self.count),
            "standard_deviation": _seconds(spread.deviation()),
            "population_standard_deviation": _seconds(spread.deviation(sample=False)),
            "min": _seconds(self.min_ms),
            "max": _seconds(self.max_ms),
        }
        return told | {f"p{p}": _seconds(self.percentile(p)) for p in PERCENTILES}

    def percentile(self, p):
        """The nearest-rank percentile in ms of 0 < p <= 100; None where there is no gap."""
        return quantile(self.hist, Fraction(p, 100), lowest=self.min_ms, highest=self.max_ms)


def _seconds(milliseconds):
    return None if milliseconds is None else milliseconds / 1000
