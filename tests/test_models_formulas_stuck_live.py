"""The live room feeds the rules from the log: a bounded look, on the server's moments, as many statements for all."""

import json
from types import SimpleNamespace

import pytest
from sqlalchemy import update

from models.counters import SubmissionCounts
from models.db import db, from_ms, to_ms, transaction
from models.events import Event
from models.formulas.stuck import LOOK, Step
from models.submission import Submission
from monitoring import presence, rows
from monitoring.repositories.sql_facts_repository import load_facts
from monitoring.repositories.sql_steps_repository import load_steps, percentile_75, usual_ms
from tests.factories import make_event, make_school, now_ms, store
from tests.test_models_projections import fold_all
from tests.test_speed_statements import statements

SECOND = 1000
MINUTE = 60 * SECOND


def edit(work, at_ms, size, file="answer.py"):
    """A save of a program of this size."""
    made = make_event(work, "File.Edit", at_ms=at_ms, file_path=file)
    made.code = "x" * size
    return made


def facts_of(school, works):
    return load_facts(SimpleNamespace(id=1, test_id=school.assignment.id), [work.user_id for work in works])


def work_at(fact, at_ms, attention=presence.ACTIVE):
    """How the room says it goes at a moment."""
    row = rows.row_of(fact, presence.State(presence.CONNECTED, at_ms, 1, attention, at_ms), place=None, now_ms=at_ms)
    return row["work"], row["work_reason"]


def test_steps_come_from_the_log_with_size_file_and_moment(school, clock):
    work, now = school.submission(), now_ms() + 10 * MINUTE
    clock(from_ms(now + 3 * SECOND))
    store(
        edit(work, now, 40), edit(work, now + SECOND, 7, "other.py"), make_event(work, "Submit", at_ms=now + 2 * SECOND)
    )
    store(make_event(work, "X-HelpRequest", at_ms=now + 3 * SECOND), make_event(work, "Run.Program", at_ms=now))

    found = load_steps([work.id])[work.id]

    assert sorted(found, key=lambda step: step.at_ms) == [
        Step(now, "edit", 40, "answer.py"),
        Step(now + SECOND, "edit", 7, "other.py"),
        Step(now + 2 * SECOND, "try"),
        Step(now + 3 * SECOND, "help"),
    ]


def test_a_clock_from_the_future_or_of_last_year_counts_as_the_arrival(school):
    work, now = school.submission(), now_ms()
    store(edit(work, now + 3_600_000, 1), edit(work, now - 400 * 24 * 3_600_000, 2))

    found = load_steps([work.id])[work.id]

    assert all(abs(step.at_ms - now) < MINUTE for step in found)


def test_only_the_learners_own_newest_steps_are_looked_at(school):
    work, now = school.submission(), now_ms() - 60 * MINUTE
    store(*(edit(work, now + n * SECOND, n) for n in range(LOOK + 50)))
    teachers = edit(work, now, 1)
    teachers.actor_id = school.teacher.id
    store(teachers)

    found = load_steps([work.id])[work.id]

    assert sorted(step.size for step in found) == list(range(51, LOOK + 50))


def test_the_statements_are_as_many_for_one_learner_as_for_all_of_them(app):
    school = make_school(learners=12)
    works = [school.submission(index) for index in range(12)]
    for work in works:
        store(*(edit(work, now_ms(), n) for n in range(20)))
    facts_of(school, works)

    with statements() as for_one:
        facts_of(school, works[:1])
    with statements() as for_all:
        facts_of(school, works)

    assert len(for_all) == len(for_one)


def test_the_room_says_stuck_from_the_log_and_only_while_the_learner_is_active(school, clock):
    work, now = school.submission(), now_ms() + 10 * MINUTE
    clock(from_ms(now + 185 * SECOND))
    store(*(edit(work, now + n * 10 * SECOND, n) for n in range(19)))
    message = "NameError: name 'x' is not defined"
    run_ms = now + 185 * SECOND
    store(make_event(work, "Run.Program", at_ms=run_ms, category="ProgramErrorOutput", message=message))

    fact = facts_of(school, [work])[work.user_id]

    reason = "the run after 3 minutes of work did not solve it"
    assert work_at(fact, run_ms) == ("STUCK", reason)
    assert work_at(fact, run_ms, presence.IDLE) == ("OK", None)
    assert work_at(fact, run_ms + 2 * MINUTE) == ("STUCK", reason)
    assert work_at(fact, run_ms + 2 * MINUTE + 1) == ("OK", None)


