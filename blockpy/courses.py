"""`/api/courses`, `/api/assignments`, `/api/submissions`: what is taught and what is worked on."""

from flask import Blueprint, g, jsonify, request
from pydantic import Field
from sqlalchemy import select

from blockpy.reading import Body, RowId, asked_for, body, page_of
from models import access, delivery
from models.assignment import Assignment, AssignmentGroup
from models.course import Course
from models.db import db, iso
from models.submission import Submission
from models.user import Role, User, change_roles

bp = Blueprint("courses", __name__, url_prefix="/api")


HIDDEN_OF_ASSIGNMENT = ("on_", "extra_instructor", "settings", "ip_ranges", "_", "owner_id__")
NOT_TOLD = ("code", "extra_files", "_schema_version", "user_id__email")


class Named(Body):
    """Something that only needs a name."""

    name: str


class RoleChange(Body):
    """A role of people in a course, to give or to take."""

    role: str
    user_ids: list[RowId] = Field(min_length=1, max_length=1000)


class NewAssignment(Body):
    """An exercise to make."""

    name: str
    instructions: str = ""
    starting_code: str = ""
    on_run: str = ""
    group_id: RowId | None = None
    type: str = "blockpy"


def course_dict(course):
    """A course as the API tells it."""
    return {"id": course.id, "name": course.name, "owner_id": course.owner_id, "date_created": iso(course.date_created)}


def assignment_dict(assignment):
    """An assignment as the API tells it to members: nothing that grades, and nothing that guards the entry."""
    told = assignment.as_dict()
    return {name: told[name] for name in told if not name.startswith(HIDDEN_OF_ASSIGNMENT)}


def submission_dict(submission):
    """A submission as the API tells it, without code."""
    told = submission.as_dict()
    return {name: told[name] for name in told if name not in NOT_TOLD}


@bp.get("/courses")
def list_courses():
    """The courses that I am in; all of them for an admin."""
    viewer = access.logged_in(g.viewer)
    query = select(Course)
    if not viewer.is_admin:
        query = query.where(Course.id.in_(select(Role.course_id).where(Role.user_id == viewer.user_id)))
    return jsonify(page_of(query, Course.id, course_dict, db.session))


@bp.post("/courses")
def make_course():
    """Make a course; who makes it is its instructor."""
    viewer = access.course_maker(g.viewer)
    return jsonify(course_dict(Course.new(body(Named).name, viewer.user_id))), 201


@bp.get("/courses/<int:course_id>")
def read_course(course_id):
    """One course."""
    return jsonify(course_dict(access.get_course(g.viewer, course_id)))


@bp.put("/courses/<int:course_id>/roles")
def give_role(course_id):
    """Give a role to people."""
    return _change_role(course_id, add=True)


@bp.delete("/courses/<int:course_id>/roles")
def take_role(course_id):
    """Take a role from people."""
    return _change_role(course_id, add=False)


def _change_role(course_id, *, add):
    course = access.changeable_course(g.viewer, course_id)
    wanted = body(RoleChange)
    ids = sorted(set(wanted.user_ids))
    change_roles(course.id, ids, wanted.role, add=add, actor_id=g.viewer.user_id)
    return jsonify(course_id=course_id, role=wanted.role, user_ids=ids)


@bp.post("/courses/<int:course_id>/groups")
def make_group(course_id):
    """Make a group of assignments."""
    course = access.changeable_course(g.viewer, course_id)
    group = AssignmentGroup.new(course.id, g.viewer.user_id, body(Named).name)
    return jsonify(id=group.id, course_id=group.course_id, name=group.name, position=group.position), 201


@bp.post("/courses/<int:course_id>/assignments")
def make_assignment(course_id):
    """Make an exercise."""
    course = access.changeable_course(g.viewer, course_id)
    wanted = body(NewAssignment).model_dump()
    assignment = Assignment.new(course.id, g.viewer.user_id, wanted.pop("name"), **wanted)
    return jsonify(assignment_dict(assignment)), 201


@bp.get("/courses/<int:course_id>/assignments")
def list_assignments(course_id):
    """The exercises of a course; hidden ones for its staff only."""
    course = access.get_course(g.viewer, course_id)
    query = select(Assignment).where(Assignment.course_id == course.id)
    if not access.is_staff(g.viewer, course_id):
        query = query.where(Assignment.hidden.is_(False))
    return jsonify(page_of(query, Assignment.id, assignment_dict, db.session))


@bp.get("/courses/<int:course_id>/users")
def list_users(course_id):
    """The people of a course and their roles, for its staff."""
    course = access.staffed_course(g.viewer, course_id)
    access.audit(g.viewer, "users", scope=f"course:{course_id}")
    roles = {}
    for role in db.session.scalars(select(Role).where(Role.course_id == course.id).order_by(Role.name)):
        roles.setdefault(role.user_id, []).append(role.name)

    def tell(user):
        return {"id": user.id, "name": user.name, "email": user.email, "roles": roles[user.id]}

    return jsonify(page_of(select(User).where(User.id.in_(roles)), User.id, tell, db.session))


@bp.get("/courses/<int:course_id>/submissions")
def list_submissions(course_id):
    """The submissions of a course, for its staff."""
    access.staffed_course(g.viewer, course_id)
    access.audit(g.viewer, "submissions", scope=f"course:{course_id}")
    query = select(Submission).where(Submission.course_id == course_id)
    query = asked_for(query, Submission.assignment_id, Submission.user_id)
    return jsonify(page_of(query, Submission.id, submission_dict, db.session))


@bp.get("/assignments/<int:assignment_id>")
def read_assignment(assignment_id):
    """One exercise."""
    return jsonify(assignment_dict(access.get_assignment(g.viewer, assignment_id)))


@bp.put("/assignments/<int:assignment_id>/submissions/me")
def my_submission(assignment_id):
    """My work on an exercise, made on the first call."""
    assignment = access.own_work_in(access.logged_in(g.viewer), assignment_id)
    stamp = delivery.stamp(request.environ, g.viewer)
    return jsonify(submission_dict(Submission.from_assignment(assignment, g.viewer.user_id, **stamp)))


@bp.get("/submissions/<int:submission_id>")
def read_submission(submission_id):
    """One submission: one's own, or of a course that one teaches."""
    submission = access.get_submission(g.viewer, submission_id)
    access.audit(g.viewer, "submission", subject_id=submission.user_id, scope=f"submission:{submission_id}")
    return jsonify(submission_dict(submission))
