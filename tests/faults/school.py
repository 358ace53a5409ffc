"""Learners by the hundred, who need no password: each with a token, in a session of their own."""

import uuid
from pathlib import Path

import app as application
from models import viewers
from models.db import db, transaction, utcnow
from models.user import LEARNER, User, change_roles
from tests.clients import Pupil


def make_learners(house, number):
    """So many new learners of the demo course."""
    made = application.create_app(_settings(house.installation))
    with made.app_context():
        ids = _accounts(house, number)
        tokens = [viewers.make_token(user_id, now=utcnow())[0] for user_id in ids]
        db.session.remove()
        db.engine.dispose()
        made.extensions["redis"].close()
    return [_pupil(house, user_id, token) for user_id, token in zip(ids, tokens, strict=True)]


def _settings(installation):
    there = installation.environment
    return {
        "DATABASE_URL": there["DATABASE_URL"],
        "REDIS_URL": there["REDIS_URL"],
        "INSTANCE_PATH": str(Path(there["INSTANCE_PATH"])),
        "SECRET_KEY": "only for tests",
        "MESSAGE_QUEUE": False,
        "LOG_LEVEL": "WARNING",
    }


def _accounts(house, number):
    word = uuid.uuid4().hex[:8]
    with transaction() as session:
        people = [User(name=f"Learner {n:03}", email=f"{word}.{n}@test.school") for n in range(number)]
        session.add_all(people)
        session.flush()
        ids = [person.id for person in people]
    change_roles(house.demo["course_id"], ids, LEARNER, add=True, actor_id=house.demo["logins"]["teacher"]["user_id"])
    return ids


def _pupil(house, user_id, token):
    pupil = Pupil(house.url, {"token": token, "user_id": user_id})
    pupil.course_id = house.demo["course_id"]
    house.closing(pupil.close)
    return pupil


def make_session(house, pupils, assignment_id):
    """A session of these learners on an exercise, that has started; answers its id."""
    teacher, course_id = house.teacher, house.demo["course_id"]
    members = {"name": "group", "student_ids": [pupil.user_id for pupil in pupils], "course_id": course_id}
    planned = {
        "class_id": teacher.api("POST", "/api/classes", members)["id"],
        "assignment_id": assignment_id,
    }
    session_id = teacher.api("POST", "/api/sessions", planned)["id"]
    for action in ("open", "start"):
        teacher.api("POST", f"/api/sessions/{session_id}/{action}")
    return session_id
