"""What is assigned to whom: told to each learner's stream as differences, whatever comes first."""

import json
import threading

import pytest
from sqlalchemy import delete, func, select

from models import assigned, projections
from models.analytics_events import StudyEvent
from models.assigned import AssignedTotals
from models.assignment import Assignment, AssignmentGroup, AssignmentGroupMembership
from models.counters import UserCounts, helpers
from models.course import Course
from models.db import db, release, transaction
from models.user import INSTRUCTOR, LEARNER, TEACHING_ASSISTANT, set_roles
from tests.factories import make_learner, make_user, payload
from tests.test_models_projections import fold_all

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def totals(*people):
    """(assignments, groups) of each, as the job and the fold bring them."""
    assigned.tell_learners()
    fold_all()
    rows = [db.session.get(UserCounts, user.id) for user in people]
    return [(row.total_assignments, row.total_assignment_groups) if row else (0, 0) for row in rows]


def group_of(school, *names, course=None):
    """A new group with these exercises in it."""
    course_id = (course or school.course).id
    group = AssignmentGroup.new(course_id, school.teacher.id, "Group")
    for name in names:
        Assignment.new(course_id, school.teacher.id, name, group_id=group.id)
    return group


def told():
    release()
    return db.session.scalar(select(func.count()).where(StudyEvent.event_type == "assigned_changed"))


def right(school):
    """Whether a recalculation of everybody finds what is stored."""
    people = [school.teacher, *school.learners]
    return [d for user in people for d in projections.recalculate_learner(user.id)] == []


def test_what_is_in_a_group_is_assigned_to_the_learners_and_to_nobody_else(school):
    group_of(school, "One", "Two")
    group_of(school)

    assert totals(*school.learners, school.teacher) == [(2, 2)] * 3 + [(0, 0)]
    assert right(school)


def test_an_exercise_in_two_groups_is_assigned_once(school):
    group_of(school, "One")
    second = group_of(school, "Two")
    with transaction() as session:
        one = session.scalar(select(Assignment.id).where(Assignment.name == "One"))
        session.add(AssignmentGroupMembership(assignment_group_id=second.id, assignment_id=one))

    assert totals(*school.learners) == [(2, 2)] * 3


def test_telling_twice_tells_once(school):
    group_of(school, "One")
    totals(*school.learners)
    before = told()

    assert assigned.tell_learners() == 0
    assert (told(), totals(school.learners[0])) == (before, [(1, 1)])


def test_several_courses_add_up_and_a_role_that_goes_takes_its_own(school):
    learner, other = school.learners[0], Course.new("Other", school.teacher.id)
    group_of(school, "One", "Two")
    group_of(school, "Three", course=other)
    learner.add_role(LEARNER, other.id)
    both = totals(learner)

    learner.update_roles([], school.course.id)
    one = totals(learner)
    learner.update_roles([], other.id)

    assert (both, one, totals(learner)) == ([(3, 2)], [(1, 1)], [(0, 0)])
    assert right(school)


@pytest.mark.parametrize(
    ("roles", "expected"),
    [
        ({LEARNER, INSTRUCTOR}, (2, 1)),
        ({INSTRUCTOR}, (0, 0)),
        ({TEACHING_ASSISTANT}, (0, 0)),
        (set(), (0, 0)),
        ({LEARNER}, (2, 1)),
    ],
)
def test_only_learners_are_assigned_anything(school, roles, expected):
    group_of(school, "One", "Two")
    learner = school.learners[0]
    totals(learner)

    learner.update_roles(roles, school.course.id)
    fold_all()

    assert totals(learner) == [expected]
    assert right(school)


def test_a_role_that_comes_and_goes_tells_each_time(school):
    group_of(school, "One")
    learner, seen = school.learners[0], []

    for roles in ([], [LEARNER], [], [], [LEARNER]):
        learner.update_roles(roles, school.course.id)
        fold_all()
        seen += totals(learner)

    assert seen == [(0, 0), (1, 1), (0, 0), (0, 0), (1, 1)]
    assert right(school)


