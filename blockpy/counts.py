"""`/api/events`, counts and recalculations: the log and what follows from it."""

from flask import Blueprint, g, jsonify, request
from pydantic import Field
from sqlalchemy import func, select

from blockpy.reading import Body, RowId, asked_for, body, page_of, whole_argument
from models import access, delivery, projections
from models.analytics_events import StudyEvent
from models.counters import SubmissionCounts, helpers
from models.db import db, iso
from models.projections.counts import NAME
from models.streams import ProjectionHead, UserStream
from models.submission import Submission
from workers import recalculation
from workers.scopes import SCOPES

bp = Blueprint("counts", __name__, url_prefix="/api")

MOST_EVENTS = 500


class Events(Body):
    """A batch of events, each with the fields of log_event."""

    events: list[dict] = Field(min_length=1, max_length=MOST_EVENTS)


class Recalculation(Body):
    """What to recalculate."""

    scope: str
    id: RowId | None = None
    dry_run: bool = False


@bp.post("/events")
def store_events():
    """Store a batch; answered after the commit, with a result for each event."""
    viewer = access.logged_in(g.viewer)
    events = body(Events).events
    return jsonify(results=delivery.take_batch(viewer, events, delivery.stamp(request.environ, viewer)))


@bp.get("/submissions/<int:submission_id>/counts")
def submission_counts(submission_id):
    """The counts of one submission, and how many of its learner's events are not counted yet."""
    submission = access.get_submission(g.viewer, submission_id)
    access.audit(g.viewer, "counts", subject_id=submission.user_id, scope=f"submission:{submission_id}")
    _freshen(submission.user_id)
    row = helpers.ensure_submission_counts(submission_id)
    return jsonify(row.as_dict() | {"behind": _behind([submission.user_id])})


@bp.get("/users/<int:user_id>/counts")
def user_counts(user_id):
    """The counts of one person: one's own, or any for an admin."""
    user = access.readable_user(g.viewer, user_id)
    access.audit(g.viewer, "counts", subject_id=user.id)
    _freshen(user_id)
    return jsonify(helpers.ensure_user_counts(user_id).as_dict() | {"behind": _behind([user_id])})


@bp.get("/assignments/<int:assignment_id>/counts")
def assignment_counts(assignment_id):
    """The counts of one assignment, for staff."""
    assignment = access.get_assignment(g.viewer, assignment_id)
    access.staffed_course(g.viewer, assignment.course_id)
    learners = db.session.scalars(select(Submission.user_id).where(Submission.assignment_id == assignment_id)).all()
    _freshen(*learners)
    return jsonify(helpers.ensure_assignment_counts(assignment_id).as_dict() | {"behind": _behind(learners)})


@bp.get("/groups/<int:group_id>/counts")
def group_counts(group_id):
    """The counts of one group of assignments, for staff."""
    group = access.staffed_group(g.viewer, group_id)
    learners = _behind_in(group.course_id)
    _freshen(*learners)
    return jsonify(helpers.ensure_assignment_group_counts(group_id).as_dict() | {"behind": _behind(learners)})


@bp.get("/courses/<int:course_id>/counts")
def course_counts(course_id):
    """The counts of one course, for staff."""
    access.staffed_course(g.viewer, course_id)
    learners = _behind_in(course_id)
    _freshen(*learners)
    return jsonify(helpers.ensure_course_counts(course_id).as_dict() | {"behind": _behind(learners)})


@bp.get("/courses/<int:course_id>/submission_counts")
def list_submission_counts(course_id):
    """The counts of a course's submissions, for staff."""
    access.staffed_course(g.viewer, course_id)
    access.audit(g.viewer, "counts", scope=f"course:{course_id}")
    query = select(SubmissionCounts).join(Submission, Submission.id == SubmissionCounts.submission_id)
    query = asked_for(query.where(Submission.course_id == course_id), Submission.assignment_id, Submission.user_id)
    return jsonify(page_of(query, SubmissionCounts.submission_id, SubmissionCounts.as_dict, db.session))


def _freshen(*user_ids):
    """With `?fresh=1` an answer has everything that is stored: fold these learners' streams first."""
    if request.args.get("fresh") == "1":
        for user_id in sorted(set(user_ids)):
            projections.fold_all(user_id=user_id)


def _behind_in(course_id):
    """Whose streams have events of this course that are not counted yet: its people, not only those with work."""
    news = (StudyEvent.user_id == UserStream.user_id) & (StudyEvent.user_seq > ProjectionHead.folded_seq)
    query = (
        select(UserStream.user_id)
        .join(ProjectionHead, ProjectionHead.user_id == UserStream.user_id)
        .where(ProjectionHead.projection == NAME, ProjectionHead.folded_seq < UserStream.last_seq)
        .where(select(StudyEvent.id).where(news, StudyEvent.course_id == course_id).exists())
    )
    return db.session.scalars(query).all()


def _behind(user_ids):
    """How many stored events of these learners are not counted yet."""
    query = (
        select(func.sum(UserStream.last_seq - ProjectionHead.folded_seq))
        .join(ProjectionHead, ProjectionHead.user_id == UserStream.user_id)
        .where(ProjectionHead.projection == NAME, UserStream.user_id.in_(user_ids))
    )
    return int(db.session.scalar(query) or 0)


@bp.get("/submissions/<int:submission_id>/events")
def submission_events(submission_id):
    """The newest events of one submission."""
    submission = access.get_submission(g.viewer, submission_id)
    access.audit(g.viewer, "events", subject_id=submission.user_id, scope=f"submission:{submission_id}")
    limit = whole_argument("limit", 50, least=1, most=500)
    return jsonify(items=[event_dict(event) for event in newest_events(submission_id, limit)], next=None)


def newest_events(submission_id, limit):
    """The newest events of a submission, newest first."""
    query = select(StudyEvent).where(StudyEvent.submission_id == submission_id)
    return db.session.scalars(query.order_by(StudyEvent.user_seq.desc()).limit(limit)).all()


def event_dict(event):
    """An event as the API tells it, without what is only kept for repair."""
    told = {name: event.properties.get(name, "") for name in ("category", "label", "message", "file_path")}
    return told | {
        "log_id": event.id,
        "event_id": event.event_id,
        "event_type": event.event_type,
        "user_seq": event.user_seq,
        "occurred_at": iso(event.occurred_at),
        "created_at": iso(event.created_at),
        "code_state_id": event.properties.get("code_state_id"),
    }


@bp.post("/recalculations")
def make_recalculation():
    """Ask for a recalculation; the same scope waiting already is answered with the waiting one."""
    viewer, wanted = access.logged_in(g.viewer), body(Recalculation)
    if wanted.scope == "all" or (wanted.scope in SCOPES and wanted.id is not None):
        access.recalculable(viewer, wanted.scope, wanted.id)
    run = recalculation.request_recalculation(
        scope=wanted.scope, scope_id=wanted.id, dry_run=wanted.dry_run, requested_by=viewer.user_id
    )
    return jsonify(access.told_recalculation(viewer, run)), 202


@bp.get("/recalculations/<int:run_id>")
def read_recalculation(run_id):
    """How far a recalculation is, and what it found."""
    return jsonify(access.told_recalculation(g.viewer, access.get_recalculation(g.viewer, run_id)))


@bp.delete("/recalculations/<int:run_id>")
def cancel_recalculation(run_id):
    """Stop a recalculation before its next step."""
    run = recalculation.cancel_recalculation(access.get_recalculation(g.viewer, run_id))
    return jsonify(access.told_recalculation(g.viewer, run))
