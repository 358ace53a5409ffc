"""The public helpers of S0: their names, what each of them moves, and that the log knows it afterwards."""

import contextlib
import inspect
import io
import json
import threading
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
import sqlalchemy
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func, select, text, update

from models import projections
from models.analytics_events import StudyEvent
from models.assignment import Assignment, AssignmentGroup
from models.counters import SubmissionCounts, UserCounts, helpers
from models.course import Course
from models.db import db, from_ms, release, to_ms, transaction, utcnow
from models.errors import Invalid, NotFound
from models.formulas.averages import Spread
from models.user import INSTRUCTOR, LEARNER, TEACHING_ASSISTANT
from tests.factories import make_event, make_school, make_user, payload, store
from tests.test_models_projections import fold_all

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
UNKNOWN = 10**6
COUNTED = (
    "submission_counts",
    "assignment_counts",
    "assignment_group_counts",
    "course_counts",
    "user_counts",
    "report_counts",
    "counts_daily",
    "study_events",
    "event_keys",
    "user_streams",
    "projection_heads",
)
SIGNATURES = {
    "ensure_submission_counts": "(submission_id)",
    "ensure_assignment_counts": "(assignment_id)",
    "ensure_course_counts": "(course_id)",
    "ensure_user_counts": "(user_id)",
    "ensure_assignment_group_counts": "(assignment_group_id)",
    "ensure_report_counts": "(report_type, course_id)",
    "update_edit_time": "(submission_id, time_delta)",
    "update_attempt_time": "(submission_id, time_delta)",
    "update_time_spent": "(submission_id, time_delta)",
    "update_run_count": "(submission_id)",
    "update_error_counts": "(submission_id, error_type, *, count=1)",
    "increment_submission_count": "(assignment_id, course_id, user_id)",
    "update_user_activity": "(user_id, activity_type)",
    "increment_course_assignment_count": "(course_id)",
    "increment_course_assignment_group_count": "(course_id)",
    "increment_course_user_count": "(course_id, role)",
    "increment_user_assignment_count": "(user_id)",
    "increment_user_group_count": "(user_id)",
    "increment_report_count": "(report_type, course_id, user_id, *, viewed=False)",
    "recalculate_submission_counts_from_logs": "(submission_id, *, dry_run=False)",
    "recalculate_assignment_counts": "(assignment_id, *, dry_run=False)",
    "recalculate_course_counts": "(course_id, *, dry_run=False)",
    "recalculate_user_counts": "(user_id, *, dry_run=False)",
    "recalculate_assignment_group_counts": "(assignment_group_id, *, dry_run=False)",
    "recalculate_report_counts": "(report_type, course_id, *, dry_run=False)",
}
USAGE = """
from models.counters.helpers import ensure_submission_counts

# Get counts for a submission
counts = ensure_submission_counts(submission_id)

# Access statistics
print(f"Runs: {counts.runs}")
print(f"Average edit time: {counts.average_edit_time} seconds")
print(f"Syntax errors: {counts.syntax_errors}")
"""
BACKFILL = """
from models.counters.helpers import recalculate_submission_counts_from_logs
from models.submission import Submission

# For a single submission
recalculate_submission_counts_from_logs(submission_id)

# For all submissions (in a management command)
for submission in Submission.query.all():
    recalculate_submission_counts_from_logs(submission.id)
"""


def tables(names=COUNTED):
    """Every row of these tables, as text."""
    release()
    with db.engine.connect() as connection:
        return {name: sorted(map(str, connection.execute(text(f"SELECT * FROM {name}")))) for name in names}


def rows_of(table):
    """The rows of one table as data; the latest values, whoever wrote them."""
    release()
    with db.engine.connect() as connection:
        return [dict(row) for row in connection.execute(sqlalchemy.select(table)).mappings()]


def moved_by(action):
    """{(table, field): difference} of what an action moves in the counts tables, numbers only."""
    kept = COUNTED[:6]
    before = {name: numbers(name) for name in kept}
    action()
    after = {name: numbers(name) for name in kept}
    found = {}
    for name in kept:
        for place, value in after[name].items():
            if value != before[name].get(place, 0):
                found[name, place[1]] = value - before[name].get(place, 0)
    return found


