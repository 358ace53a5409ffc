"""Means and variances from exact integer sums (domain 9.3, 9.5): the sums are stored, floats only at output."""

from fractions import Fraction


def mean_seconds(sum_ms, count):
    """The mean in seconds of `count` durations in ms; 0 while there is none."""
    return sum_ms / count / 1000 if count else 0.0


def variance_seconds2(sum_ms, sumsq_ms2, count, *, sample=True):
    """The variance in seconds squared, exactly until the last step; None where there are too few values."""
    divisor = count - 1 if sample else count
    if divisor < 1:
        return None
    m2 = Fraction(sumsq_ms2) - Fraction(sum_ms * sum_ms, count)
    return float(m2 / divisor / 1_000_000)
