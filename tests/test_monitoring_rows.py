"""Rows, totals and who needs help: pure functions at their borders (contract monitoring 4 and 6)."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from models import live
from models.db import from_ms, iso
from models.formulas import stuck
from models.formulas.stuck import Run, Work, work_of
from monitoring import rows
from monitoring.presence import Presence
from monitoring.repositories.sql_facts_repository import Facts

NOW = 1_790_000_000_000
SECOND = 1000
MINUTE = 60 * SECOND
OPENED = NOW - 30 * MINUTE


def runs(*ago, error=None, tests=0, successes=0):
    """Runs so many ms ago, alike."""
    return [Run(NOW - ms, error, tests, successes) for ms in ago]


def every(step_ms, count, **outcome):
    """`count` runs, one each `step_ms`, the last one now."""
    return runs(*(step_ms * n for n in reversed(range(count))), **outcome)


@pytest.mark.parametrize(
    ("done", "wanted"),
    [
        ([], Work("OK")),
        (every(MINUTE, 1, error="NameError"), Work("OK", NOW)),
        (every(MINUTE, 2, error="NameError"), Work("OK", NOW)),
        (every(MINUTE, 3, error="NameError"), Work("ERRORS", NOW - 2 * MINUTE, "the last 3 runs failed")),
        (every(MINUTE, 3, tests=4, successes=3), Work("ERRORS", NOW - 2 * MINUTE, "the last 3 runs failed")),
        (every(MINUTE, 3, tests=4, successes=4), Work("OK", NOW)),
        (every(MINUTE, 3, error="NameError")[:2] + runs(0), Work("OK", NOW)),
    ],
)
def test_three_failed_runs_are_errors(done, wanted):
    assert work_of(done) == wanted


@pytest.mark.parametrize(
    ("done", "state"),
    [
        (every(75 * SECOND, 5, error="NameError"), "STUCK"),
        (runs(5 * MINUTE, 4, 3, 2, 0, error="NameError"), "STUCK"),
        (runs(5 * MINUTE - 1, 4, 3, 2, 0, error="NameError"), "ERRORS"),
        (every(75 * SECOND, 4, error="NameError"), "ERRORS"),
        (every(75 * SECOND, 5, error="NameError")[:4] + runs(0, error="TypeError"), "ERRORS"),
        (runs(20 * MINUTE) + every(75 * SECOND, 5, error="NameError"), "STUCK"),
        (every(75 * SECOND, 5, tests=4, successes=3), "ERRORS"),
    ],
)
def test_the_same_error_five_times_over_five_minutes_is_stuck(done, state):
    found = work_of(done)

    assert found.state == state
    if state == "STUCK":
        assert (found.since_ms, found.reason) == (NOW - 5 * MINUTE, "same NameError in the last 5 runs")


@pytest.mark.parametrize(
    ("done", "state"),
    [
        (runs(2 * MINUTE, 6, 5, 4, 3, 2, 1, 0, tests=3, successes=1), "STUCK"),
        (runs(2 * MINUTE + 1, 6, 5, 4, 3, 2, 1, 0, tests=3, successes=1), "ERRORS"),
        (every(SECOND, 7, tests=3, successes=1), "ERRORS"),
        (every(SECOND, 8, tests=3, successes=3), "OK"),
        (every(SECOND, 8), "OK"),
        (every(SECOND, 8, tests=3, successes=1)[:7] + runs(0, tests=3, successes=2), "ERRORS"),
        (every(SECOND, 8, error="NameError"), "STUCK"),
    ],
)
def test_eight_runs_in_two_minutes_that_change_nothing_are_stuck(done, state):
    found = work_of(done)

    assert found.state == state
    if state == "STUCK":
        assert found.reason == "8 runs in 2 minutes that change nothing"


def test_who_is_not_active_is_not_stuck_and_who_has_solved_it_is_done():
    done = every(75 * SECOND, 5, error="NameError")

    assert work_of(done, active=False).state == "ERRORS"
    assert work_of(done, solved=True, solved_ms=NOW - 7) == Work("DONE", NOW - 7)


def test_the_rules_have_a_version():
    assert stuck.VERSION == 2


def event(event_type, at_ms, **properties):
    return SimpleNamespace(
        event_type=event_type, created_at=from_ms(NOW), occurred_at=from_ms(at_ms), properties=properties
    )


def test_runs_are_read_in_the_order_of_the_clients_clock_with_the_feedback_that_followed():
    log = [
        event("Intervention", NOW - 10, category="instructor", message='{"unitTests": {"tests": 4, "successes": 3}}'),
        event("Run.Program", NOW - 20),
        event("Run.Program", NOW - 40, category="ProgramErrorOutput", message="NameError: name 'x' is not defined"),
        event("Compile.Error", NOW - 30, message="SyntaxError: invalid syntax"),
    ]

    assert rows.runs_of(log) == [
        Run(NOW - 40, "NameError"),
        Run(NOW - 30, "SyntaxError"),
        Run(NOW - 20, None, 4, 3),
    ]


def test_feedback_before_any_run_belongs_to_none():
    assert rows.runs_of([event("Intervention", NOW, message='{"unitTests": {"tests": 4, "successes": 0}}')]) == []


def session_row(**values):
    usual = {"status": live.IN_PROGRESS, "scheduled_at": from_ms(OPENED), "participants": []}
    return SimpleNamespace(**{**usual, **values})


def place(user_id=7):
    return {"student_id": user_id, "attempt_id": 1, "joined_at": iso(from_ms(OPENED)), "connection_status": "CONNECTED"}


def row_of(fact, here=None, *, is_expected=True, **session):
    row = session_row(**session)
    place = next((item for item in row.participants if item["student_id"] == fact.user_id), None)
    state = rows.state_of(fact, here, session_row=row, place=place, is_expected=is_expected, now_ms=NOW)
    return rows.row_of(fact, state, place=place, now_ms=NOW)


def test_a_row_of_somebody_of_whom_nothing_is_known_is_empty_and_whole():
    found = row_of(Facts(7, "Ada"))

    assert found == {
        "user_id": 7,
        "name": "Ada",
        "state": "EXPECTED",
        "since": None,
        "tabs": 0,
        "attention": None,
        "attention_since": None,
        "work": "OK",
        "work_since": None,
        "work_reason": None,
        "attempt_id": None,
        "submission_id": None,
        "joined_at": None,
        "last_activity": None,
        "counts": {
            "runs": 0,
            "edits": 0,
            "syntax_errors": 0,
            "runtime_errors": 0,
            "failed_instructor_tests": 0,
            "average_edit_time": 0,
            "average_attempt_time": 0,
            "estimated_time_spent": 0,
        },
        "counted_seq": 0,
        "score": 0.0,
        "correct": False,
        "last_event_type": None,
        "code_version": 0,
        "claimed_by": None,
        "snoozed_until": None,
    }


def test_a_row_says_what_sql_and_redis_know():
    fact = Facts(7, "Ada", counted_seq=42, last_event_type="Run.Program", last_activity=from_ms(NOW - 5 * SECOND))
    fact.attempt = SimpleNamespace(id=3, status=live.IN_PROGRESS)
    fact.submission = SimpleNamespace(id=9, score=0.5, correct=False, version=4, date_graded=None)
    fact.counts = SimpleNamespace(**{name: number for number, name in enumerate(rows.COUNTS)})

    found = row_of(fact, Presence([NOW - MINUTE]), participants=[place()])

    assert (found["state"], found["tabs"], found["attention"]) == ("CONNECTED", 1, "ACTIVE")
    assert (found["since"], found["attention_since"]) == (iso(from_ms(NOW - MINUTE)), iso(from_ms(NOW - 5 * SECOND)))
    assert found["counts"] == {name: number for number, name in enumerate(rows.COUNTS)}
    assert (found["attempt_id"], found["submission_id"], found["joined_at"]) == (3, 9, iso(from_ms(OPENED)))
    assert (found["counted_seq"], found["score"], found["code_version"]) == (42, 0.5, 4)


@pytest.mark.parametrize(("before_ms", "state"), [(0, "CONNECTED"), (1, "EXPECTED")])
def test_work_from_before_the_session_makes_nobody_present(before_ms, state):
    opened = from_ms(NOW - MINUTE)
    fact = Facts(7, "Ada", last_activity=opened - timedelta(milliseconds=before_ms))

    assert row_of(fact, scheduled_at=opened)["state"] == state


def test_who_was_taken_off_the_list_is_removed_whatever_he_does():
    assert row_of(Facts(7, "Ada"), Presence([NOW]), is_expected=False)["state"] == "REMOVED"


def test_a_solved_exercise_is_done_since_it_was_graded():
    fact = Facts(7, "Ada")
    fact.submission = SimpleNamespace(id=9, score=1.0, correct=True, version=4, date_graded=from_ms(NOW - MINUTE))

    found = row_of(fact)

    assert (found["work"], found["work_since"], found["correct"]) == ("DONE", iso(from_ms(NOW - MINUTE)), True)


def shown(state, work="OK", score=0.0, submission_id=1, snoozed_until=None):
    told = {"work": work, "score": score, "submission_id": submission_id, "snoozed_until": snoozed_until}
    return {"state": state, **told}


def test_totals_add_up_what_the_rows_say():
    found = rows.totals(
        [
            shown("CONNECTED", score=1.0),
            shown("CONNECTED", "STUCK", score=0.5),
            shown("UNSTABLE", "HAND"),
            shown("LOST", "ERRORS"),
            shown("LOST", "STUCK"),
            shown("CONNECTED", "STUCK", snoozed_until="2026-11-21T10:00:00Z"),
            shown("EXPECTED", submission_id=None),
        ]
    )

    assert found == {
        "expected": 7,
        "here": 4,
        "needs_you": 4,
        "by_state": {"CONNECTED": 3, "UNSTABLE": 1, "LOST": 2, "EXPECTED": 1},
        "by_work": {"OK": 2, "STUCK": 3, "HAND": 1, "ERRORS": 1},
        "mean_score": 0.25,
    }


def test_totals_of_nobody_are_zeros_without_a_mean():
    assert rows.totals([]) == {
        "expected": 0,
        "here": 0,
        "needs_you": 0,
        "by_state": {},
        "by_work": {},
        "mean_score": None,
    }