def numbers(name):
    table = db.metadata.tables[name]
    keys = [column.key for column in table.primary_key]
    found = {}
    for row in rows_of(table):
        for field, value in row.items():
            if field not in (*keys, "folded_seq", "calculation_version") and isinstance(value, int):
                found[tuple(row[key] for key in keys), field] = value
    return found


def recalculated(school):
    """What a recalculation of everything differs in."""
    release()
    people = [school.teacher, *school.learners]
    found = [d for user in people for d in helpers.recalculate_user_counts(user.id)]
    for group_id in db.session.scalars(select(AssignmentGroup.id)).all():
        found += helpers.recalculate_assignment_group_counts(group_id)
    found += helpers.recalculate_assignment_counts(school.assignment.id)
    found += helpers.recalculate_course_counts(school.course.id)
    return found + helpers.recalculate_report_counts("progress", school.course.id)


@pytest.fixture
def work(school):
    """The first learner's work, everything counted."""
    submission = school.submission()
    fold_all()
    return submission


# --- names, examples ---


@pytest.mark.parametrize("name", SIGNATURES)
def test_each_helper_has_the_sources_name_and_signature(name):
    helper = getattr(helpers, name)

    assert str(inspect.signature(helper)) == SIGNATURES[name]
    assert helper.__doc__


def test_no_public_helper_is_missing_from_the_list():
    public = {
        name
        for name, value in vars(helpers).items()
        if inspect.isfunction(value) and value.__module__ == helpers.__name__ and not name.startswith("_")
    }

    assert public == set(SIGNATURES)


@SQLITE
def test_the_usage_example_runs_as_printed(work):
    start = to_ms(utcnow()) - 60_000
    store(*(make_event(work, "File.Edit", at_ms=start + n * 2500) for n in range(3)), make_event(work))
    helpers.update_error_counts(work.id, "syntax")
    said = io.StringIO()

    with contextlib.redirect_stdout(said):
        exec(USAGE, {"submission_id": work.id})

    assert said.getvalue().splitlines() == ["Runs: 1", "Average edit time: 2.5 seconds", "Syntax errors: 1"]


def test_the_backfill_example_runs_as_printed_and_repairs_everything(school, work):
    others = [school.submission(1), school.submission(2)]
    store(*(make_event(submission) for submission in (work, *others)))
    fold_all()
    with transaction() as session:
        session.execute(update(SubmissionCounts).values(runs=77))

    exec(BACKFILL, {"submission_id": work.id})

    assert [row["runs"] for row in rows_of(SubmissionCounts.__table__)] == [1, 1, 1]
    assert recalculated(school) == []


# --- ensure ---


def ensured(school, work):
    group = AssignmentGroup.new(school.course.id, school.teacher.id, "Loops")
    return {
        helpers.ensure_submission_counts: (work.id,),
        helpers.ensure_assignment_counts: (school.assignment.id,),
        helpers.ensure_assignment_group_counts: (group.id,),
        helpers.ensure_course_counts: (school.course.id,),
        helpers.ensure_user_counts: (work.user_id,),
        helpers.ensure_report_counts: ("progress", school.course.id),
    }


def test_fifty_at_once_make_one_row_and_no_error(app, school):
    calls = ensured(school, school.submission())
    assert not any(tables(COUNTED[:6]).values())
    together, seen, errors = threading.Barrier(50), [], []

    def ensure():
        with app.app_context():
            together.wait(30)
            try:
                seen.append([helper(*key).as_dict() for helper, key in calls.items()])
            except Exception as error:
                errors.append(error)
                raise
            finally:
                db.session.remove()

    threads = [threading.Thread(target=ensure) for _ in range(50)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]

    assert errors == []
    assert len(seen) == 50
    assert all(told == seen[0] for told in seen)
    assert [len(rows) for rows in tables(COUNTED[:6]).values()] == [1] * 6


