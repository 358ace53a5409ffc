"""The BlockPy client's calls, as in its contract: forms in, and out a JSON envelope with `success` and `ip`."""

import ipaddress

from flask import Blueprint, g, jsonify, request

from blockpy import files
from models import access, delivery, ingest
from models.db import db
from models.errors import Invalid, NotFound, NotLoggedIn
from models.events import Event
from models.submission import Submission, is_current, parse_score, record_score, record_status
from monitoring import sessions

bp = Blueprint("editor", __name__, url_prefix="/blockpy")

TRY_AGAIN = (401, 429, 500, 503)
QUIZ_KEYS = ("on_run", "on_change", "on_eval", "extra_instructor_files", "extra_starting_files")


def answer(**values):
    """Success. Without `ip` the client throws an error after every event."""
    return jsonify(success=True, ip=request.remote_addr or "", **values)


def refuse(error):
    """What will never succeed is told by 200 and `success: false`: any other status means "try again" to the client."""
    told = {"success": False, "message": error.message, "ip": request.remote_addr or "", **_field(error)}
    return jsonify(told), error.status if error.status in TRY_AGAIN else 200


def _field(error):
    return {"field": error.field} if error.field else {}


def call(path):
    """Both `/x` and `/x/`, by POST: every call of this client may change something."""

    def register(view):
        bp.add_url_rule(path, view.__name__, view, methods=["POST"])
        bp.add_url_rule(f"{path}/", view.__name__, view, methods=["POST"])
        return view

    return register


def viewer():
    """Who asks; nobody is told by 401, so that the client keeps its events and tries again."""
    if g.viewer is None:
        raise NotLoggedIn("You are logged out. Log in again; your work is kept in this browser.")
    return g.viewer


def stamp():
    """Where this call came from, for its event."""
    return delivery.stamp(request.environ, viewer())


def check_entry(assignment):
    """Refuse a wrong passcode and an address outside the assignment's ranges (contract 1.4); staff may enter."""
    if access.is_staff(viewer(), assignment.course_id):
        return
    passcode = assignment.setting("passcode", "")
    if passcode and request.form.get("passcode", "") != passcode:
        raise Invalid("The passcode is not right.", field="passcode")
    if not address_allowed(assignment.ip_ranges, request.remote_addr):
        raise Invalid("This exercise cannot be opened from here.", field="ip")


def address_allowed(ranges, address):
    """Whether an address may enter: `^` blocks, `!` lifts a block, and what is not listed stays out."""
    entries = [entry.strip() for entry in (ranges or "").split(",") if entry.strip()]
    if not entries:
        return True
    ip = ipaddress.ip_address(address)
    inside = {mark: any(_within(ip, entry[1:]) for entry in entries if entry[0] == mark) for mark in "^!"}
    listed = [entry for entry in entries if entry[0] not in "^!"]
    if inside["^"] and not inside["!"]:
        return False
    return inside["!"] or not listed or any(_within(ip, entry) for entry in listed)


def _within(ip, network):
    try:
        return ip in ipaddress.ip_network(network.strip(), strict=False)
    except ValueError:
        return False


@call("/load_assignment")
def load_assignment():
    """Everything that the editor needs; the submission is made on the first call (contract 2.3)."""
    assignment = access.get_assignment(viewer(), delivery.required_id(request.form, "assignment_id"))
    check_entry(assignment)
    if delivery.optional_int(request.form, "course_id") is None:
        return answer(assignment=_shown(assignment), submission=None)
    owner_id = delivery.optional_int(request.form, "student_id") or delivery.optional_int(request.form, "user_id")
    submission = _submission_for(assignment, owner_id or g.viewer.user_id)
    return answer(assignment=_shown(assignment), submission=submission.as_dict() if submission else None)


def _shown(assignment):
    """The assignment for this viewer: the answer keys of a quiz are for staff (contract 2.3)."""
    told = assignment.as_dict()
    is_staff = access.is_staff(g.viewer, assignment.course_id)
    if not is_staff:
        told |= {"ip_ranges": "", "settings": assignment.open_settings()}
    if (assignment.type == "quiz" and not is_staff) or delivery.flag(request.form, "force_quiz"):
        told |= dict.fromkeys(QUIZ_KEYS, "")
    return told


