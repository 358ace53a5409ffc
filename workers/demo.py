"""The demo school: a course with one exercise, a class of thirty, and a live session that is running."""

import json
import os
import secrets
from pathlib import Path

from sqlalchemy import select

from models import viewers
from models.assignment import Assignment, AssignmentGroup
from models.course import Course
from models.db import db, transaction
from models.live import SessionModel
from models.user import INSTRUCTOR, LEARNER, User, change_roles
from monitoring import sessions
from monitoring.repositories import sql_class_repository as classes

FILE = "demo.json"
STUDENTS = 30
TEACHER_EMAIL = "teacher@demo.school"
COURSE = "Programming, year 7"
CLASS = "7b"
GROUP = "Loops"
ASSIGNMENT = "Sum of a list"
INSTRUCTIONS = """\
Write a function `total` that takes a list of numbers and **returns** their sum.

- `total([1, 2, 3])` is `6`
- `total([])` is `0`

Use a loop, and do not use Python's own `sum`. Try your function with `print` as often as you like.
"""
STARTING_CODE = """\
def total(numbers):
    result = 0
    # add up the numbers here
    return result


print(total([1, 2, 3]))
"""
ON_RUN = """\
from pedal import *

ensure_function("total")
unit_test("total", (([1, 2, 3],), 6), (([],), 0), (([5],), 5), (([-1, 1, 10],), 10))
"""


def make(instance_path, url):
    """Make the demo school unless it is there; answers what `demo.json` holds. Passwords are told only there."""
    path = Path(instance_path) / FILE
    told = _read(path)
    known = told and db.session.get(SessionModel, told["session_id"])
    told = (told if known else _make_school()) | {"url": url}
    _write(path, told)
    return told


def _read(path):
    """What `demo.json` holds, or None; it may belong to a database that is gone."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _write(path, told):
    """Readable by its owner only, whole or not at all."""
    waiting = path.with_suffix(".new")
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(told, file, indent=2)
    os.replace(waiting, path)


def _make_school():
    logins = {
        "admin": _login("admin@demo.school", "Ada Admin", is_admin=True),
        "teacher": _login(TEACHER_EMAIL, "Tom Teacher"),
        "students": [_login(f"pupil{n:02}@demo.school", f"Pupil {n:02}") for n in range(1, STUDENTS + 1)],
        "parent": _login("parent@demo.school", "Pat Parent"),
    }
    teacher_id = logins["teacher"]["user_id"]
    student_ids = [login["user_id"] for login in logins["students"]]
    course = _find_or(Course, {"name": COURSE, "owner_id": teacher_id}, lambda: Course.new(COURSE, teacher_id))
    group = _find_or(
        AssignmentGroup,
        {"name": GROUP, "course_id": course.id},
        lambda: AssignmentGroup.new(course.id, teacher_id, GROUP),
    )
    change_roles(course.id, student_ids, LEARNER, add=True, actor_id=teacher_id)
    change_roles(course.id, [teacher_id], INSTRUCTOR, add=True, actor_id=teacher_id)
    assignment = _find_or(
        Assignment,
        {"name": ASSIGNMENT, "course_id": course.id},
        lambda: Assignment.new(
            course.id,
            teacher_id,
            ASSIGNMENT,
            group_id=group.id,
            instructions=INSTRUCTIONS,
            starting_code=STARTING_CODE,
            on_run=ON_RUN,
        ),
    )
    place = {"course_id": course.id, "assignment_id": assignment.id}
    return {"logins": logins, **place, **_make_session(teacher_id, student_ids, place)}


def _make_session(teacher_id, student_ids, place):
    teacher = viewers.viewer_of(db.session.get(User, teacher_id), via="demo")
    group = classes.new_class(teacher, name=CLASS, student_ids=student_ids, course_id=place["course_id"])
    class_id = group.id
    live_session = sessions.new_session(teacher, class_id=class_id, assignment_id=place["assignment_id"])
    for action in ("open", "start"):
        live_session = sessions.move(teacher, live_session, action)
    return {"class_id": class_id, "session_id": live_session.id}


def _find_or(model, wanted, make_it):
    """A start that was killed half-way goes on with what is there."""
    return db.session.scalar(select(model).filter_by(**wanted).limit(1)) or make_it()


def _login(email, name, *, is_admin=False):
    password = secrets.token_urlsafe(9)
    with transaction() as session:
        user = session.scalar(select(User).where(User.email == email))
        if user is None:
            user = User(email=email, name=name, is_admin=is_admin)
            session.add(user)
        user.set_password(password)
    return {"email": email, "password": password, "user_id": user.id}
