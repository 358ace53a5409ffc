"""Formulas: the vectors of domain 9.1 to 9.4, and what holds for every value."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.formulas import averages, durations, stuck

VECTORS = Path(__file__).parent / "vectors"


def vector(name):
    return json.loads((VECTORS / f"{name}.json").read_text())


def working_ms(moments):
    total, seen = 0, None
    for moment in moments:
        total += durations.working_time(seen, moment)
        seen = durations.latest(seen, moment)
    return total


def gaps_of(moments):
    found, seen = [], None
    for moment in moments:
        found.append(durations.gap(seen, moment))
        seen = durations.latest(seen, moment)
    return [gap for gap in found if gap is not None]


def sums(values_seconds):
    values = [value * 1000 for value in values_seconds]
    return sum(values), sum(value**2 for value in values), len(values)


def m2(sum_ms, sumsq_ms2, count):
    return averages.variance_seconds2(sum_ms, sumsq_ms2, count, sample=False) * count


def histogram_of(values):
    histogram = {}
    for value in values:
        durations.add_to_histogram(histogram, value)
    return histogram


@pytest.mark.parametrize("case", vector("working_time")["cases"], ids=lambda case: str(case["at_seconds"]))
def test_working_time_counts_pauses_up_to_the_cap(case):
    moments = [second * 1000 for second in case["at_seconds"]]

    spent = working_ms(moments)

    assert vector("working_time")["idle_cap_seconds"] == durations.IDLE_CAP_SECONDS
    assert spent == case["working_seconds"] * 1000


@pytest.mark.parametrize("case", vector("gaps")["cases"], ids=lambda case: case["why"])
def test_a_gap_lies_between_a_point_and_the_latest_one_before_it(case):
    found = gaps_of(case["at_ms"])

    assert found == case["gaps_ms"]


@given(st.lists(st.integers(0, 10**7), max_size=30))
def test_working_time_is_at_least_the_gaps_of_the_same_points_and_never_more_than_the_whole(moments):
    spent = working_ms(moments)

    assert sum(gaps_of(moments)) <= spent <= (max(moments) - moments[0] if moments else 0)


def test_means_and_variances_follow_from_integer_sums():
    expected = vector("moments")["running"]
    values = expected["values_seconds"]

    prefixes = [sums(values[: n + 1]) for n in range(len(values))]

    assert [averages.mean_seconds(total, n) for total, _, n in prefixes] == expected["means"]
    assert [m2(*prefix) for prefix in prefixes] == expected["m2"]
    assert averages.variance_seconds2(*prefixes[-1]) == expected["variance_sample"]
    assert averages.variance_seconds2(*prefixes[-1], sample=False) == expected["variance_population"]


def test_a_large_offset_does_not_cost_the_variance_its_digits():
    expected = vector("moments")
    shifted = [value + expected["offset_seconds"] for value in expected["running"]["values_seconds"]]

    variance = averages.variance_seconds2(*sums(shifted))

    assert variance == expected["running"]["variance_sample"]


@pytest.mark.parametrize("case", vector("moments")["merges"], ids=lambda case: f"{case['left']}+{case['right']}")
def test_sums_of_two_parts_add_up_to_the_whole(case):
    left, right = sums(case["left"]), sums(case["right"])

    merged = tuple(a + b for a, b in zip(left, right, strict=True))

    assert merged[2] == case["count"]
    assert averages.mean_seconds(merged[0], merged[2]) == case["mean"]
    assert m2(*merged) == case["m2"]


def test_nothing_has_the_mean_zero_and_no_variance():
    assert averages.mean_seconds(0, 0) == 0
    assert averages.variance_seconds2(0, 0, 0) is None
    assert averages.variance_seconds2(4000, 4000**2, 1) is None
    assert averages.variance_seconds2(4000, 4000**2, 1, sample=False) == 0


@pytest.mark.parametrize("case", vector("percentiles")["buckets"], ids=lambda case: str(case["value_ms"]))
def test_a_duration_has_its_bucket_and_the_bucket_its_representative(case):
    index = durations.bucket(case["value_ms"])

    assert index == case["bucket"]
    assert durations.representative(index) == case["representative_ms"]


@pytest.mark.parametrize(("p", "expected"), vector("percentiles")["quantiles_ms"].items())
def test_quantiles_are_nearest_ranks_within_the_exact_extremes(p, expected):
    spread = vector("percentiles")["thousands"]
    values = range(spread["from_ms"], spread["to_ms"] + 1, spread["step_ms"])

    found = durations.quantile(histogram_of(values), float(p), lowest=values[0], highest=values[-1])

    assert found == expected


def test_a_quantile_of_nothing_is_nothing():
    assert durations.quantile({}, 0.5) is None


def test_the_lowest_quantile_is_not_below_what_was_seen():
    histogram = histogram_of([60_040])

    found = durations.quantile(histogram, 0.5, lowest=60_040, highest=60_040)

    assert found == 60_040


@given(st.integers(0, 10**9), st.integers(0, 10**9))
def test_buckets_keep_the_order_and_stay_near_their_values(one, other):
    low, high = sorted((one, other))

    buckets = durations.bucket(low), durations.bucket(high)

    assert buckets[0] <= buckets[1]
    error = abs(durations.representative(buckets[1]) - high)
    assert Fraction(error) <= Fraction(str(vector("percentiles")["largest_relative_error"])) * high


@given(st.lists(st.integers(0, 300_000), max_size=40), st.integers(0, 40))
def test_merged_histograms_are_those_of_all_values(values, cut):
    merged = histogram_of(values[:cut])

    durations.merge_histograms(merged, histogram_of(values[cut:]))

    assert merged == histogram_of(values)


def runs(*errors, every_ms=10_000, tests=0, successes=0):
    return [stuck.Run(n * every_ms, error, tests, successes) for n, error in enumerate(errors)]


STUCK_CASES = {
    "nothing yet": ([], {}, stuck.OK),
    "two failures are no pattern": (runs(None, "NameError", "TypeError"), {}, stuck.OK),
    "three failures in a row": (runs(None, "NameError", "TypeError", "KeyError"), {}, stuck.ERRORS),
    "failed tests are failures": (runs(None, None, None, tests=2, successes=1), {}, stuck.ERRORS),
    "a success among them breaks the row": (runs("NameError", "NameError", None), {}, stuck.OK),
    "the same error five times over five minutes": (runs(*["NameError"] * 5, every_ms=75_000), {}, stuck.STUCK),
    "just under five minutes": (runs(*["NameError"] * 5, every_ms=74_999), {}, stuck.ERRORS),
    "the same failure eight times in two minutes": (runs(*["NameError"] * 8, every_ms=17_142), {}, stuck.STUCK),
    "eight failures over more than two minutes": (runs(*["NameError"] * 8, every_ms=17_143), {}, stuck.ERRORS),
    "who went away is not stuck": (runs(*["NameError"] * 5, every_ms=75_000), {"active": False}, stuck.ERRORS),
    "a solved exercise is done": (runs(*["NameError"] * 5, every_ms=75_000), {"solved": True}, stuck.DONE),
}


@pytest.mark.parametrize(("history", "options", "state"), STUCK_CASES.values(), ids=STUCK_CASES.keys())
def test_who_needs_help_follows_from_the_last_runs(history, options, state):
    work = stuck.work_of(history, **options)

    assert work.state == state
    assert bool(work.reason) == (state in (stuck.STUCK, stuck.ERRORS))
