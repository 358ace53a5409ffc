"""A simulated lesson as its students share it: how class time passes, when it is over, and what came of it."""

import threading
import time
from collections import Counter

MOST_OF_LESSON = 0.3


class LessonOver(Exception):
    """The time is up, or somebody stopped the lesson."""


class Lesson:
    """Class time in seconds; it runs `speed` times as fast as the wall clock."""

    def __init__(self, *, minutes, speed):
        self.length_seconds = minutes * 60
        self.speed = speed
        self.tally = Tally()
        self._stop = threading.Event()
        self._began_at = None

    def begin(self):
        """Now is second 0."""
        self._began_at = time.monotonic()

    def stop(self):
        """End it for everybody, wherever they wait."""
        self._stop.set()

    @property
    def is_stopped(self):
        """Whether it was ended before its time."""
        return self._stop.is_set()

    @property
    def is_over(self):
        """Whether no more class time is left."""
        return self.is_stopped or self.now() >= self.length_seconds

    def now(self):
        """Class seconds since the beginning."""
        return 0.0 if self._began_at is None else (time.monotonic() - self._began_at) * self.speed

    def wait(self, seconds):
        """Let class seconds pass; raises `LessonOver` as soon as there are no more."""
        left = min(seconds, self.length_seconds - self.now())
        self._stop.wait(max(left, 0) / self.speed)
        if self.is_over:
            raise LessonOver

    def rest(self, real_seconds):
        """Let the clock on the wall go on, after the lesson too; whoever stops the lesson ends this."""
        self._stop.wait(real_seconds)

    def noticeable(self, seconds, *, real_seconds):
        """Class seconds stretched to `real_seconds` by the wall clock, which the room's timers go by.

        A short lesson gives no more than a part of itself.
        """
        return min(max(seconds, real_seconds * self.speed), self.length_seconds * MOST_OF_LESSON)


class Tally:
    """How often what happened, counted by many threads; and the first reasons of refusals."""

    MOST_REASONS = 3

    def __init__(self):
        self._lock = threading.Lock()
        self._counts = Counter()
        self.reasons = []

    def __getitem__(self, what):
        """How often."""
        with self._lock:
            return self._counts[what]

    def count(self, what):
        """It happened."""
        with self._lock:
            self._counts[what] += 1

    def refuse(self, reason):
        """The server said no, and why."""
        with self._lock:
            self._counts["refused"] += 1
            if reason not in self.reasons and len(self.reasons) < self.MOST_REASONS:
                self.reasons.append(reason)