def test_what_was_ensured_is_empty_and_becomes_the_folds_row(school):
    work = school.submission()
    empty = helpers.ensure_submission_counts(work.id).as_dict()

    store(make_event(work))
    fold_all()

    assert (empty["runs"], empty["average_edit_time"], empty["edit_hist"]) == (0, 0.0, {})
    assert empty["last_event_at"] is None
    assert helpers.ensure_submission_counts(work.id).runs == 1
    assert recalculated(school) == []


def test_a_row_asked_for_again_is_as_it_is_now(app, work):
    first = helpers.ensure_submission_counts(work.id)

    def elsewhere():
        with app.app_context():
            store(make_event(work))
            fold_all()
            db.session.remove()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join(30)

    assert (first.runs, helpers.ensure_submission_counts(work.id).runs) == (0, 1)


# --- what each moves ---


def work_calls(work):
    """Helpers on a submission: what to call, and what it moves beside the rows that are their sums."""
    return {
        "run": (lambda: helpers.update_run_count(work.id), {("submission_counts", "runs"): 1}),
        "syntax": (
            lambda: helpers.update_error_counts(work.id, "syntax"),
            {("submission_counts", f"syntax_{name}"): 1 for name in ("errors", "outcomes", "feedbacks")},
        ),
        "runtime": (
            lambda: helpers.update_error_counts(work.id, "runtime", count=3),
            {("submission_counts", f"runtime_{name}"): 3 for name in ("errors", "outcomes", "feedbacks")},
        ),
        "tests": (
            lambda: helpers.update_error_counts(work.id, "instructor_tests", count=4),
            {("submission_counts", "failed_instructor_tests"): 4},
        ),
        "spent": (
            lambda: helpers.update_time_spent(work.id, 12.5),
            {("submission_counts", "time_spent_ms"): 12500, ("user_counts", "time_spent_ms"): 12500},
        ),
        "spent over the cap": (
            lambda: helpers.update_time_spent(work.id, timedelta(hours=2)),
            {("submission_counts", "time_spent_ms"): 300_000, ("user_counts", "time_spent_ms"): 300_000},
        ),
        "edit": (lambda: helpers.update_edit_time(work.id, 1.5), gap_moves("edit")),
        "attempt": (lambda: helpers.update_attempt_time(work.id, timedelta(seconds=1.5)), gap_moves("attempt")),
    }


def gap_moves(kind):
    figures = {"count": 1, "sum_ms": 1500, "sumsq_ms2": 2_250_000, "min_ms": 1500, "max_ms": 1500}
    return {
        (table, f"{kind}_{name}"): value
        for table in ("submission_counts", "assignment_counts")
        for name, value in figures.items()
    }


WORK_CALLS = ("run", "syntax", "runtime", "tests", "spent", "spent over the cap", "edit", "attempt")


@pytest.mark.parametrize("name", WORK_CALLS)
def test_a_helper_on_a_submission_moves_what_it_says_and_nothing_else(school, work, name):
    call, expected = work_calls(work)[name]

    moved = moved_by(call)

    assert moved == expected
    assert projections.users_behind() == []
    assert recalculated(school) == []


def ground_calls(school, work):
    """Helpers on courses and people, and what they move."""
    course, user = school.course.id, work.user_id
    one = dict.fromkeys
    return {
        "submission": (
            lambda: helpers.increment_submission_count(school.assignment.id, course, user),
            one(((f"{name}_counts", "total_submissions") for name in ("assignment", "course", "user")), 1),
        ),
        "assignment": (
            lambda: helpers.increment_course_assignment_count(course),
            {("course_counts", "total_assignments"): 1},
        ),
        "group": (
            lambda: helpers.increment_course_assignment_group_count(course),
            {("course_counts", "total_assignment_groups"): 1},
        ),
        "learner": (
            lambda: helpers.increment_course_user_count(course, LEARNER),
            one((("course_counts", name) for name in ("total_users", "total_students")), 1),
        ),
        "instructor": (
            lambda: helpers.increment_course_user_count(course, INSTRUCTOR),
            one((("course_counts", name) for name in ("total_users", "total_instructors")), 1),
        ),
        "assistant": (
            lambda: helpers.increment_course_user_count(course, TEACHING_ASSISTANT),
            {("course_counts", "total_users"): 1},
        ),
        "assigned": (
            lambda: helpers.increment_user_assignment_count(user),
            {("user_counts", "total_assignments"): 1},
        ),
        "assigned group": (
            lambda: helpers.increment_user_group_count(user),
            {("user_counts", "total_assignment_groups"): 1},
        ),
        "report": (
            lambda: helpers.increment_report_count("progress", course, user),
            {("user_counts", "total_reports"): 1, ("report_counts", "total_generated"): 1},
        ),
        "report viewed": (
            lambda: helpers.increment_report_count("progress", course, user, viewed=True),
            {("report_counts", "total_viewed"): 1},
        ),
        "login": (lambda: helpers.update_user_activity(user, "login"), {}),
        "edited": (lambda: helpers.update_user_activity(user, "edit"), {}),
    }


