"""`/api/sessions/...`: what a teacher sees of a live session, and does in it (contract monitoring 2)."""

import csv
import io

from flask import Blueprint, Response, g, jsonify, request
from pydantic import Field

from blockpy.counts import event_dict, newest_events
from blockpy.reading import Body, RowId, body, whole_argument
from models import access
from models.db import db, iso, utcnow
from models.live import AttemptModel
from models.submission import find_submission
from monitoring import frames, hands, hints, histories, marks, summary
from monitoring.highlights import add_highlight

bp = Blueprint("live_room", __name__, url_prefix="/api")

LAST_EVENTS = 200
MOST_MINUTES = 120
MOST_POSITION = 10_000_000
PARTICIPANT = "/sessions/<int:session_id>/students/<int:user_id>"
EXPORTED = [
    "user_id",
    "name",
    "state",
    "work",
    "work_reason",
    "joined_at",
    "last_activity",
    "score",
    "correct",
    "runs",
    "edits",
    "syntax_errors",
    "runtime_errors",
    "failed_instructor_tests",
    "estimated_time_spent",
]


class NewHint(Body):
    """A hint to one student, or to all without `user_id`."""

    user_id: RowId | None = None
    message: str


class Snooze(Body):
    """For how many minutes a need is put off."""

    minutes: int


class NewHighlight(Body):
    """A mark in a program text, with S3's names."""

    text: str = Field(max_length=4000)
    passage_id: str = Field(max_length=255)
    position_start: int = Field(le=MOST_POSITION)
    position_end: int = Field(le=MOST_POSITION)
    color_code: str
    comment: str | None = Field(default=None, max_length=2000)


@bp.get("/sessions/<int:session_id>/snapshot")
def snapshot(session_id):
    """The picture, for clients without sockets."""
    row = access.watchable_session(g.viewer, session_id)
    access.audit(g.viewer, "snapshot", scope=f"session:{session_id}")
    return jsonify(frames.snapshot(row))


def _work_of(session_row, user_id):
    """A participant's work on the session's exercise, or None."""
    course_id = access.get_assignment(g.viewer, session_row.test_id).course_id
    return find_submission(db.session(), session_row.test_id, course_id, user_id)


@bp.get(PARTICIPANT)
def student(session_id, user_id):
    """One student's pane: the code as it is now, the last run and events, the counts, hints, why he is flagged."""
    row = access.watched_student(g.viewer, session_id, user_id)
    access.audit(g.viewer, "pane", subject_id=user_id, scope=f"session:{session_id}")
    shown, work = frames.row(row, user_id), _work_of(row, user_id)
    return jsonify(
        user_id=user_id,
        name=shown["name"],
        row=shown,
        counts=shown["counts"],
        code=work.code if work else "",
        code_version=work.version if work else 0,
        events=[event_dict(event) for event in newest_events(work.id, LAST_EVENTS)] if work else [],
        last_run=histories.last_run(work.id) if work else None,
        hints=hints.list_hints(row, user_id=user_id),
    )


@bp.get(f"{PARTICIPANT}/history")
def student_history(session_id, user_id):
    """What happened in a student's work, oldest first, to scrub through."""
    row = access.watched_student(g.viewer, session_id, user_id)
    access.audit(g.viewer, "pane", subject_id=user_id, scope=f"session:{session_id}")
    work = _work_of(row, user_id)
    items = histories.history(work.id) if work else []
    return jsonify(items=items, codes=len({item["code_state_id"] for item in items if item["code_state_id"]}))


@bp.get(f"{PARTICIPANT}/code")
def student_code(session_id, user_id):
    """Program texts of a student's history."""
    row = access.watched_student(g.viewer, session_id, user_id)
    access.audit(g.viewer, "pane", subject_id=user_id, scope=f"session:{session_id}")
    work = _work_of(row, user_id)
    ids = [item for item in request.args.get("ids", "").split(",") if item]
    return jsonify(items=histories.codes(work.id if work else 0, ids))


def _marked_student(session_id, user_id):
    """A session with a student of whom the answer will tell the whole row: that is a look at him."""
    row = access.watched_student(g.viewer, session_id, user_id)
    access.audit(g.viewer, "pane", subject_id=user_id, scope=f"session:{session_id}")
    return row


