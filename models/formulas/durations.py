"""Working time, gaps and their histogram, in whole milliseconds (domain 9.1, 9.2, 9.4)."""

from collections import Counter
from fractions import Fraction
from math import ceil

IDLE_CAP_SECONDS = 300
IDLE_CAP_MS = IDLE_CAP_SECONDS * 1000
EXACT_BELOW = 256


def working_time(latest_ms, now_ms):
    """What one event adds to the time spent: the time since the latest one seen, at most the idle cap."""
    return 0 if latest_ms is None else min(max(now_ms - latest_ms, 0), IDLE_CAP_MS)


def gap(latest_ms, now_ms):
    """The gap to the latest one seen, or None where it is a break or runs backwards."""
    if latest_ms is None or not 0 <= now_ms - latest_ms <= IDLE_CAP_MS:
        return None
    return now_ms - latest_ms


def latest(latest_ms, now_ms):
    """The later of two moments: a late event never moves it back."""
    return now_ms if latest_ms is None else max(latest_ms, now_ms)


def bucket(value_ms):
    """The histogram bucket of a duration: exact below 256, then 128 buckets for each doubling."""
    if value_ms < EXACT_BELOW:
        return value_ms
    shift = value_ms.bit_length() - 8
    return 128 * shift + (value_ms >> shift)


def representative(index):
    """The duration that stands for a bucket: its middle, rounded down."""
    if index < EXACT_BELOW:
        return index
    shift = index // 128 - 1
    lower = (index - 128 * shift) << shift
    return lower + ((1 << shift) - 1) // 2


def histogram_of(values_ms):
    """How many durations lie in each bucket. Keys are strings, as JSON has them."""
    return {str(index): count for index, count in Counter(map(bucket, values_ms)).items()}


def merge_histograms(histogram, other):
    """Add the buckets of `other` to `histogram`; neutral for an empty one."""
    for key, count in other.items():
        histogram[key] = histogram.get(key, 0) + count


def quantile(histogram, p, *, lowest=None, highest=None):
    """The nearest-rank quantile 0 < p <= 1 in ms, within the exact extremes where they are given; None if empty."""
    total = sum(histogram.values())
    if not total:
        return None
    rank, seen = ceil(Fraction(p).limit_denominator(10_000) * total), 0
    for index in sorted(int(key) for key in histogram):
        seen += histogram[str(index)]
        if seen >= rank:
            break
    value = representative(index)
    value = value if lowest is None else max(value, lowest)
    return value if highest is None else min(value, highest)