GROUND_CALLS = ("submission", "assignment", "group", "learner", "instructor", "assistant", "assigned")
GROUND_CALLS += ("assigned group", "report", "report viewed", "login", "edited")


@pytest.mark.parametrize("name", GROUND_CALLS)
def test_a_helper_on_a_course_or_person_moves_what_it_says_and_nothing_else(school, work, name):
    call, expected = ground_calls(school, work)[name]

    moved = moved_by(call)

    assert moved == expected
    assert projections.users_behind() == []
    assert recalculated(school) == []


@SQLITE
@pytest.mark.parametrize(
    ("name", "table", "field"),
    [
        ("submission", "assignment_counts", "date_last_submission"),
        ("submission", "course_counts", "date_last_submission"),
        ("assignment", "course_counts", "date_last_assignment"),
        ("assistant", "course_counts", "date_last_user"),
        ("report", "report_counts", "last_generated"),
        ("login", "user_counts", "last_logged_in"),
        ("edited", "user_counts", "last_edited"),
    ],
)
def test_a_helper_moves_its_date_to_now(school, work, name, table, field):
    before = utcnow()

    ground_calls(school, work)[name][0]()

    found = [row[field] for row in rows_of(db.metadata.tables[table]) if row[field]]
    assert before <= max(found) <= utcnow()


@SQLITE
def test_helpers_answer_the_row_that_they_moved(school, work):
    course = school.course.id

    assert helpers.update_run_count(work.id).runs == 1
    assert helpers.update_edit_time(work.id, 7).average_edit_time == 7.0
    assert helpers.update_attempt_time(work.id, 9).average_attempt_time == 9.0
    assert helpers.update_time_spent(work.id, 3).estimated_time_spent == 3.0
    assert helpers.update_error_counts(work.id, "runtime").runtime_errors == 1
    assert helpers.increment_submission_count(school.assignment.id, course, work.user_id).total_submissions == 2
    assert helpers.update_user_activity(work.user_id, "edit").last_edited is not None
    assert helpers.increment_course_user_count(course, LEARNER).total_students == 4
    assert helpers.increment_report_count("progress", course, work.user_id).total_generated == 1


def test_gaps_come_to_the_figures_of_the_formula(school, work):
    spread = Spread()

    for seconds in (4, 7, 13, 16):
        row = helpers.update_edit_time(work.id, seconds)
        spread = spread.step(seconds)
        assert row.average_edit_time == pytest.approx(float(spread.mean), rel=1e-9)

    told = row.as_dict()["edit_statistics"]
    assert (told["count"], told["mean"], told["min"], told["max"]) == (4, 10.0, 4.0, 16.0)
    assert told["standard_deviation"] == pytest.approx(30**0.5, rel=1e-12)
    assert told["population_standard_deviation"] == pytest.approx(22.5**0.5, rel=1e-12)
    exercise = helpers.ensure_assignment_counts(school.assignment.id).as_dict()
    assert exercise["edit_statistics"] == told
    assert recalculated(school) == []