def test_a_clock_that_is_slow_is_not_stuck(school):
    work, hour = school.submission(), 60 * MINUTE
    message = "NameError: name 'x' is not defined"
    for second in (-2, -1):
        at_ms = now_ms() - hour + second * SECOND
        store(make_event(work, "Run.Program", at_ms=at_ms, category="ProgramErrorOutput", message=message))

    fact = facts_of(school, [work])[work.user_id]

    assert work_at(fact, now_ms() + SECOND) == ("OK", None)
    assert max(run.at_ms for run in fact.runs) <= now_ms()
    assert min(run.at_ms for run in fact.runs) > now_ms() - MINUTE


def test_the_runs_of_an_earlier_lesson_are_not_of_this_one(school):
    work = school.submission()
    message = "NameError: name 'x' is not defined"
    start = now_ms() - 6 * MINUTE
    for minute in range(6):
        at_ms = start + minute * MINUTE
        store(make_event(work, "Run.Program", at_ms=at_ms, category="ProgramErrorOutput", message=message))
    state = presence.State(presence.CONNECTED, now_ms(), 1, presence.ACTIVE, now_ms())

    def work_since(since):
        fact = facts_of(school, [work])[work.user_id]
        return rows.row_of(fact, state, place=None, now_ms=now_ms(), since=since)["work"]

    assert (work_since(None), work_since(from_ms(now_ms() + SECOND))) == ("STUCK", "OK")


def test_a_run_that_passes_all_tests_clears_it_before_the_score_is_known(school):
    work, now = school.submission(), now_ms() - 10 * MINUTE
    store(*(edit(work, now + n * 10 * SECOND, n) for n in range(19)))
    store(make_event(work, "Run.Program", at_ms=now + 185 * SECOND))
    said = json.dumps({"message": "", "unitTests": {"tests": 4, "successes": 4}})
    store(make_event(work, "Intervention", at_ms=now + 186 * SECOND, message=said))

    fact = facts_of(school, [work])[work.user_id]

    assert work_at(fact, now + 190 * SECOND) == ("OK", None)


def test_no_more_tests_passing_goes_by_the_pace_of_the_exercise(school, clock):
    work, now = school.submission(), now_ms() + 30 * MINUTE
    clock(from_ms(now + 61 * SECOND))
    said = json.dumps({"message": "", "unitTests": {"tests": 4, "successes": 1}})
    for second in (0, 60):
        store(make_event(work, "Run.Program", at_ms=now + second * SECOND))
        store(make_event(work, "Intervention", at_ms=now + second * SECOND + 1, message=said))
    fact = facts_of(school, [work])[work.user_id]

    assert fact.usual_ms is None
    assert work_at(fact, now + 10 * MINUTE) == ("STUCK", "still 1 of 4 tests pass, for over 10 minutes")

    fact.usual_ms = 15 * MINUTE

    assert work_at(fact, now + 10 * MINUTE) == ("OK", None)
    assert work_at(fact, now + 15 * MINUTE) == ("STUCK", "still 1 of 4 tests pass, for over 15 minutes")


@pytest.mark.parametrize(
    ("values", "wanted"), [([1], 1), ([1, 2], 2), ([1, 2, 3, 4], 3), ([1, 2, 3, 4, 5], 4), (list(range(1, 101)), 75)]
)
def test_three_in_four_do_not_exceed_it(values, wanted):
    assert percentile_75(values) == wanted
    assert sum(value <= wanted for value in values) >= 0.75 * len(values)


@pytest.mark.parametrize(("solved", "wanted"), [(4, None), (5, 4 * MINUTE), (8, 6 * MINUTE)])
def test_the_pace_is_that_of_those_who_solved_it(app, solved, wanted):
    school = make_school(learners=9)
    works = [school.submission(index) for index in range(9)]
    fold_all()
    with transaction() as session:
        for number, work in enumerate(works, 1):
            pace = update(SubmissionCounts).where(SubmissionCounts.submission_id == work.id)
            session.execute(pace.values(time_spent_ms=number * MINUTE))
            if number <= solved:
                session.execute(update(Submission).where(Submission.id == work.id).values(correct=True))

    assert usual_ms(school.assignment.id) == wanted


def test_the_pace_is_read_once_a_minute(school):
    usual_ms(school.assignment.id)

    with statements() as said:
        usual_ms(school.assignment.id)

    assert said == []


def test_an_event_without_code_has_no_size(school):
    work = school.submission()
    store(Event("File.Edit", work.user_id, submission_id=work.id, timed=True, client_ms=to_ms(from_ms(now_ms()))))

    assert [step.size for step in load_steps([work.id])[work.id]] == [None]
    db.session.remove()
