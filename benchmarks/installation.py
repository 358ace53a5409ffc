"""A real web process on a database of its own, with learners who have work to do; and rounds that are compared."""

import contextlib
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass

import psutil

from benchmarks import history, load
from models import viewers
from models.assignment import Assignment
from models.course import Course
from models.db import transaction, utcnow
from models.submission import Submission
from models.user import LEARNER, User
from tests.processes import ROOT, Installation

WARM_SECONDS = 2
AS_IN_A_SCHOOL = {"BLOCKPY_RATELIMIT_ENABLED": "true"}


class Served(Installation):
    """An installation whose web process has the endpoint that only parses."""

    def spawn_web(self):
        """Start the web process of the benchmarks."""
        with open(self.folder / "web.log", "ab") as log:
            command = [sys.executable, "-m", "benchmarks.server"]
            self.running["web"] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )
        self.wait_until_ready()


@dataclass
class Desk:
    """A learner's token and work."""

    token: str
    submission_id: int
    assignment_id: int
    course_id: int
    user_id: int

    @property
    def headers(self):
        """Who he is, on the wire."""
        return {"Authorization": f"Bearer {self.token}", "User-Agent": "Mozilla/5.0 (X11; Linux) Chrome/150.0"}


@contextlib.contextmanager
def serving(database, learners):
    """A web process that answers, and `learners` learners: gives (Served, [Desk])."""
    with history.application_on(database) as made, tempfile.TemporaryDirectory() as folder:
        desks = _desks(learners)
        served = Served(folder, made.config["DATABASE_URL"], made.config["REDIS_URL"], settings=AS_IN_A_SCHOOL)
        try:
            served.spawn_web()
            yield served, desks
        finally:
            served.stop()


def _desks(learners):
    with transaction() as session:
        people = [User(name=f"Learner {n}", email=f"{n}@benchmark") for n in range(learners + 1)]
        session.add_all(people)
    course = Course.new("Course", people[0].id)
    assignment = Assignment.new(course.id, people[0].id, "Exercise")
    desks = []
    for user in people[1:]:
        user.add_role(LEARNER, course.id)
        work = Submission.from_assignment(assignment, user.id)
        token, _ = viewers.make_token(user.id, now=utcnow())
        desks.append(Desk(token, work.id, assignment.id, course.id, user.id))
    return desks


@dataclass
class Round:
    """What one round saw."""

    per_second: float
    cpu_ms: float
    p50_ms: float
    p99_ms: float


def measure(served, requests, seconds):
    """One round: these requests for so many seconds."""
    process = psutil.Process(served.running["web"].pid)
    before = process.cpu_times()
    seen = load.run(served.port, requests, seconds)
    after = process.cpu_times()
    cpu = after.user + after.system - before.user - before.system
    return Round(seen["count"] / seen["seconds"], 1000 * cpu / seen["count"], seen["p50_ms"], seen["p99_ms"])


def compare(served, contestants, *, rounds, seconds):
    """Measure contestants {name: requests} in turn, so that a busy minute hits all; answers {name: [Round]}."""
    for requests in contestants.values():
        measure(served, requests, WARM_SECONDS)
    found = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, requests in contestants.items():
            found[name].append(measure(served, requests, seconds))
    return found


def show(found):
    """Print the middle of each contestant's rounds."""
    for name, rounds in found.items():
        middle = {field: median_of(rounds, field) for field in Round.__dataclass_fields__}
        print(
            "{name}: {per_second:,.0f} requests/s, {cpu_ms:.2f} ms of CPU each, "
            "p50 {p50_ms:.1f} ms, p99 {p99_ms:.1f} ms".format(name=name, **middle)
        )


def median_of(rounds, field):
    """The middle of one figure."""
    return statistics.median(getattr(item, field) for item in rounds)


def ratio(ones, others, field="per_second"):
    """The middle of the rounds' ratios: each round is compared with the one beside it."""
    return statistics.median(getattr(a, field) / getattr(b, field) for a, b in zip(ones, others, strict=True))