@SQLITE
def test_percentiles_of_an_assignment_are_those_of_all_its_submissions(school):
    works = [school.submission(n) for n in range(3)]
    with transaction():
        for n in range(1, 101):
            helpers.update_edit_time(works[n % 3].id, n)

    fold_all()

    told = helpers.ensure_assignment_counts(school.assignment.id).as_dict()["edit_statistics"]
    found = [told[name] for name in ("p50", "p90", "p95", "p99", "max")]
    assert found == [50.047, 89.855, 94.975, 99.071, 100.0]
    assert recalculated(school) == []


@pytest.mark.parametrize("seconds", [300.001, 301, timedelta(days=1)])
def test_a_gap_over_the_cap_is_stored_and_is_a_break(school, work, seconds):
    before, stored = tables(COUNTED[1:7]), log_size()
    row = rows_of(SubmissionCounts.__table__)[0]

    helpers.update_edit_time(work.id, seconds)
    helpers.update_attempt_time(work.id, seconds)

    after = rows_of(SubmissionCounts.__table__)[0]
    assert log_size() == stored + 2
    assert after.pop("folded_seq") == row.pop("folded_seq") + 2
    assert after == row
    names = ("assignment_counts", "course_counts", "counts_daily")
    assert [tables(COUNTED[1:7])[name] for name in names] == [before[name] for name in names]
    assert recalculated(school) == []


@SQLITE
@pytest.mark.parametrize(("seconds", "sum_ms"), [(0, 0), (300, 300_000), (Decimal("1.2345"), 1235), (0.0005, 1)])
def test_a_gap_is_kept_in_whole_milliseconds(work, seconds, sum_ms):
    row = helpers.update_edit_time(work.id, seconds)

    assert (row.edit_count, row.edit_sum_ms) == (1, sum_ms)


def test_timestamps_never_move_backwards(school, work):
    person = helpers.update_user_activity(work.user_id, "login")
    helpers.update_user_activity(work.user_id, "edit")
    with transaction() as session:
        ahead = from_ms(to_ms(utcnow()) + 30 * 86_400_000)
        session.execute(update(UserCounts).values(last_logged_in=ahead, last_edited=ahead))

    helpers.update_user_activity(work.user_id, "login")
    helpers.update_user_activity(work.user_id, "edit")

    row = helpers.ensure_user_counts(work.user_id)
    assert (row.last_logged_in, row.last_edited) == (ahead, ahead)
    assert person.last_logged_in < ahead
    helpers.recalculate_user_counts(work.user_id)
    assert helpers.ensure_user_counts(work.user_id).last_logged_in < ahead


def test_an_old_edit_that_comes_late_moves_no_last_edit_back(work):
    helpers.update_user_activity(work.user_id, "edit")
    newest = helpers.ensure_user_counts(work.user_id).last_edited
    late = make_event(work, "File.Edit", at_ms=to_ms(newest) - 3_600_000)

    store(late)
    fold_all()

    assert helpers.ensure_user_counts(work.user_id).last_edited == newest > from_ms(late.client_ms)


# --- transactions ---


@pytest.mark.parametrize("name", [*WORK_CALLS, *GROUND_CALLS])
def test_a_helper_joins_a_transaction_and_goes_with_it(school, work, name):
    call = (work_calls(work) | ground_calls(school, work))[name][0]
    before = tables()

    def roll_back():
        with transaction():
            call()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll_back()

    assert tables() == before


@pytest.mark.parametrize("name", ["run", "edit", "submission", "assignment", "report"])
def test_a_helper_inside_a_transaction_is_counted_after_its_commit(school, work, run_jobs, name):
    call, expected = (work_calls(work) | ground_calls(school, work))[name]

    def in_transaction():
        with transaction():
            call()
        run_jobs()

    assert moved_by(in_transaction) == expected
    assert recalculated(school) == []


TRIGGERS = {
    "sqlite": (
        "CREATE TRIGGER refuse BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'refused'); END",
        "DROP TRIGGER refuse",
    ),
    "postgresql": (
        "CREATE FUNCTION refused() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'refused'; END $$ LANGUAGE plpgsql; "
        "CREATE TRIGGER refuse BEFORE {what} ON {table} FOR EACH ROW EXECUTE FUNCTION refused()",
        "DROP FUNCTION refused() CASCADE",
    ),
}


