"""`/api/.../series` and `/api/reports`: numbers over time, and reports that a teacher keeps of them."""

import csv
import io

from flask import Blueprint, Response, g, jsonify, request

from blockpy.reading import Body, body, whole_argument
from models import access
from models.counters import series
from models.db import db, utcnow
from models.errors import Invalid
from models.report import Report, list_reports

bp = Blueprint("series", __name__, url_prefix="/api")

DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


class Wanted(Body):
    """What report to make."""

    report_type: str


@bp.get("/submissions/<int:submission_id>/series")
def submission_series(submission_id):
    """One submission by day or week, for its owner and staff."""
    submission = access.get_submission(g.viewer, submission_id)
    access.audit(g.viewer, "counts", subject_id=submission.user_id, scope=f"submission:{submission_id}")
    return _series("submission", submission_id)


@bp.get("/users/<int:user_id>/series")
def user_series(user_id):
    """One person by day or week: one's own, or any for an admin."""
    user = access.readable_user(g.viewer, user_id)
    access.audit(g.viewer, "counts", subject_id=user.id)
    return _series("user", user_id)


@bp.get("/assignments/<int:assignment_id>/series")
def assignment_series(assignment_id):
    """One assignment by day or week, for staff."""
    access.staffed_course(g.viewer, access.get_assignment(g.viewer, assignment_id).course_id)
    return _series("assignment", assignment_id)


@bp.get("/groups/<int:group_id>/series")
def group_series(group_id):
    """One group of assignments by day or week, for staff."""
    access.staffed_group(g.viewer, group_id)
    return _series("assignment_group", group_id)


@bp.get("/courses/<int:course_id>/series")
def course_series(course_id):
    """One course by day or week, for staff."""
    access.staffed_course(g.viewer, course_id)
    return _series("course", course_id)


def _series(entity_type, entity_id):
    """`{"period", "from", "to", "items": [{"date", metric: number, ...}]}`; days without anything are left out."""
    period = request.args.get("period", "day")
    if period not in series.READ:
        raise Invalid(f"period is one of {', '.join(series.READ)}.", field="period")
    first, last = series.wanted_days(request.args.get("from"), request.args.get("to"), today=utcnow().date())
    found = series.READ[period](db.session, entity_type, entity_id, first=first, last=last)
    items = [{"date": day.isoformat()} | numbers for day, numbers in found]
    return jsonify(period=period, to=last.isoformat(), items=items, **{"from": first.isoformat()})


@bp.post("/courses/<int:course_id>/reports")
def make_report(course_id):
    """Make a report of a course as it is now, for staff."""
    course = access.staffed_course(g.viewer, course_id)
    report = Report.new(body(Wanted).report_type, g.viewer.user_id, course.id)
    access.audit(g.viewer, "report", scope=f"course:{course_id}")
    return jsonify(report.as_dict()), 201


@bp.get("/courses/<int:course_id>/reports")
def course_reports(course_id):
    """The newest reports of a course, for staff."""
    access.staffed_course(g.viewer, course_id)
    limit = whole_argument("limit", 50, least=1, most=500)
    return jsonify(items=[report.as_dict() for report in list_reports(course_id, most=limit)], next=None)


@bp.get("/reports/<int:report_id>")
def read_report(report_id):
    """A report with what it said when it was made; `?format=csv` as a file. Counted as a look at it."""
    report = access.staffed_report(g.viewer, report_id)
    wanted = request.args.get("format", "json")
    if wanted not in ("json", "csv"):
        raise Invalid("format is json or csv.", field="format")
    report.viewed(g.viewer.user_id)
    access.audit(g.viewer, "report", scope=f"report:{report_id}")
    return _file(report) if wanted == "csv" else jsonify(report.as_dict() | {"content": report.told()})


def _file(report):
    told = io.StringIO()
    writer = csv.writer(told)
    content = report.told()
    writer.writerow(content["columns"])
    writer.writerows([[_harmless(value) for value in row] for row in content["rows"]])
    name = f"{report.report_type}-{report.date_created:%Y-%m-%d}-{report.id}.csv"
    return Response(
        told.getvalue(), mimetype="text/csv", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _harmless(value):
    """A text that a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(DANGEROUS) else value
