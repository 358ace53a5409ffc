"""Means and variances: Welford's step, Chan's merge, and both from exact integer sums (domain 9.3).

Exact fractions inside: `old + (new - old) / count` has no rounding to lose, whatever the order. Floats only at output.
"""

from dataclasses import dataclass
from fractions import Fraction
from math import sqrt


def mean_seconds(sum_ms, count):
    """The mean in seconds of `count` durations in ms; 0 while there is none."""
    return sum_ms / count / 1000 if count else 0.0


@dataclass(frozen=True)
class Spread:
    """How values spread around their mean; `m2` is the sum of squared distances from it. The empty one is neutral."""

    count: int = 0
    mean: Fraction = Fraction(0)
    m2: Fraction = Fraction(0)

    @classmethod
    def of_sums(cls, count, total, total_of_squares):
        """The spread of values that only their sums are known of: mean S1/n, m2 S2 - S1^2/n."""
        if not count:
            return cls()
        return cls(count, Fraction(total, count), total_of_squares - Fraction(total * total, count))

    def step(self, value):
        """The spread with one more value (Welford 1962)."""
        distance = value - self.mean
        mean = self.mean + Fraction(distance) / (self.count + 1)
        return Spread(self.count + 1, mean, self.m2 + distance * (value - mean))

    def merge(self, other):
        """The spread of both sets of values together (Chan, Golub and LeVeque 1979)."""
        count = self.count + other.count
        if not count:
            return self
        distance = other.mean - self.mean
        mean = self.mean + distance * Fraction(other.count, count)
        return Spread(count, mean, self.m2 + other.m2 + distance**2 * Fraction(self.count * other.count, count))

    def variance(self, *, sample=True):
        """The variance of a sample, or of a whole population; None where there are too few values."""
        divisor = self.count - 1 if sample else self.count
        return self.m2 / divisor if divisor > 0 else None

    def deviation(self, *, sample=True):
        """The square root of the variance, as a float; None where there are too few values, or sums that cannot be."""
        variance = self.variance(sample=sample)
        return None if variance is None or variance < 0 else sqrt(variance)
