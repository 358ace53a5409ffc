"""A school in real processes, with live sessions in progress; and the bare server beside it."""

import contextlib
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import psutil

from benchmarks import history
from benchmarks.installation import AS_IN_A_SCHOOL
from models import viewers
from models.assignment import Assignment
from models.course import Course
from models.db import release, transaction, utcnow
from models.user import LEARNER, TEACHING_ASSISTANT, User, change_roles
from monitoring import sessions
from monitoring.repositories import sql_class_repository as classes
from tests.processes import ROOT, Installation
from tests.redis_server import RedisServer

QUIET = {"BLOCKPY_LOG_LEVEL": "WARNING"}


@dataclass
class Pupil:
    """A learner's token and place; what he works on is known once he has joined."""

    token: str
    user_id: int
    course_id: int
    assignment_id: int
    session_id: int
    submission_id: int | None = None
    posts: int = 0
    counted_seq: int = 0


@dataclass
class House:
    """The processes, who may watch, and the learners of each session."""

    served: "Processes"
    teachers: list
    rooms: dict = field(default_factory=dict)

    @property
    def pupils(self):
        """The learners of all sessions."""
        return [pupil for room in self.rooms.values() for pupil in room]


class Processes(Installation):
    """An installation that also has the bare server, and may have the web process with the benchmarks' endpoints."""

    def spawn_module(self, name, module):
        """Start one of the benchmarks' own servers and wait until it answers; `name` begins with `web`."""
        environment = self.environment | {"PORT": str(self.port_of(name))}
        command = [sys.executable, "-m", module]
        with (self.folder / f"{name}.log").open("ab") as log:
            self.running[name] = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_until_ready(name)

    def process(self, name="web"):
        """One of them, to be looked at."""
        return psutil.Process(self.running[name].pid)

    def cpu_seconds(self, name="web"):
        """What it has used so far."""
        return sum(self.process(name).cpu_times()[:2])

    def resident_kb(self, name="web"):
        """The memory that it holds now."""
        return self.process(name).memory_info().rss // 1024


@contextlib.contextmanager
def opened(database, *, sizes, teachers=1, parts=("web", "counts")):
    """A house with a session in progress for each of these sizes of a class; each has a Redis of its own."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        memory = stack.enter_context(_redis(folder))
        made = stack.enter_context(history.application_on(database, memory.url))
        house = _school(sizes, teachers)
        settings = AS_IN_A_SCHOOL | QUIET
        house.served = Processes(folder, made.config["DATABASE_URL"], memory.url, settings=settings)
        stack.callback(house.served.stop)
        made.extensions["redis"].close()
        house.served.start(*parts)
        house.served.spawn_module("web-bare", "benchmarks.bare")
        yield house


@contextlib.contextmanager
def _redis(folder):
    server = RedisServer(folder).start()
    try:
        yield server
    finally:
        server.kill()


def _school(sizes, teachers):
    with transaction() as session:
        people = [User(name=f"Person {n}", email=f"{n}@benchmark") for n in range(sum(sizes) + teachers)]
        session.add_all(people)
        session.flush()
        ids = [person.id for person in people]
    course = Course.new("Course", ids[0])
    assistants, learners = ids[1:teachers], ids[teachers:]
    if assistants:
        change_roles(course.id, assistants, TEACHING_ASSISTANT, add=True, actor_id=ids[0])
    change_roles(course.id, learners, LEARNER, add=True, actor_id=ids[0])
    house = House(None, [_token(user_id) for user_id in ids[:teachers]])
    for size in sizes:
        _add_room(house, course.id, people[0], [learners.pop() for _ in range(size)])
    release()
    return house


def _add_room(house, course_id, teacher, learners):
    viewer = viewers.viewer_of(teacher, via="benchmark")
    assignment_id = Assignment.new(course_id, viewer.user_id, "Exercise").id
    group = classes.new_class(viewer, name="group", student_ids=learners, course_id=course_id)
    session_row = sessions.new_session(viewer, class_id=group.id, assignment_id=assignment_id)
    for action in ("open", "start"):
        session_row = sessions.move(viewer, session_row, action)
    place = {"course_id": course_id, "assignment_id": assignment_id, "session_id": session_row.id}
    house.rooms[session_row.id] = [Pupil(_token(user_id), user_id, **place) for user_id in learners]


def _token(user_id):
    return viewers.make_token(user_id, now=utcnow())[0]