@contextlib.contextmanager
def refused(table, what="UPDATE"):
    """The database refuses to write one table."""
    make, drop = TRIGGERS[db.engine.dialect.name]
    for statement in (make.format(table=table, what=what), drop):
        with db.engine.begin() as connection:
            connection.execute(text(statement))
        if statement != drop:
            yield


@pytest.mark.parametrize("table", ["assignment_counts", "course_counts", "user_counts"])
def test_a_failure_in_one_of_three_rows_leaves_the_others_unchanged(school, work, table):
    before = tables(COUNTED[:7])

    with refused(table):
        helpers.increment_submission_count(school.assignment.id, school.course.id, work.user_id)
        release()

    assert tables(COUNTED[:7]) == before
    fold_all()
    assert helpers.ensure_user_counts(work.user_id).total_submissions == 2
    assert helpers.ensure_course_counts(school.course.id).total_submissions == 2
    assert helpers.ensure_assignment_counts(school.assignment.id).total_submissions == 2
    assert recalculated(school) == []


@pytest.mark.parametrize("table", ["submission_counts", "user_counts"])
def test_a_failing_counter_never_loses_what_a_learner_did(as_, school, work, table):
    caller = as_(school.learners[0])
    common = payload(work, event_type=None, file_path=None)

    with refused(table):
        run = caller.post("/blockpy/log_event", data=payload(work, message=json.dumps({"inputs": [], "outputs": []})))
        save = caller.post("/blockpy/save_file", data={**common, "filename": "answer.py", "code": "x = 1"})
        with pytest.raises(sqlalchemy.exc.DBAPIError):
            projections.fold()

    release()
    assert (run.json["success"], save.json["success"]) == (True, True)
    fold_all()
    row = helpers.ensure_submission_counts(work.id)
    assert (row.runs, row.edits) == (1, 1)


# --- refusals ---


def test_what_is_unknown_is_not_found_and_leaves_no_row(school, work):
    calls = {name: helper for name, helper in vars(helpers).items() if name in SIGNATURES}
    right = {
        "time_delta": 1,
        "error_type": "syntax",
        "activity_type": "login",
        "role": LEARNER,
        "report_type": "progress",
        "assignment_id": school.assignment.id,
        "course_id": school.course.id,
    }
    before = tables()

    for name, helper in calls.items():
        names = [p.name for p in inspect.signature(helper).parameters.values() if p.kind is not p.KEYWORD_ONLY]
        wanted = [n for n in names if n.endswith("_id")][-1]
        for key in (UNKNOWN, -1, 0, 2**31, 2**70, None, "x", "1", 1.0, True):
            values = {n: right.get(n) for n in names} | {wanted: key}
            with pytest.raises(NotFound):
                helper(**values)
            release()
            assert tables() == before, (name, key)


@SQLITE
def test_each_of_three_unknown_ids_of_a_submission_is_refused(school, work):
    right = {"assignment_id": school.assignment.id, "course_id": school.course.id, "user_id": work.user_id}
    other, before = make_school(0), tables()
    before = tables()

    for name in right:
        with pytest.raises(NotFound):
            helpers.increment_submission_count(**right | {name: UNKNOWN})
    with pytest.raises(Invalid) as refusal:
        helpers.increment_submission_count(**right | {"course_id": other.course.id})

    assert refusal.value.field == "course_id"
    assert tables() == before


@SQLITE
def test_words_that_are_not_known_are_wrong_values_and_named(school, work):
    before = tables()
    calls = {
        "error_type": lambda value: helpers.update_error_counts(work.id, value),
        "activity_type": lambda value: helpers.update_user_activity(work.user_id, value),
        "role": lambda value: helpers.increment_course_user_count(school.course.id, value),
        "count": lambda value: helpers.update_error_counts(work.id, "syntax", count=value),
        "report_type": lambda value: helpers.increment_report_count(value, school.course.id, work.user_id),
    }
    wrong = {name: ["", "SYNTAX", "semantic", None, 1, [], {}] for name in calls}
    wrong["count"] = [0, -1, 1.5, True, "1", None, 10**7]
    wrong["report_type"] = ["", "x" * 65, None, 1, []]

    for field, values in wrong.items():
        for value in values:
            with pytest.raises(ValueError) as refusal:
                calls[field](value)
            assert isinstance(refusal.value, Invalid), (field, value)
            assert (refusal.value.field, field in str(refusal.value)) == (field, True)

    assert tables() == before


