"""The rules that say who needs help: tables of cases at their borders, and what holds for every history."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.formulas import stuck
from models.formulas.stuck import ERRORS, HAND, OK, STUCK, Run, Sign, Step, sign_at, signs_of, work_of
from models.formulas.stuck.runs import no_progress, same_error
from models.formulas.stuck.signs import HELP_STANDS_MS, SETTLE_MS, STANDS_MS

SECOND = 1000
MINUTE = 60 * SECOND


def edits(*places, file="answer.py"):
    """Edits at (second, size)."""
    return [Step(second * SECOND, "edit", size, file) for second, size in places]


def typing(until_second, *, every=10):
    """Somebody types evenly, a letter at a time."""
    return edits(*((second, second) for second in range(0, until_second + 1, every)))


def told(steps, runs=()):
    """(second, reason) of each sign."""
    return [(sign.at_ms // SECOND, sign.reason) for sign in signs_of(steps, runs)]


def failed(*seconds, error=None, tests=4, successes=1):
    return [Run(second * SECOND, error, tests, successes) for second in seconds]


def test_the_rules_have_a_version():
    assert stuck.VERSION == 2


@pytest.mark.parametrize(
    ("runs", "usual_ms", "now_minute", "reason"),
    [
        (failed(0, 60), None, 10, "still 1 of 4 tests pass, for over 10 minutes"),
        (failed(0, 60), None, 9.99, None),
        (failed(0), None, 60, None),
        (failed(0, 60), 5 * MINUTE, 10, "still 1 of 4 tests pass, for over 10 minutes"),
        (failed(0, 60), 20 * MINUTE, 19.99, None),
        (failed(0, 60), 20 * MINUTE, 20, "still 1 of 4 tests pass, for over 20 minutes"),
        (failed(0, 60) + failed(120, successes=2), None, 30, None),
        (failed(0, 60) + failed(120, 180, successes=2), None, 11, None),
        (failed(0, 60) + failed(120, 180, successes=2), None, 12, "still 2 of 4 tests pass, for over 10 minutes"),
        (failed(0, successes=2) + failed(60), None, 10, "still 2 of 4 tests pass, for over 10 minutes"),
        (failed(0, 60, error="NameError", tests=0, successes=0), None, 10, "still no test passes, for over 10 minutes"),
        ([Run(0), Run(60 * SECOND)], None, 60, None),
        (failed(0, 60, 40 * 60), None, 41, None),
        (failed(0, 40 * 60, 41 * 60), None, 50, "still 1 of 4 tests pass, for over 10 minutes"),
    ],
)
def test_no_more_tests_passing_than_before(runs, usual_ms, now_minute, reason):
    found = no_progress(runs, usual_ms=usual_ms, now_ms=round(now_minute * MINUTE))

    assert (found and found.reason) == reason


@pytest.mark.parametrize(
    ("seconds", "stuck_now"),
    [
        ((0, 75, 150, 225, 300), True),
        ((0, 75, 150, 225, 299), False),
        ((0, 100, 200, 300), False),
        (tuple(range(0, 301, 30)), True),
    ],
)
def test_the_same_error_over_five_minutes_however_often_it_was_run(seconds, stuck_now):
    found = same_error(failed(*seconds, error="NameError"))

    assert bool(found) == stuck_now


def test_errors_of_no_class_are_not_the_same_error():
    runs = failed(0, 100, 200, 300, 400, error="", tests=0, successes=0)

    assert same_error(runs) is None
    assert work_of(runs).state == ERRORS


LATE = "the run after 3 minutes of work did not solve it"


@pytest.mark.parametrize(
    ("steps", "runs", "signs"),
    [
        (typing(180), failed(180, successes=0), [(180, LATE)]),
        (typing(170), failed(179, successes=0), []),
        (typing(180), failed(180, successes=1), []),
        (typing(180), [Run(180 * SECOND)], [(180, LATE)]),
        (typing(180), failed(180, successes=4), []),
        (typing(180), failed(60, 180, successes=0), []),
        (edits((0, 1)), failed(600, successes=0), []),
        (edits((0, 1), (200, 2)), failed(260, successes=0), [(260, LATE)]),
        ([*typing(180), Step(180 * SECOND, "try")], [], [(180, LATE)]),
        (typing(400), failed(10, successes=0) + failed(400, successes=1), []),
    ],
    ids=[
        "late",
        "early",
        "a first test passes",
        "unknown",
        "solved",
        "tried before",
        "a pause",
        "pauses",
        "handed in",
        "further",
    ],
)
def test_a_run_in_vain_after_long_work(steps, runs, signs):
    assert told(steps, runs) == signs


THROWN = "half of the program thrown away within a minute"


@pytest.mark.parametrize(
    ("steps", "signs"),
    [
        (edits((0, 80), (30, 40)), [(30, THROWN)]),
        (edits((0, 80), (30, 41)), []),
        (edits((0, 78), (30, 39)), []),
        (edits((0, 200), (20, 150), (40, 100)), [(40, THROWN)]),
        (edits((0, 200), (61, 150), (122, 100)), []),
        (edits((0, 200), (600, 20)), [(600, THROWN)]),
        (edits((0, 200), (30, 100), (33, 200)), []),
        (edits((0, 200), (30, 100), (36, 200)), [(30, THROWN)]),
        (edits((0, 200)) + edits((30, 20), file="other.py"), []),
        (edits((0, 200), (30, 90), (31, 80), (32, 70)), [(30, THROWN)]),
        ([*edits((0, 200)), Step(30 * SECOND, "edit", None, "answer.py")], []),
    ],
)
def test_half_of_a_program_thrown_away(steps, signs):
    assert told(steps) == signs


PASTED = "half of the program pasted in at once"


@pytest.mark.parametrize(
    ("steps", "signs"),
    [
        (edits((0, 40), (30, 80)), [(30, PASTED)]),
        (edits((0, 41), (30, 81)), []),
        (edits((0, 39), (30, 78)), []),
        (edits((0, 40), (61, 80)), []),
        (edits((0, 40), (10, 60), (20, 80)), []),
        (edits((0, 500)), []),
    ],
)
def test_half_of_a_program_pasted_in(steps, signs):
    assert told(steps) == signs


def test_help_asked_for_in_the_editor_stands_for_ten_minutes():
    signs = signs_of([Step(0, "help")])

    assert work_of([], signs=signs, now_ms=0).reason == "asked for help in the editor"
    assert work_of([], signs=signs, now_ms=HELP_STANDS_MS).state == STUCK
    assert work_of([], signs=signs, now_ms=HELP_STANDS_MS + 1).state == OK


def test_a_failed_run_is_told_at_once_and_one_of_unknown_end_waits_for_its_tests():
    known, unknown = signs_of(typing(180), failed(180, successes=0)), signs_of(typing(180), [Run(180 * SECOND)])

    assert known[0].from_ms == 180 * SECOND
    assert unknown[0].from_ms == 180 * SECOND + SETTLE_MS


@pytest.mark.parametrize(
    ("now_ms", "first"),
    [(-1, None), (0, "a"), (150, "a"), (180, "a"), (181, None), (299, None), (300, "c"), (401, None)],
)
def test_signs_that_follow_closely_are_one_trouble(now_ms, first):
    signs = [Sign(0, 0, 100, "a"), Sign(80, 80, 180, "b"), Sign(300, 300, 400, "c")]

    found = sign_at(signs, now_ms)

    assert (found and found.reason) == first


def test_who_is_not_active_has_no_sign():
    signs = signs_of(typing(180), failed(180, successes=0))

    assert work_of(failed(180, successes=0), signs=signs).state == STUCK
    assert work_of(failed(180, successes=0), signs=signs, active=False).state == OK


MOMENTS = st.integers(0, 40 * MINUTE)
RUNS = st.lists(
    st.builds(
        Run, MOMENTS, st.sampled_from([None, "", "NameError", "TypeError"]), st.integers(0, 4), st.integers(0, 4)
    ),
    max_size=25,
).map(lambda runs: sorted(runs, key=lambda run: run.at_ms))
STEPS = st.lists(
    st.builds(
        Step,
        MOMENTS,
        st.sampled_from(["edit", "try", "help"]),
        st.none() | st.integers(0, 400),
        st.sampled_from(["answer.py", "other.py"]),
    ),
    max_size=60,
)


@given(RUNS, STEPS, st.none() | MOMENTS, st.integers(0, 2 * MINUTE))
def test_a_solved_run_always_clears(runs, steps, usual_ms, later_ms):
    end_ms = max([0, *(run.at_ms for run in runs), *(step.at_ms for step in steps)])
    runs = [*runs, Run(end_ms, None, 4, 4)]

    found = work_of(runs, signs=signs_of(steps, runs), usual_ms=usual_ms, now_ms=end_ms + later_ms)

    assert found.state == OK


@given(RUNS, STEPS, st.randoms())
def test_the_order_in_which_steps_are_told_does_not_matter(runs, steps, chance):
    shuffled = list(steps)
    chance.shuffle(shuffled)

    assert signs_of(shuffled, runs) == signs_of(steps, runs)


@given(RUNS, STEPS, MOMENTS)
def test_every_state_but_ok_has_a_reason_and_a_moment_that_has_been(runs, steps, now_ms):
    runs = [run for run in runs if run.at_ms <= now_ms]
    steps = [step for step in steps if step.at_ms <= now_ms]

    found = work_of(runs, signs=signs_of(steps, runs), now_ms=now_ms)

    assert found.state in (OK, ERRORS, STUCK)
    assert found.state == OK or (found.reason and found.since_ms <= now_ms)


@given(STEPS, MOMENTS, st.integers(0, HELP_STANDS_MS))
def test_nothing_that_is_done_later_takes_a_request_back(steps, asked_ms, later_ms):
    later = [step for step in steps if step.at_ms > asked_ms]

    signs = signs_of([Step(asked_ms, "help"), *later])

    assert sign_at(signs, asked_ms + later_ms) is not None


@given(STEPS, STEPS, st.integers(0, STANDS_MS))
def test_what_comes_after_a_sign_has_settled_does_not_take_it_back(before, after, later_ms):
    end_ms = max((step.at_ms for step in before), default=0) + SETTLE_MS
    moved = [Step(end_ms + 1 + step.at_ms, step.kind, step.size, step.file) for step in after]
    stood = {sign for sign in signs_of(before) if sign.from_ms <= end_ms}

    now = set(signs_of([*before, *moved]))

    assert stood <= now


def test_the_words_for_a_hand_are_the_contracts():
    assert (HAND, stuck.DONE) == ("HAND", "DONE")
