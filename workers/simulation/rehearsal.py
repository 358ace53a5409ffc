"""The simulated class without a server: each student's lesson on a clock of its own, and what he would have sent."""

import random
from dataclasses import dataclass, field

from models.db import from_ms
from workers.simulation import temperaments
from workers.simulation.lesson import Lesson, LessonOver
from workers.simulation.students import Student

BEGIN_MS = 1_700_000_000_000
STARTING_CODE = "# Write your function here.\n"


class Clock(Lesson):
    """A lesson that takes no time: whoever waits is there at once."""

    def __init__(self, minutes):
        super().__init__(minutes=minutes, speed=1)
        self._seconds = 0.0

    def now(self):
        """Class seconds since the beginning."""
        return self._seconds

    def wait(self, seconds):
        """Let class seconds pass; raises `LessonOver` as soon as there are no more."""
        self._seconds += max(min(seconds, self.length_seconds - self._seconds), 0)
        if self.is_over:
            raise LessonOver

    def rest(self, real_seconds):
        """After the lesson nothing is waited for."""


@dataclass(frozen=True)
class Sent:
    """One event as the log would have it: `code_size` of what was saved."""

    event_type: str
    at_ms: int
    properties: dict = field(default_factory=dict)
    code_size: int | None = None

    @property
    def occurred_at(self):
        """The moment, as the log tells it."""
        return from_ms(self.at_ms)


class Notebook:
    """A desk and a line that only write down what is sent, at the moment at which it is made."""

    waiting_count = 0

    def __init__(self, lesson):
        self.is_online = True
        self.sent = []
        self._lesson = lesson

    def load(self, course_id, assignment_id):
        """An exercise that nobody has begun."""
        submission = {"code": STARTING_CODE, "score": 0.0}
        return {"submission": submission, "assignment": {"url": "", "starting_code": STARTING_CODE}}

    def log(self, event_type, **said):
        """One event."""
        self.sent.append(Sent(event_type, self._now_ms(), said))

    def save(self, code):
        """The program as it is now."""
        self.sent.append(Sent("File.Edit", self._now_ms(), {"file_path": "answer.py"}, len(code)))

    def send_score(self, score, *, correct):
        """What the tests found is in the feedback already."""

    def _now_ms(self):
        return BEGIN_MS + round(self._lesson.now() * 1000)

    def _nothing(self, *_):
        """There is no network."""

    flush = open = keep = leave = cut = show = _nothing


def rehearse(*, students, minutes, seed):
    """Play a class without waiting; answers its students, whose `desk.sent` and `troubles` tell what happened."""
    rng = random.Random(seed)
    pupils = [_pupil(number, kind, minutes, rng) for number, kind in enumerate(temperaments.deal(students, rng), 1)]
    for pupil in pupils:
        pupil.run()
    return pupils


def _pupil(number, temperament, minutes, rng):
    lesson = Clock(minutes)
    desk = Notebook(lesson)
    return Student(
        f"student-{number}",
        desk=desk,
        line=desk,
        place=(1, 1),
        temperament=temperament,
        lesson=lesson,
        rng=random.Random(rng.random()),
    )