def test_what_is_taken_out_of_a_group_is_no_longer_assigned(school):
    group_of(school, "One", "Two")
    totals(*school.learners)
    with transaction() as session:
        two = select(Assignment.id).where(Assignment.name == "Two")
        session.execute(
            delete(AssignmentGroupMembership).where(AssignmentGroupMembership.assignment_id.in_(two.scalar_subquery()))
        )

    assert totals(*school.learners) == [(1, 1)] * 3
    assert right(school)


def test_more_learners_than_a_batch_are_all_told(school):
    people = [make_user(f"P{n}") for n in range(assigned.BATCH + 5)]
    set_roles({user.id: {LEARNER} for user in people}, school.course.id, actor_id=None)
    group_of(school, "One")

    assert assigned.tell_learners() == len(people) + 3

    assert set(totals(*people)) == {(1, 1)}


def test_several_who_tell_at_once_tell_each_learner_once(app, school):
    group_of(school, "One", "Two")
    together, errors = threading.Barrier(4), []

    def tell():
        with app.app_context():
            together.wait(10)
            try:
                assigned.tell_learners()
            except Exception as error:
                errors.append(error)
                raise
            finally:
                db.session.remove()

    threads = [threading.Thread(target=tell) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join(60) for thread in threads]

    assert errors == []
    assert told() == 3
    assert totals(*school.learners) == [(2, 1)] * 3
    assert right(school)


def test_roles_and_exercises_that_change_at_once_come_to_what_is_assigned(app, school):
    learner, group = school.learners[0], group_of(school)
    together, errors = threading.Barrier(3), []

    def run(action):
        with app.app_context():
            together.wait(10)
            try:
                action()
            except Exception as error:
                errors.append(error)
                raise
            finally:
                db.session.remove()

    def change():
        for roles in ([], [LEARNER]) * 4:
            set_roles({learner.id: set(roles)}, school.course.id, actor_id=None)

    def make():
        for n in range(4):
            Assignment.new(school.course.id, school.teacher.id, f"E{n}", group_id=group.id)

    def tell():
        for _ in range(8):
            assigned.tell_learners()

    threads = [threading.Thread(target=run, args=(action,)) for action in (change, make, tell)]
    [thread.start() for thread in threads]
    [thread.join(90) for thread in threads]

    assert errors == []
    assert totals(*school.learners) == [(4, 1)] * 3
    assert right(school)


def test_what_a_helper_adds_stays_beside_what_follows_from_groups(school):
    learner = school.learners[0]
    helpers.increment_user_assignment_count(learner.id)
    helpers.increment_user_group_count(learner.id)
    group_of(school, "One")

    assert totals(learner) == [(2, 2)]
    assert right(school)


