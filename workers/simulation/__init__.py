"""A simulated class: students of the demo school, each in a thread, who work through the public endpoints only."""

import contextlib
import json
import random
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import click
import requests

from workers.simulation import temperaments
from workers.simulation.desk import Desk, WrongLogin
from workers.simulation.lesson import Lesson
from workers.simulation.line import Line
from workers.simulation.students import Student

LOGIN_PAUSES_SECONDS = (0.5, 1, 2, 4, 0)
LOOK_EVERY_SECONDS = 0.25
FAREWELL_SECONDS = 15
STOP_SECONDS = 3


@dataclass(frozen=True)
class School:
    """What demo.json tells of the place and its students."""

    course_id: int
    assignment_id: int
    session_id: int
    students: list


def play(url, demo_file, *, students, minutes, speed, seed):
    """Play the last `students` students of the demo for `minutes` of class time, which last `minutes / speed`.

    The same seed gives the same students; how calls interleave is left to chance. Ctrl-C and SIGTERM end it at once.
    Raises `click.ClickException` where the demo file is no such thing, the site is not there or a login is wrong.
    """
    school = _read(demo_file)
    lesson = Lesson(minutes=minutes, speed=speed)
    pupils = _seat(url.rstrip("/"), school, lesson, count=students, rng=random.Random(seed))
    with _stoppable():
        try:
            _log_in(pupils, url)
            _hold(lesson, pupils)
        except KeyboardInterrupt:
            lesson.stop()
    _dismiss(pupils, STOP_SECONDS if lesson.is_stopped else FAREWELL_SECONDS)
    _report(lesson, pupils, seed)


def _read(demo_file):
    try:
        told = json.loads(Path(demo_file).read_text(encoding="utf-8"))
        place = [told[name] for name in ("course_id", "assignment_id", "session_id")]
        logins = [{name: one[name] for name in ("email", "password", "user_id")} for one in told["logins"]["students"]]
    except KeyError as missing:
        raise click.ClickException(f"{demo_file} has no entry {missing}.") from None
    except (OSError, ValueError, TypeError) as error:
        raise click.ClickException(f"{demo_file} does not describe a demo school: {error}") from None
    if not logins:
        raise click.ClickException(f"{demo_file} names no students.")
    return School(*place, logins)


def _seat(url, school, lesson, *, count, rng):
    """The last ones: the first are kept for people who log in by hand, unless the class is to be that big."""
    chosen = school.students[-count:]
    pupils = []
    for login, temperament in zip(chosen, temperaments.deal(len(chosen), rng), strict=True):
        desk = Desk(url, login, lesson.tally)
        pupil = Student(
            f"student-{login['user_id']}",
            desk=desk,
            line=Line(url, desk, school.session_id, lesson.tally),
            place=(school.course_id, school.assignment_id),
            temperament=temperament,
            lesson=lesson,
            rng=random.Random(rng.random()),
        )
        pupils.append(pupil)
    return pupils


@contextlib.contextmanager
def _stoppable():
    """Let SIGTERM do what Ctrl-C does, where signals can be had."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _log_in(pupils, url):
    """Everybody, before the clock runs: a wrong password shows now, and hashing takes nothing off the lesson."""
    with click.progressbar(pupils, label="logging in") as bar:
        for pupil in bar:
            try:
                _enter(pupil.desk)
            except WrongLogin as wrong:
                raise click.ClickException(f"{url} does not know {wrong}: is this its demo file?") from None
            except (requests.RequestException, KeyError, TypeError) as error:
                reason = type(error).__name__
                raise click.ClickException(f"{url} does not answer as BlockPy Live does ({reason}).") from None


def _enter(desk):
    """Log in; a site that is just starting gets a few seconds."""
    for pause in LOGIN_PAUSES_SECONDS:
        try:
            desk.log_in()
            return
        except requests.RequestException:
            if not pause:
                raise
            time.sleep(pause)


def _hold(lesson, pupils):
    """Start everybody, and show the time and the tally until it is over."""
    lesson.begin()
    for pupil in pupils:
        pupil.start()
    length = max(round(lesson.length_seconds), 1)
    shown = {"show_pos": True, "item_show_func": lambda _: _line_of(lesson.tally)}
    with click.progressbar(length=length, label=f"{len(pupils)} students", **shown) as bar:
        while not lesson.is_over:
            time.sleep(LOOK_EVERY_SECONDS)
            played = min(round(lesson.now()), length)
            bar.update(played - bar.pos, current_item=lesson)


def _line_of(tally):
    return f"{tally['log_event']} events sent, {tally['refused']} refused"


def _dismiss(pupils, seconds):
    """Give everybody the time to go; a thread that still waits for an answer ends with the process."""
    until = time.monotonic() + seconds
    for pupil in pupils:
        if pupil.is_alive():
            pupil.join(max(until - time.monotonic(), 0))


def _report(lesson, pupils, seed):
    tally = lesson.tally
    ending = "stopped after" if lesson.is_stopped else "played"
    minutes = min(lesson.now(), lesson.length_seconds) / 60
    click.echo(f"{len(pupils)} students {ending} {minutes:.1f} minutes of class time (seed {seed}):")
    click.echo(f"  {tally['log_event']} events, {tally['save_file']} saves, {tally['update_submission']} scores sent")
    click.echo(f"  {tally['runs']} runs, {tally['drops']} lost connections")
    click.echo(f"  {tally['refused']} answers refused, {tally['failed']} calls failed and tried again, ", nl=False)
    click.echo(f"{sum(pupil.desk.waiting_count for pupil in pupils)} left unsent")
    for reason in tally.reasons:
        click.echo(f"  refused: {reason}")