def _submission_for(assignment, owner_id):
    """The caller's own work, which begins or goes on now; or, for staff, somebody else's to look at."""
    if owner_id != g.viewer.user_id:
        return _foreign_submission(assignment, owner_id)
    if not access.role_names(g.viewer, assignment.course_id):
        return None
    timing = {"client_ms": delivery.client_ms(request.form), "timed": True}
    submission = Submission.from_assignment(assignment, owner_id, **stamp(), **timing)
    # The browser is part of what this event says, so it is part of its id: an updated one begins anew.
    started = _event("Session.Start", submission, f"load_assignment {stamp()['user_agent']}")
    started.properties = {"message": started.user_agent} if started.user_agent else {}
    ingest.append_one(started)
    sessions.join_open(g.viewer, assignment.id)
    return db.session.get(Submission, submission.id, populate_existing=True)


def _foreign_submission(assignment, owner_id):
    """Somebody else's work, for staff of the course; the look is written into his stream."""
    query = db.select(Submission).filter_by(
        assignment_id=assignment.id, course_id=assignment.course_id, user_id=owner_id
    )
    submission = db.session.scalar(query)
    if submission is None or not access.is_staff(g.viewer, assignment.course_id):
        raise NotFound("There is no such submission.")
    access.audit(g.viewer, "code", subject_id=owner_id, scope=f"submission:{submission.id}")
    looked = _event("X-Submission.Get", submission, "load_assignment")
    looked.timed = False
    ingest.append_one(looked)
    return submission


def _event(event_type, submission, endpoint):
    """An event of this call: its id is the whole payload, so that a retry is known."""
    return Event(
        event_type,
        submission.user_id,
        delivery.event_id_of(request.form) or delivery.payload_id(endpoint, g.viewer, request.form),
        submission_id=submission.id,
        client_ms=delivery.client_ms(request.form),
        timed=True,
        **stamp(),
    )


@call("/save_file")
def save_file():
    """One file as it is now: a student's into his submission, an instructor's into the assignment (contract 2.5)."""
    viewer()
    filename = delivery.text_field(request.form, "filename")
    if "code" not in request.form:
        raise Invalid("code is needed.", field="code")
    code = delivery.text_field(request.form, "code")
    if files.is_students(filename):
        version_change, current = _save_students(filename, code)
        return answer(version_change=version_change, current=current)
    assignment = access.changeable_assignment(g.viewer, delivery.required_id(request.form, "assignment_id"))
    files.save_instructor_file(assignment, filename, code)
    return answer(version_change=False)


def _save_students(filename, code):
    """Save a student's file; answers whether the assignment has changed since, and whether this is now his program.

    It is not where a newer one was saved already, on another device or by a clock ahead of this one.
    """
    submission = access.own_submission(g.viewer, delivery.required_id(request.form, "submission_id"))
    assignment = access.get_assignment(g.viewer, submission.assignment_id)
    check_entry(assignment)
    changed = assignment.version > submission.assignment_version
    part_id = delivery.text_field(request.form, "part_id", most=200)
    if part_id.splitlines() not in ([], [part_id]):
        raise Invalid("A part's name is one line.", field="part_id")
    event = _event("File.Edit", submission, "save_file")
    stored = files.save_student_file(submission, event, filename=filename, code=code, part_id=part_id)
    return changed, is_current(submission.id, event, stored, filename=filename, part_id=part_id)


@call("/log_event")
def log_event():
    """Store one editor event (contract 2.7). A retry gets the answer of the first delivery."""
    stored = delivery.take_event(viewer(), request.form, stamp(), endpoint="log_event")
    return answer(log_id=stored.log_id)


@call("/update_submission")
def update_submission():
    """The editor's claim after a graded run: the best score stays, correct once is correct (contract 2.9)."""
    submission = access.own_submission(viewer(), delivery.required_id(request.form, "submission_id"))
    check_entry(access.get_assignment(g.viewer, submission.assignment_id))
    percentage = parse_score(request.form.get("score"))
    correct = delivery.flag(request.form, "correct")
    before = (submission.percentage, submission.correct, submission.submission_status)
    record_score(submission, _event("", submission, "update_submission"), percentage=percentage, correct=correct)
    return _score_answer(submission.id, before)


@call("/update_submission_status")
def update_submission_status():
    """Hand in, or take back."""
    submission = access.own_submission(viewer(), delivery.required_id(request.form, "submission_id"))
    before = (submission.percentage, submission.correct, submission.submission_status)
    event = _event("", submission, "update_submission_status")
    record_status(submission, event, status=request.form.get("status"))
    return _score_answer(submission.id, before)


def _score_answer(submission_id, before):
    row = db.session.get(Submission, submission_id, populate_existing=True)
    changed = (row.percentage, row.correct, row.submission_status) != before
    return answer(
        submitted=True,
        changed=changed,
        correct=row.correct,
        score=row.score,
        message="",
        feedbacks={},
        submission_status=row.submission_status,
        grading_status=row.grading_status,
    )
