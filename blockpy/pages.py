"""The site's pages: the first page, the editor, the live room."""

from datetime import datetime

from flask import Blueprint, flash, g, redirect, render_template, request, url_for
from flask_wtf.csrf import generate_csrf
from sqlalchemy import select

from blockpy import numbers
from blockpy.reading import whole_argument
from models import access, live
from models.assignment import Assignment
from models.counters import series
from models.course import Course
from models.db import db, utcnow
from models.errors import Conflict, Invalid, NotLoggedIn
from models.report import Report
from models.submission import Submission
from models.user import LEARNER, STAFF, Role, User, staff_names
from monitoring import sessions
from monitoring.repositories import sql_class_repository as classes
from monitoring.repositories import sql_session_repository as repository
from monitoring.repositories.sql_help_repository import find_raised

bp = Blueprint("pages", __name__)

PAST_SESSIONS = 5
EDITOR_CALLS = {
    "loadAssignment": "load_assignment",
    "saveFile": "save_file",
    "logEvent": "log_event",
    "updateSubmission": "update_submission",
    "updateSubmissionStatus": "update_submission_status",
}


def someone():
    """The viewer; a person who is not logged in is sent to the form."""
    if g.viewer is None:
        raise NotLoggedIn("Log in first.")
    return g.viewer


@bp.get("/")
def home():
    """What is mine, and what is going on right now."""
    viewer = someone()
    roles = db.session.execute(
        select(Role.name, Course.id, Course.name).join(Course).where(Role.user_id == viewer.user_id)
    ).all()
    taught = sorted({course_id for name, course_id, _ in roles if name in STAFF})
    if viewer.is_admin and not roles:
        return redirect(url_for("admin.index"))
    return render_template(
        "pages/home.html",
        assignments=_my_assignments(viewer),
        open_sessions=[_session_line(*found) for found in repository.list_sessions(viewer, active=True)],
        past_sessions=[
            _session_line(row, repository.session_dict(row))
            for row in repository.ended_sessions(viewer, limit=PAST_SESSIONS)
        ],
        classes=_my_classes(viewer),
        startable=_startable(viewer) if taught else [],
        courses=sorted({(course_id, course) for name, course_id, course in roles if name in STAFF}),
        is_parent_only=not roles,
        role_words=", ".join(sorted({course for _, _, course in roles})),
        now=utcnow(),
    )


def _my_assignments(viewer):
    """The exercises of the courses that I learn in, with how far I am."""
    mine = select(Role.course_id).where(Role.user_id == viewer.user_id, Role.name == LEARNER)
    query = (
        select(Assignment, Course, Submission)
        .join(Course, Course.id == Assignment.course_id)
        .outerjoin(Submission, (Submission.assignment_id == Assignment.id) & (Submission.user_id == viewer.user_id))
        .where(Assignment.course_id.in_(mine), Assignment.hidden.is_(False))
        .order_by(Assignment.id)
    )
    return [
        {
            "id": assignment.id,
            "name": assignment.name,
            "course_name": course.name,
            "status": work.status_words if work else "not started",
            "score": float(work.percentage) if work else None,
            "url": url_for("pages.assignment", assignment_id=assignment.id),
        }
        for assignment, course, work in db.session.execute(query)
    ]


def _session_line(row, told):
    return {
        "id": row.id,
        "class_name": told["class_name"],
        "assignment_name": told["assignment_name"],
        "status": row.status,
        "since": row.started_at,
        "planned": row.scheduled_at if row.opens_by_time and row.status == live.SCHEDULED else None,
        "ended": row.completed_at,
        "url": url_for("pages.live_session", session_id=row.id),
    }


def _my_classes(viewer):
    return [
        {
            "id": row.id,
            "name": row.name,
            "student_count": len(row.student_ids),
            "course_name": row.course_id and db.session.get(Course, row.course_id).name,
        }
        for row in classes.list_classes(viewer)
    ]


def _startable(viewer):
    """The classes with the exercises of their courses."""
    lines = []
    for row in classes.list_classes(viewer):
        query = select(Assignment).where(Assignment.course_id == row.course_id).order_by(Assignment.name)
        names = [{"id": item.id, "name": item.name} for item in db.session.scalars(query)]
        if row.status == live.ACTIVE:
            lines.append({"class_id": row.id, "class_name": row.name, "assignments": names})
    return lines


@bp.post("/sessions/start")
def start_session():
    """Plan, open and start a live session in one go, and show its room."""
    viewer = someone()
    row = sessions.new_session(viewer, class_id=_form_number("class_id"), assignment_id=_form_number("assignment_id"))
    for action in ("open", "start"):
        row = sessions.move(viewer, row, action)
    return redirect(url_for("pages.live_session", session_id=row.id))


@bp.get("/sessions/plan")
def plan_page():
    """The form that plans a live session of one of my classes."""
    return _plan_form(access.get_class(someone(), whole_argument("class_id", 0)))


def _plan_form(row, problem=None):
    entry = next((entry for entry in _startable(g.viewer) if entry["class_id"] == row.id), None)
    if entry is None:
        raise Conflict("The class is archived.")
    status = 422 if problem else 200
    return render_template("live/plan.html", entry=entry, problem=problem, given=request.form), status


