"""What tests make: people, a school, events and the editor's payloads."""

import itertools
import time
import uuid
from dataclasses import dataclass

from models import ingest, viewers
from models.assignment import Assignment
from models.course import Course
from models.db import transaction, utcnow
from models.events import Event
from models.submission import Submission
from models.user import LEARNER, User

PASSWORD = "a good password"
_numbers = itertools.count(1)


def make_user(name="Somebody", *, is_admin=False, password=None):
    """An account of its own; with `password` it can log in by it."""
    with transaction() as session:
        user = User(name=name, email=f"user{next(_numbers)}@test.school", is_admin=is_admin)
        if password:
            user.set_password(password)
        session.add(user)
    return user


def make_learner(course, name="Learner"):
    """A learner of a course."""
    user = make_user(name)
    user.add_role(LEARNER, course.id)
    return user


def make_token(user):
    """A bearer token of a user."""
    return viewers.make_token(user.id, now=utcnow())[0]


def viewer(user):
    """The viewer that a user is."""
    return viewers.viewer_of(user, via="test")


@dataclass
class School:
    """A small school."""

    teacher: User
    course: Course
    assignment: Assignment
    learners: list

    def submission(self, index=0):
        """The work of one learner on the exercise."""
        return Submission.from_assignment(self.assignment, self.learners[index].id)


def make_school(learners=3):
    """A course with its teacher, one exercise and some learners."""
    teacher = make_user("Teacher")
    course = Course.new("Course", teacher.id)
    assignment = Assignment.new(course.id, teacher.id, "Exercise", starting_code="x = 0\n")
    return School(teacher, course, assignment, [make_learner(course, f"Learner {n}") for n in range(learners)])


def make_event(submission, event_type="Run.Program", *, at_ms=None, event_id=None, **properties):
    """An event of a submission's owner, as a client delivers it; `at_ms` is the client's clock."""
    return Event(
        event_type,
        submission.user_id,
        event_id or str(uuid.uuid4()),
        submission_id=submission.id,
        client_ms=at_ms if at_ms is not None else now_ms(),
        timed=True,
        properties=properties,
    )


def store(*events):
    """Append events; answers their answers."""
    return ingest.append(list(events))


def now_ms():
    """The client's clock."""
    return int(time.time() * 1000)


def payload(submission, event_type="Run.Program", **fields):
    """The form of `log_event` for a submission."""
    common = {
        "assignment_id": submission.assignment_id,
        "course_id": submission.course_id,
        "submission_id": submission.id,
        "user_id": submission.user_id,
        "version": 1,
        "timestamp": now_ms(),
        "timezone": -60,
        "passcode": "",
        "event_type": event_type,
        "file_path": "answer.py",
    }
    return {name: value for name, value in {**common, **fields}.items() if value is not None}


class Caller:
    """A test client that acts as one person."""

    def __init__(self, client, token):
        self.client = client
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __getattr__(self, method):
        call = getattr(self.client, method)
        return lambda path, **options: call(path, headers={**self.headers, **options.pop("headers", {})}, **options)