@bp.post(f"{PARTICIPANT}/claim")
def claim(session_id, user_id):
    """I am on it."""
    row = _marked_student(session_id, user_id)
    marks.claim(g.viewer, row, user_id)
    return jsonify(frames.row(row, user_id))


@bp.delete(f"{PARTICIPANT}/claim")
def release_claim(session_id, user_id):
    """Nobody is on it any more."""
    row = _marked_student(session_id, user_id)
    marks.release_claim(row, user_id)
    return jsonify(frames.row(row, user_id))


@bp.post(f"{PARTICIPANT}/snooze")
def snooze(session_id, user_id):
    """This can wait some minutes."""
    row = _marked_student(session_id, user_id)
    marks.snooze(row, user_id, body(Snooze).minutes)
    return jsonify(frames.row(row, user_id))


@bp.delete(f"{PARTICIPANT}/help")
def lower_hand(session_id, user_id):
    """The student has been helped: his hand goes down."""
    row = _marked_student(session_id, user_id)
    hands.lower_hand(g.viewer, row, user_id)
    return jsonify(frames.row(row, user_id))


@bp.post("/sessions/<int:session_id>/hints")
def send_hint(session_id):
    """A hint to one student or to all."""
    row, wanted = access.watchable_session(g.viewer, session_id), body(NewHint)
    return jsonify(hints.send(g.viewer, row, wanted.user_id, wanted.message)), 201


@bp.get("/sessions/<int:session_id>/hints")
def list_hints(session_id):
    """The hints of a session: all for who watches, his own for a student."""
    row, watches = access.visible_session(g.viewer, session_id)
    if not watches:
        return jsonify(items=hints.own_hints(row, g.viewer.user_id), next=None)
    access.audit(g.viewer, "hints", scope=f"session:{session_id}")
    return jsonify(items=hints.list_hints(row), next=None)


@bp.get("/sessions/<int:session_id>/activity")
def activity(session_id):
    """What each student did in each of the last minutes."""
    row = access.watchable_session(g.viewer, session_id)
    access.audit(g.viewer, "watch", scope=f"session:{session_id}")
    minutes, now = whole_argument("minutes", 20, least=1, most=MOST_MINUTES), utcnow()
    return jsonify(at=iso(now), minutes=minutes, students=summary.activity(row, minutes, now=now))


@bp.get("/sessions/<int:session_id>/summary")
def read_summary(session_id):
    """What the session came to."""
    row = access.watchable_session(g.viewer, session_id)
    access.audit(g.viewer, "summary", scope=f"session:{session_id}")
    return jsonify(summary.summary(row, now=utcnow()))


@bp.get("/sessions/<int:session_id>/export.csv")
def export(session_id):
    """One line per student."""
    row = access.watchable_session(g.viewer, session_id)
    access.audit(g.viewer, "export", scope=f"session:{session_id}")
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(EXPORTED)
    for line in frames.snapshot(row)["rows"]:
        writer.writerow([_cell({**line, **line["counts"]}[name]) for name in EXPORTED])
    headers = {"Content-Disposition": f'attachment; filename="session-{session_id}.csv"'}
    return Response(text.getvalue(), mimetype="text/csv", headers=headers)


def _cell(value):
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return "" if value is None else value


@bp.post("/attempts/<int:attempt_id>/highlights")
def highlight(attempt_id):
    """Mark a passage of a live attempt's program."""
    attempt, wanted = access.highlightable_attempt(g.viewer, attempt_id), body(NewHighlight)
    add_highlight(g.viewer, attempt, wanted.model_dump())
    return jsonify(db.session.get(AttemptModel, attempt_id, populate_existing=True).as_dict()), 201


@bp.get("/attempts/<int:attempt_id>")
def read_attempt(attempt_id):
    """A live attempt with its highlights."""
    attempt = access.highlightable_attempt(g.viewer, attempt_id)
    access.audit(g.viewer, "attempt", subject_id=attempt.student_id, scope=f"attempt:{attempt_id}")
    return jsonify(attempt.as_dict())