@bp.post("/sessions/plan")
def plan_session():
    """Plan a live session for a time to come, or open its waiting room now."""
    viewer = someone()
    group = access.get_class(viewer, _form_number("class_id"))
    try:
        row = sessions.new_session(
            viewer,
            class_id=group.id,
            assignment_id=_form_number("assignment_id"),
            scheduled_at=_form_moment("scheduled_at"),
            time_limit_minutes=_form_number("time_limit_minutes", needed=False),
        )
    except Invalid as problem:
        return _plan_form(group, problem)
    if not row.opens_by_time:
        sessions.move(viewer, row, "open")
    return redirect(url_for("pages.live_session", session_id=row.id))


def _form_number(name, *, needed=True):
    text = request.form.get(name, "").strip()
    if not text and not needed:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise Invalid(f"{name} is needed." if needed else f"{name} is a whole number.", field=name)
    return int(text)


def _form_moment(name):
    """A time that the page told with its zone; None where none was given."""
    text = request.form.get(name, "").strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise Invalid(f"{name} is not a time.", field=name) from error
    if moment.tzinfo is None:
        raise Invalid(f"{name} is a time with its zone.", field=name)
    return moment


@bp.get("/courses/<int:course_id>/numbers")
def course_numbers(course_id):
    """A course over time, for its staff."""
    course = access.staffed_course(someone(), course_id)
    period = request.args.get("period", "day")
    if period not in series.READ:
        raise Invalid("Numbers are told by day or by week.", field="period")
    access.audit(g.viewer, "counts", scope=f"course:{course_id}")
    now = utcnow()
    told = numbers.course_numbers(db.session, course, period=period, now=now)
    return render_template("course/numbers.html", course=course, now=now, **told)


@bp.post("/courses/<int:course_id>/numbers")
def keep_report(course_id):
    """Keep a report of a course as it is now, and show the list of them."""
    course = access.staffed_course(someone(), course_id)
    report = Report.new(request.form.get("report_type"), g.viewer.user_id, course.id)
    access.audit(g.viewer, "report", scope=f"course:{course_id}")
    flash(f"Kept: {numbers.REPORT_WORDS[report.report_type]}.")
    return redirect(url_for("pages.course_numbers", course_id=course_id, _anchor="reports"))


@bp.get("/reports/<int:report_id>")
def kept_report(report_id):
    """A report as it was kept; counted as a look at it."""
    report = access.staffed_report(someone(), report_id)
    report.viewed(g.viewer.user_id)
    access.audit(g.viewer, "report", scope=f"report:{report_id}")
    return render_template(
        "course/report.html",
        report=report,
        course=report.course_id and db.session.get(Course, report.course_id),
        kind=numbers.REPORT_WORDS.get(report.report_type, report.report_type),
        table=numbers.report_table(db.session, report),
    )


@bp.get("/assignments/<int:assignment_id>")
def assignment(assignment_id):
    """The editor."""
    row = access.get_assignment(someone(), assignment_id)
    return _editor(row, None)


@bp.get("/sessions/<int:session_id>")
def live_session(session_id):
    """The room for who watches, the editor with its live line for a student."""
    row, watches = access.visible_session(someone(), session_id)
    told = repository.session_dict(row)
    if watches:
        return render_template("live/room.html", page_data=_room_data(row, told))
    told["teacher_name"] = db.session.get(User, row.created_by).name
    told["hand_up"] = find_raised(db.session(), row.id, g.viewer.user_id) is not None
    return _editor(access.own_work_in(g.viewer, row.test_id), told)


@bp.get("/sessions/<int:session_id>/summary")
def session_summary(session_id):
    """What a live session came to, for who watches it."""
    row = access.watchable_session(someone(), session_id)
    access.audit(g.viewer, "summary", scope=f"session:{session_id}")
    return render_template("live/summary.html", page_data=_room_data(row, repository.session_dict(row)))


def _room_data(row, session):
    """What the pages of those who watch begin with; `staff` are the names of those who may be on it."""
    course_id = db.session.get(Assignment, row.test_id).course_id
    return {
        "session_id": row.id,
        "session": session,
        "user_id": g.viewer.user_id,
        "viewer_id": g.viewer.user_id,
        "is_teacher": True,
        "staff": {g.viewer.user_id: g.viewer.name, **staff_names(course_id)},
        "csrf_token": generate_csrf(),
    }


def _editor(row, session):
    page_data = {
        "assignment_id": row.id,
        "course_id": row.course_id,
        "user_id": g.viewer.user_id,
        "user_name": g.viewer.name,
        "csrf_token": generate_csrf(),
        "session": session,
        "urls": {name: f"/blockpy/{path}" for name, path in EDITOR_CALLS.items()},
        "pyodide_url": url_for("static", filename="dist/pyodide/"),
        "worker_url": url_for("static", filename="dist/python.worker.js"),
    }
    return render_template("editor/assignment.html", page_data=page_data, assignment_name=row.name)