ABSURD = [-1, -0.001, float("nan"), float("inf"), float("-inf"), True, "5", None, [], 10**9, 10**400]
ABSURD += [timedelta(seconds=-1), timedelta(days=8), Decimal("NaN"), Decimal("sNaN"), Fraction(-1, 2), 1j, b"5"]


@SQLITE
@pytest.mark.parametrize("helper", ["update_edit_time", "update_attempt_time", "update_time_spent"])
def test_a_time_that_no_gap_can_have_is_refused_by_name(work, helper):
    before = tables()

    for value in ABSURD:
        with pytest.raises(Invalid) as refusal:
            getattr(helpers, helper)(work.id, value)
        assert refusal.value.field == "time_delta"

    assert tables() == before


# --- cost ---


@contextlib.contextmanager
def counted_statements():
    """How many statements the database is sent."""
    seen = []

    def count(_connection, _cursor, statement, *_):
        if statement != "BEGIN":
            seen.append(statement)

    sqlalchemy_event.listen(db.engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        sqlalchemy_event.remove(db.engine, "before_cursor_execute", count)


def grow(school, work, size):
    """A history of so many events of everybody."""
    start = to_ms(utcnow()) - 6 * 86_400_000
    kinds = ("File.Edit", "Run.Program", "Intervention", "Submit")
    while (have := log_size()) < size:
        kind = kinds[have // 400 % 4]
        batch = [make_event(work, kind, at_ms=start + (have + n) * 1000) for n in range(min(400, size - have))]
        store(*batch)
    fold_all()


def test_each_helper_asks_the_same_of_a_long_history_as_of_a_short_one(school, work):
    calls = work_calls(work) | ground_calls(school, work)
    calls |= {str(n): (lambda h=h, k=k: h(*k), {}) for n, (h, k) in enumerate(ensured(school, work).items())}
    for call, _ in calls.values():
        call()

    def costs():
        found = {}
        for name, (call, _) in calls.items():
            release()
            with counted_statements() as seen:
                call()
            found[name] = len(seen)
        return found

    short = costs()
    grow(school, work, 2000)
    long = costs()

    assert long == short
    assert max(short.values()) < 40


def log_size():
    release()
    return db.session.scalar(select(func.count()).select_from(StudyEvent))


def test_statistics_are_read_without_the_log(school, work):
    calls = ensured(school, work)
    for helper, key in calls.items():
        helper(*key)

    for helper, key in calls.items():
        release()
        with counted_statements() as seen:
            helper(*key).as_dict()
        assert len(seen) == 1, helper.__name__
        assert "study_events" not in seen[0]


@SQLITE
def test_another_course_is_not_touched(school, work):
    other = make_school(1)
    elsewhere = Assignment.new(other.course.id, other.teacher.id, "Elsewhere")
    fold_all()
    names = {"course_counts": other.course.id, "assignment_counts": elsewhere.id}
    kept = {table: [r for r in tables([table])[table] if r.startswith(f"({key},")] for table, key in names.items()}

    for call, _ in (work_calls(work) | ground_calls(school, work)).values():
        call()

    assert {t: [r for r in tables([t])[t] if r.startswith(f"({k},")] for t, k in names.items()} == kept


@SQLITE
def test_a_course_of_nobody_in_particular_is_told_in_its_owners_stream(school):
    owner = make_user("Owner")
    course = Course.new("Owned", owner.id)

    helpers.increment_course_assignment_count(course.id)

    last = db.session.scalars(select(StudyEvent).order_by(StudyEvent.id.desc()).limit(1)).one()
    assert (last.event_type, last.user_id, last.course_id) == ("count_recorded", owner.id, course.id)
