"""Claim: refreshing a room costs the same with 300 and with a million events of its class behind it.

In turns on both logs: the rows of all (`Picture.load` and `look`), the row of one learner as after each of his events,
and the snapshot over HTTP. What the database's processes use counts too. `python -m benchmarks.room_history`
"""

import contextlib
import statistics
import sys

import click

from benchmarks import growth, history
from models import live, viewers
from models.db import db, transaction, utcnow
from models.live import ClassModel, SessionModel
from models.user import INSTRUCTOR, LEARNER, Role
from monitoring import memory
from monitoring.picture import Picture

MOST = 1.3
TEACHER = COURSE = ASSIGNMENT = 1


class Room:
    """A class whose learners have some history, with its live session."""

    def __init__(self, made, events, learners):
        self.made = made
        with made.app_context():
            history.write(events, learners=learners, works=1)
            memory().flushdb()
            self.session_id = _session(range(1, learners + 1))
            token, _ = viewers.make_token(TEACHER, now=utcnow())
            self.picture = Picture(self.session_id)
            self.headers = {"Authorization": f"Bearer {token}"}
            self.refresh_all()
            db.session.remove()

    def refresh_all(self):
        """As with each beat."""
        self.picture.load()
        self.picture.look()

    def refresh_one(self):
        """As after an event."""
        self.picture.load([TEACHER])
        self.picture.look([TEACHER])

    def snapshot(self):
        """As a page asks for it."""
        answer = self.made.test_client().get(f"/api/sessions/{self.session_id}/snapshot", headers=self.headers)
        assert answer.status_code == 200, answer.text


def _session(user_ids):
    with transaction() as session:
        session.add_all(Role(user_id=user_id, course_id=COURSE, name=LEARNER) for user_id in user_ids)
        session.add(Role(user_id=TEACHER, course_id=COURSE, name=INSTRUCTOR))
        group = ClassModel(name="group", teacher_id=TEACHER, course_id=COURSE, student_ids=list(user_ids))
        session.add(group)
        session.flush()
        row = SessionModel(class_id=group.id, test_id=ASSIGNMENT, created_by=TEACHER, scheduled_at=utcnow())
        row.status, row.student_ids = live.IN_PROGRESS, list(user_ids)
        session.add(row)
    return row.id


def measured(made, work, times):
    """CPU milliseconds of one of so many."""
    with made.app_context():
        work()
        before = growth.cpu_seconds()
        for _ in range(times):
            work()
        spent = 1000 * (growth.cpu_seconds() - before) / times
        db.session.remove()
    return spent


@click.command()
@click.option("--database", type=click.Choice(["sqlite", "postgresql"]), default="postgresql", show_default=True)
@click.option("--small", default=300, show_default=True)
@click.option("--large", default=1_000_000, show_default=True)
@click.option("--learners", default=30, show_default=True)
@click.option("--rounds", default=10, show_default=True)
@click.option("--times", default=20, show_default=True)
def main(database, small, large, learners, rounds, times):
    """Print what each costs on both logs, and their ratios; 1 is answered when the claim is missed."""
    with contextlib.ExitStack() as stack:
        rooms = {
            size: Room(stack.enter_context(history.application_on(database)), size, learners) for size in (small, large)
        }
        found = {}
        for _ in range(rounds):
            for size, room in rooms.items():
                for name in ("refresh_all", "refresh_one", "snapshot"):
                    cost = measured(room.made, getattr(room, name), times)
                    found.setdefault(name, {}).setdefault(size, []).append(cost)
    print(f"{history.machine()}; python -m benchmarks.room_history --database {database} --learners {learners}")
    ratios = [_tell(name, costs) for name, costs in found.items()]
    sys.exit(max(ratios) > MOST)


def _tell(name, costs):
    middle = {size: statistics.median(values) for size, values in costs.items()}
    (small, cheap), (large, dear) = middle.items()
    print(f"{name}: {cheap:.2f} ms of CPU with {small:,} events, {dear:.2f} ms with {large:,}")
    print(f"ratio {dear / cheap:.2f} (at most {MOST})")
    return dear / cheap


if __name__ == "__main__":
    main()
