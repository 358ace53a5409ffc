"""Formulas: the vectors of domain 9.1 to 9.4, and what holds for every value."""

import json
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.formulas import averages, durations, stuck
from models.formulas.averages import Spread
from models.formulas.gaps import Gaps

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


def stepped(values):
    spread = Spread()
    for value in values:
        spread = spread.step(value)
    return spread


def of_sums(values):
    return Spread.of_sums(len(values), sum(values), sum(value**2 for value in values))


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


@pytest.mark.parametrize("way", [stepped, of_sums])
def test_means_and_variances_are_those_of_welford_by_steps_and_by_integer_sums(way):
    expected = vector("moments")["running"]
    values = expected["values_seconds"]

    prefixes = [way(values[: n + 1]) for n in range(len(values))]

    assert [spread.mean for spread in prefixes] == expected["means"]
    assert [spread.m2 for spread in prefixes] == expected["m2"]
    assert prefixes[-1].variance() == expected["variance_sample"]
    assert prefixes[-1].variance(sample=False) == expected["variance_population"]
    assert prefixes[-1].deviation() == expected["variance_sample"] ** 0.5


@given(st.lists(st.integers(0, 300_000), min_size=1, max_size=60))
def test_the_running_mean_keeps_to_its_formula_step_by_step(values):
    mean, gaps = 0.0, Gaps()

    for count, value in enumerate(values, 1):
        mean += (value - mean) / count
        gaps.merge(Gaps.of_values([value]))

        assert gaps.sum_ms / gaps.count == pytest.approx(mean, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("way", [stepped, of_sums])
def test_a_large_offset_does_not_cost_the_variance_its_digits(way):
    expected = vector("moments")
    shifted = [value + expected["offset_seconds"] for value in expected["running"]["values_seconds"]]

    spread = way(shifted)

    assert spread.variance() == expected["running"]["variance_sample"]


@pytest.mark.parametrize("case", vector("moments")["merges"], ids=lambda case: f"{case['left']}+{case['right']}")
def test_two_spreads_merge_to_that_of_all_values(case):
    merged = stepped(case["left"]).merge(stepped(case["right"]))

    assert (merged.count, merged.mean, merged.m2) == (case["count"], case["mean"], case["m2"])
    assert merged == of_sums([*case["left"], *case["right"]])


@given(st.lists(st.integers(0, 10**9), max_size=20), st.lists(st.integers(0, 10**9), max_size=20))
def test_merging_is_exact_whatever_the_parts(left, right):
    assert stepped(left).merge(of_sums(right)) == of_sums([*left, *right]) == of_sums(right).merge(stepped(left))


def test_nothing_has_the_mean_zero_and_no_variance():
    assert averages.mean_seconds(0, 0) == 0
    assert (Spread().variance(), Spread().deviation(), stepped([4]).variance()) == (None, None, None)
    assert stepped([4]).variance(sample=False) == 0


@given(st.lists(st.integers(0, 300_000), max_size=40), st.integers(0, 40))
def test_gaps_merge_to_the_gaps_of_all(values, cut):
    left, right = Gaps.of_values(values[:cut]), Gaps.of_values(values[cut:])

    left.merge(right)

    assert left == Gaps.of_values(values)


def test_statistics_of_gaps_are_in_seconds_and_say_nothing_where_there_is_nothing():
    told = Gaps.of_values([12_500, 11_500, 40_000]).statistics()

    assert told["count"] == 3
    assert round(told["mean"], 5) == 21.33333
    assert round(told["standard_deviation"] ** 2, 5) == 261.58333
    assert round(told["population_standard_deviation"] ** 2, 5) == 174.38889
    assert (told["min"], told["p50"], told["p99"], told["max"]) == (11.5, 12.511, 40.0, 40.0)
    assert Gaps().statistics() == {"count": 0, "mean": 0.0} | dict.fromkeys(list(told)[2:])


@pytest.mark.parametrize("case", vector("percentiles")["buckets"], ids=lambda case: str(case["value_ms"]))
def test_a_duration_has_its_bucket_and_the_bucket_its_representative(case):
    index = durations.bucket(case["value_ms"])

    assert index == case["bucket"]
    assert durations.representative(index) == case["representative_ms"]


@pytest.mark.parametrize(("p", "expected"), vector("percentiles")["quantiles_ms"].items())
def test_quantiles_are_nearest_ranks_within_the_exact_extremes(p, expected):
    spread = vector("percentiles")["thousands"]
    values = range(spread["from_ms"], spread["to_ms"] + 1, spread["step_ms"])

    found = durations.quantile(durations.histogram_of(values), float(p), lowest=values[0], highest=values[-1])

    assert found == expected


def test_a_quantile_of_nothing_is_nothing():
    assert durations.quantile({}, 0.5) is None


def test_the_lowest_quantile_is_not_below_what_was_seen():
    histogram = durations.histogram_of([60_040])

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
    merged = durations.histogram_of(values[:cut])

    durations.merge_histograms(merged, durations.histogram_of(values[cut:]))

    assert merged == durations.histogram_of(values)


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