def test_what_is_told_is_written_down_with_it_or_not_at_all(school):
    group_of(school, "One")
    learner = make_user("Late")

    def roll_back():
        with transaction():
            learner.add_role(LEARNER, school.course.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll_back()

    release()
    assert db.session.get(AssignedTotals, (learner.id, school.course.id)) is None
    learner.add_role(LEARNER, school.course.id)
    fold_all()
    assert totals(learner) == [(1, 1)]


# --- the hooks of S0 ---


def everything(school, learner):
    """What the hooks move: of the course, of the person."""
    fold_all()
    course, person = helpers.ensure_course_counts(school.course.id), helpers.ensure_user_counts(learner.id)
    return course, person


def test_opening_work_counts_for_assignment_course_and_person(school):
    school.submission()
    school.submission()

    course, person = everything(school, school.learners[0])
    exercise = helpers.ensure_assignment_counts(school.assignment.id)
    assert (course.total_submissions, person.total_submissions, exercise.total_submissions) == (1, 1, 1)
    assert course.date_last_submission == exercise.date_last_submission is not None


def test_making_a_course_and_an_assignment_counts(school):
    teacher = make_user("Maker")
    before = everything(school, school.teacher)[0].total_assignments

    course = Course.new("Made", teacher.id)
    Assignment.new(school.course.id, school.teacher.id, "Made")

    told_course, _ = everything(school, school.teacher)
    fold_all()
    made = helpers.ensure_course_counts(course.id)
    assert (made.total_users, made.total_instructors, made.total_students) == (1, 1, 0)
    assert made.date_last_user is not None
    assert helpers.ensure_user_counts(teacher.id).total_courses_in == 1
    assert told_course.total_assignments == before + 1
    assert told_course.date_last_assignment is not None


def test_roles_count_by_what_changes(school):
    learner = school.learners[0]
    newest = everything(school, learner)[0].date_last_user
    late = make_learner(school.course, "Late")
    after = everything(school, late)[0]

    late.add_role(LEARNER, school.course.id)
    late.update_roles([LEARNER, TEACHING_ASSISTANT], school.course.id)
    kept = everything(school, late)[0]
    late.update_roles([], school.course.id)
    gone, person = everything(school, late)

    assert (after.total_users, kept.total_users, gone.total_users) == (5, 5, 4)
    assert (after.total_students, kept.total_students, gone.total_students) == (4, 4, 3)
    assert (newest < after.date_last_user, kept.date_last_user) == (True, after.date_last_user)
    assert (person.total_courses_in, gone.date_last_user) == (0, after.date_last_user)


@SQLITE
def test_a_login_and_a_save_are_the_last_ones(app, school, as_):
    learner, work = school.learners[0], school.submission()
    login = app.test_client()
    with transaction() as session:
        session.get(type(learner), learner.id).set_password("a good password")
    before = everything(school, learner)[1]

    answer = login.post("/api/tokens", json={"email": learner.email, "password": "a good password"})
    fields = {**payload(work, event_type=None, file_path=None), "filename": "answer.py", "code": "x = 1"}
    again = as_(db.session.get(type(learner), learner.id)).post("/blockpy/save_file", data=fields)

    person = everything(school, learner)[1]
    assert (answer.status_code, again.json["success"]) == (201, True)
    assert (before.last_logged_in, before.last_edited) == (None, None)
    assert None not in (person.last_logged_in, person.last_edited)
    assert helpers.ensure_submission_counts(work.id).edits == 1


JSON_FEEDBACK = {"syntaxError": False, "runtimeError": False, "message": "x", "unitTests": {"tests": 4, "successes": 1}}
RUN = {"message": json.dumps({"inputs": [], "outputs": []})}
SYNTAX, RUNTIME = "SyntaxError: EOF on line 1", "NameError: name 'x' is not defined on line 1"
FAILED = {"category": "ProgramErrorOutput"}
DIALECTS = {
    "G1": [
        ("Run.Program", RUN),
        ("Run.Program", FAILED | {"message": SYNTAX}),
        ("Compile.Error", {"message": RUNTIME}),
        ("Compile.Error", {"message": RUNTIME, "file_path": "evaluations"}),
        ("Intervention", {"category": "Syntax", "message": "<b>Bad</b>"}),
        ("Intervention", {"category": "Instructor", "message": "<p>You passed 1/4 tests.</p>"}),
    ],
    "G2": [
        ("Run.Program", RUN),
        ("Compile.Error", {"message": SYNTAX}),
        ("Run.Program", FAILED | {"message": RUNTIME}),
        ("Compile.Error", {"message": RUNTIME, "file_path": "evaluations"}),
        ("Intervention", {"category": "syntax", "extended": "true", "message": json.dumps({"syntaxError": True})}),
        ("Intervention", {"category": "instructor", "extended": "true", "message": json.dumps(JSON_FEEDBACK)}),
    ],
}


@SQLITE
@pytest.mark.parametrize("dialect", DIALECTS)
def test_runs_and_feedback_of_both_dialects_come_to_the_same_counters(school, as_, dialect):
    work, caller = school.submission(), as_(school.learners[0])

    for event_type, fields in DIALECTS[dialect]:
        assert caller.post("/blockpy/log_event", data=payload(work, event_type, **fields)).json["success"]
    fold_all()

    row = helpers.ensure_submission_counts(work.id)
    found = (row.runs, row.syntax_errors, row.runtime_errors, row.failed_instructor_tests, row.attempt_count)
    assert found == (2, 1, 1, 3, 1)
    assert (row.syntax_outcomes, row.syntax_feedbacks, row.runtime_outcomes) == (1, 1, 1)
