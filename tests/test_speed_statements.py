"""What an event costs does not grow with the log: the statements of the hot path are counted."""

import contextlib
import uuid

import pytest
from sqlalchemy import event

from models import ingest
from models.assignment import Assignment
from models.db import db, transaction
from models.live import SessionModel
from models.submission import Submission
from models.user import LEARNER, User, change_roles
from monitoring import NAMESPACE, sessions
from monitoring.picture import Picture
from monitoring.repositories import sql_class_repository as classes
from tests.factories import make_event, make_token, payload, store, viewer

LONG_LOG = 10_000
MOST_STATEMENTS = 12
# One database is a call away, the other in this process.
MOST_OF_A_JOIN = {"postgresql": 15, "sqlite": 17}
FEW, MANY = 30, 300


@contextlib.contextmanager
def statements():
    """The statements that reach the database meanwhile; one that takes many rows is one."""
    said = []

    def hear(connection, cursor, statement, parameters, context, executemany):
        said.append(statement)

    event.listen(db.engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(db.engine, "before_cursor_execute", hear)


def fill(work):
    """Many events of one learner, as his client sends them."""
    for _ in range(LONG_LOG // ingest.MOST_EVENTS):
        store(*(make_event(work) for _ in range(ingest.MOST_EVENTS)))


def test_an_event_over_http_costs_the_same_statements_in_a_short_and_in_a_long_log(as_, school):
    work, caller = school.submission(), as_(school.learners[0])

    def post():
        with statements() as said:
            answer = caller.post("/blockpy/log_event", data=payload(work, event_id=str(uuid.uuid4())))
        assert answer.json["success"]
        return said

    post()
    in_a_short_log = post()
    fill(work)
    post()
    in_a_long_log = post()

    assert in_a_long_log == in_a_short_log
    assert len(in_a_short_log) <= MOST_STATEMENTS


def test_what_is_asked_for_each_event_is_not_read_again_for_the_next(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    caller.post("/blockpy/log_event", data=payload(work))

    with statements() as said:
        caller.post("/blockpy/log_event", data=payload(work, message="another"))

    assert [statement for statement in said if "users" in statement or "api_tokens" in statement] == []


@pytest.mark.parametrize("count", [10, 500])
def test_a_batch_costs_the_same_statements_however_many_events_it_has(school, count):
    work = school.submission()
    store(make_event(work))
    with statements() as for_one:
        store(make_event(work))

    with statements() as for_many:
        store(*(make_event(work) for _ in range(count)))

    assert len(for_many) == len(for_one) <= MOST_STATEMENTS


def test_a_retry_costs_one_statement_more_and_no_writing(school):
    again = make_event(school.submission())
    store(again)

    with statements() as said:
        store(again)

    assert [statement for statement in said if "study_events" in statement and "INSERT" in statement] == []
    assert len(said) <= MOST_STATEMENTS


# --- live rooms ---


@pytest.fixture
def crowd(school):
    """A session in progress with place for three hundred learners, none of whom has come yet: (id, their accounts)."""
    with transaction() as session:
        people = [User(name=f"Learner {n}", email=f"crowd{n}@test.school") for n in range(MANY)]
        session.add_all(people)
    ids = [person.id for person in people]
    change_roles(school.course.id, ids, LEARNER, add=True, actor_id=school.teacher.id)
    teacher = viewer(school.teacher)
    group = classes.new_class(teacher, name="group", student_ids=ids, course_id=school.course.id)
    row = sessions.new_session(teacher, class_id=group.id, assignment_id=school.assignment.id)
    for action in ("open", "start"):
        row = sessions.move(teacher, row, action)
    return row, people


def enter(app, session_id, user):
    """Connect and join as a student's tab does, whose page has opened the exercise; answers the statements of both."""
    row = db.session.get(SessionModel, session_id)
    store(make_event(Submission.from_assignment(db.session.get(Assignment, row.test_id), user.id)))
    token = make_token(user)
    with statements() as said:
        line = app.extensions["socketio"].test_client(app, namespace=NAMESPACE, auth={"token": token})
        answer = line.emit("join", {"session_id": session_id, "tab_id": "a"}, namespace=NAMESPACE, callback=True)
    assert answer["success"]
    return [statement for statement in said if statement != "BEGIN"]


def fill_places(row, people):
    """All of these have joined, by the way of a client without a socket."""
    for person in people:
        sessions.join(viewer(person), row)


def test_a_join_costs_as_many_statements_with_three_hundred_in_the_room_as_with_thirty(app, crowd):
    row, people = crowd
    fill_places(row, people[:FEW])
    with_few = enter(app, row.id, people[FEW])
    fill_places(row, people[FEW + 1 : -1])

    with_many = enter(app, row.id, people[-1])

    assert with_many == with_few
    assert len(with_few) <= MOST_OF_A_JOIN[db.engine.dialect.name]


def test_coming_back_costs_no_more_than_coming(app, crowd):
    row, people = crowd
    first = enter(app, row.id, people[0])

    again = enter(app, row.id, people[0])

    assert len(again) <= min(len(first), MOST_OF_A_JOIN[db.engine.dialect.name])


def test_a_look_costs_the_same_statements_whoever_is_in_the_room_and_whatever_was_done(school, crowd):
    row, people = crowd
    fill_places(row, people[:1])
    work = Submission.from_assignment(school.assignment, people[0].id)
    store(make_event(work))
    look_of(row.id)  # how long the exercise takes others is known for a minute now
    with_one = look_of(row.id)
    fill_places(row, people[1:FEW])
    fill(work)

    with_many = look_of(row.id)

    assert len(with_many) == len(with_one) <= MOST_STATEMENTS


def test_a_second_look_at_a_quiet_room_reads_no_event_again(school, crowd):
    row, people = crowd
    fill_places(row, people[:1])
    store(make_event(Submission.from_assignment(school.assignment, people[0].id)))
    picture = Picture(row.id)
    picture.load()

    with statements() as said:
        picture.load()
        picture.look()

    assert [statement for statement in said if "study_events" in statement] == []


def look_of(session_id):
    """The statements of a whole look of a picture that knows nothing yet."""
    with statements() as said:
        picture = Picture(session_id)
        picture.load()
        picture.look()
    return said
