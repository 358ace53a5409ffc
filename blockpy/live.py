"""`/api/classes` and `/api/sessions`: classes, live sessions and their commands (contract monitoring 2)."""

from datetime import UTC, datetime

from flask import Blueprint, g, jsonify
from flask import request as http
from pydantic import Field

from blockpy.reading import Body, RowId, body
from models import access
from models.course import required_name
from models.db import db, iso
from models.live import SessionModel
from monitoring import hands, sessions
from monitoring.repositories import sql_class_repository as classes
from monitoring.repositories import sql_session_repository as repository
from monitoring.repositories.sql_help_repository import find_raised

bp = Blueprint("live", __name__, url_prefix="/api")


class NewClass(Body):
    """A class to make."""

    name: str
    student_ids: list[RowId]
    course_id: RowId | None = None


class ClassChange(Body):
    """What to change of a class; what is not named stays."""

    name: str | None = None
    student_ids: list[RowId] | None = None
    status: str | None = None


class Question(Body):
    """What a raised hand asks."""

    message: str | None = None


class NewSession(Body):
    """A live session to plan."""

    class_id: RowId
    assignment_id: RowId
    scheduled_at: datetime | None = None
    time_limit_minutes: int | None = Field(default=None)


@bp.get("/classes")
def list_classes():
    """My classes."""
    return jsonify(items=[row.as_dict() for row in classes.list_classes(access.logged_in(g.viewer))], next=None)


@bp.post("/classes")
def make_class():
    """Make a class of learners of a course that I teach."""
    viewer, wanted = access.logged_in(g.viewer), body(NewClass)
    row = classes.new_class(
        viewer, name=required_name(wanted.name), student_ids=wanted.student_ids, course_id=wanted.course_id
    )
    return jsonify(row.as_dict()), 201


@bp.get("/classes/<int:class_id>")
def read_class(class_id):
    """One class."""
    return jsonify(access.get_class(g.viewer, class_id).as_dict())


@bp.patch("/classes/<int:class_id>")
def change_class(class_id):
    """Change a class; sessions that were opened keep their students."""
    viewer, wanted = access.logged_in(g.viewer), body(ClassChange)
    name = required_name(wanted.name) if wanted.name is not None else None
    row = classes.change_class(viewer, class_id, name=name, student_ids=wanted.student_ids, status=wanted.status)
    return jsonify(row.as_dict())


@bp.get("/sessions")
def list_sessions():
    """My sessions, soonest first."""
    found = repository.list_sessions(access.logged_in(g.viewer), active=http.args.get("active") == "1")
    return jsonify(items=[told for _, told in found], next=None)


@bp.post("/sessions")
def make_session():
    """Plan a live session."""
    viewer, wanted = access.logged_in(g.viewer), body(NewSession)
    planned = wanted.scheduled_at
    if planned is not None and planned.tzinfo is None:
        planned = planned.replace(tzinfo=UTC)
    row = sessions.new_session(
        viewer,
        class_id=wanted.class_id,
        assignment_id=wanted.assignment_id,
        scheduled_at=planned,
        time_limit_minutes=wanted.time_limit_minutes,
    )
    return jsonify(repository.session_dict(row)), 201


@bp.get("/sessions/<int:session_id>")
def read_session(session_id):
    """One session; its participants for those who watch it, one's own entry for a student."""
    row, watches = access.visible_session(g.viewer, session_id)
    if watches:
        access.audit(g.viewer, "participants", scope=f"session:{session_id}")
    mine = [item for item in row.participants if watches or item["student_id"] == g.viewer.user_id]
    told = repository.session_dict(row) | {"participants": mine}
    if not watches:
        told["hand_up"] = find_raised(db.session(), session_id, g.viewer.user_id) is not None
    return jsonify(told)


@bp.post("/sessions/<int:session_id>/<any(open, start, complete, cancel):action>")
def move_session(session_id, action):
    """One of the transitions; repeated, it has no effect."""
    row = sessions.move(g.viewer, access.watchable_session(g.viewer, session_id), action)
    return jsonify(repository.session_dict(row))


@bp.post("/sessions/<int:session_id>/join")
def join(session_id):
    """Enter a session as a student without a socket."""
    row = access.joinable_session(g.viewer, session_id)
    attempt_id, submission_id = sessions.join(g.viewer, row)
    row = db.session.get(SessionModel, session_id)
    return jsonify(attempt_id=attempt_id, submission_id=submission_id, session=repository.session_dict(row))


@bp.post("/sessions/<int:session_id>/leave")
def leave(session_id):
    """Say goodbye."""
    row = access.joinable_session(g.viewer, session_id)
    sessions.leave(g.viewer, row)
    return jsonify(session=repository.session_dict(row))


@bp.post("/sessions/<int:session_id>/help")
def raise_hand(session_id):
    """Raise my hand, with a question or without."""
    row = access.joinable_session(g.viewer, session_id)
    message = (body(Question).message or "").strip() if http.get_data() else ""
    hand = hands.raise_hand(g.viewer, row, message)
    return jsonify(session_id=session_id, message=hand.message, raised_at=iso(hand.raised_at))


@bp.delete("/sessions/<int:session_id>/help")
def lower_hand(session_id):
    """Lower my hand."""
    hands.lower_hand(g.viewer, access.joinable_session(g.viewer, session_id))
    return "", 204
