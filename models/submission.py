"""A learner's work on an assignment: opened once, saved often, scored by the editor."""

import json
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.types import JSON

from models import ingest
from models.assignment import Assignment, group_ids_of
from models.db import ExactDecimal, UTCDateTime, db, iso, to_ms, utcnow
from models.errors import Invalid, TooLarge
from models.events import Event, natural_id

ANSWER_FILE = "answer.py"
EXTRA_FILES = "#extra_student_files.blockpy"
STUDENT_FILES = (ANSWER_FILE, EXTRA_FILES)
MOST_CODE_BYTES = 750 * 1024
FULL_MARKS = Decimal(100)

INITIALIZED, IN_PROGRESS, SUBMITTED, COMPLETED = "Initialized", "inProgress", "Submitted", "Completed"
NOT_READY, PENDING, FULLY_GRADED = "NotReady", "Pending", "FullyGraded"
# By this a page tells work that its learner has handed in from a run that scored: both are Submitted (blockpy 2.9).
PENDING_MANUAL = "PendingManual"
HANDED_IN = (SUBMITTED, COMPLETED)
WORDS = {INITIALIZED: "not started", IN_PROGRESS: "in progress", SUBMITTED: "submitted", COMPLETED: "complete"}
SCORED_WORDS = "not complete yet"


class Submission(db.Model):
    """One learner's work on one assignment in one course."""

    __tablename__ = "submissions"
    __table_args__ = (
        UniqueConstraint("assignment_id", "course_id", "user_id"),
        Index("ix_submissions_user_id", "user_id"),
        Index("ix_submissions_course_id", "course_id", "assignment_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    code: Mapped[str] = mapped_column(Text, default="")
    extra_files: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[int] = mapped_column(default=0)
    assignment_version: Mapped[int] = mapped_column(default=0)
    saved_ms: Mapped[dict] = mapped_column(JSON, default=dict)
    percentage: Mapped[Decimal] = mapped_column(ExactDecimal(7, 4), default=Decimal(0))
    correct: Mapped[bool] = mapped_column(default=False)
    is_graded: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    submission_status: Mapped[str] = mapped_column(String(32), default=INITIALIZED)
    grading_status: Mapped[str] = mapped_column(String(32), default=NOT_READY)
    feedback: Mapped[str] = mapped_column(Text, default="")
    url: Mapped[str] = mapped_column(String(255), default="")
    endpoint: Mapped[str] = mapped_column(Text, default="")
    time_limit: Mapped[str] = mapped_column(String(32), default="")
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)
    date_modified: Mapped[object] = mapped_column(UTCDateTime, default=utcnow, onupdate=utcnow)
    date_started: Mapped[object | None] = mapped_column(UTCDateTime)
    date_submitted: Mapped[object | None] = mapped_column(UTCDateTime)
    date_graded: Mapped[object | None] = mapped_column(UTCDateTime)
    date_due: Mapped[object | None] = mapped_column(UTCDateTime)
    date_locked: Mapped[object | None] = mapped_column(UTCDateTime)

    @classmethod
    def from_assignment(cls, assignment, user_id, **stamp):
        """The learner's work on an assignment in its course, made on the first call and counted once.

        `stamp` goes into the events: who asked, from where and, where a client did, `timed` and its clock.
        """
        found = find_submission(db.session(), assignment.id, assignment.course_id, user_id)
        if found is None:
            _open(assignment, user_id, stamp)
            found = find_submission(db.session(), assignment.id, assignment.course_id, user_id)
        return found

    @property
    def status_words(self):
        """Where the work stands, for people: a run that scored is no handing-in."""
        if self.submission_status == SUBMITTED and self.grading_status == PENDING:
            return SCORED_WORDS
        return WORDS.get(self.submission_status, self.submission_status)

    @property
    def score(self):
        """The best score so far, 0.0 to 1.0."""
        return float(self.percentage / 100)

    def as_dict(self):
        """The submission as `load_assignment` gives it (contract blockpy 2.3)."""
        return {
            "_schema_version": 3,
            "id": self.id,
            "code": self.code,
            "version": self.version,
            "score": self.score,
            "correct": self.correct,
            "course_id": self.course_id,
            "user_id": self.user_id,
            "user_id__email": "",
            "assignment_id": self.assignment_id,
            "assignment_version": self.assignment_version,
            "extra_files": self.extra_files,
            "submission_status": self.submission_status,
            "grading_status": self.grading_status,
            "attempts": self.attempts,
            "url": self.url,
            "endpoint": self.endpoint,
            "feedback": self.feedback,
            "time_limit": self.time_limit,
            **{f"date_{name}": iso(getattr(self, f"date_{name}")) or "" for name in _DATES},
        }


_DATES = ("created", "modified", "started", "submitted", "graded", "due", "locked")


class CodeState(db.Model):
    """A program text under its content's address; events refer to it, they never carry code."""

    __tablename__ = "code_states"

    id: Mapped[str] = mapped_column(String(64), primary_key=True)
    code: Mapped[str] = mapped_column(Text)


def find_submission(session, assignment_id, course_id, user_id):
    """The learner's submission, or None."""
    return session.scalar(
        select(Submission).filter_by(assignment_id=assignment_id, course_id=course_id, user_id=user_id)
    )


def _open(assignment, user_id, stamp):
    """Make the submission with its two events; the second of two tabs finds the first one's."""
    place = (assignment.id, assignment.course_id, user_id)
    starting = {"code": assignment.starting_code, "extra_files": assignment.extra_starting_files}
    row = dict(zip(("assignment_id", "course_id", "user_id"), place, strict=True), **starting)
    row["assignment_version"] = assignment.version
    created = Event("Submission.Create", user_id, natural_id("Submission.Create", *place), **stamp)
    started = Event("File.Create", user_id, natural_id("File.Create", *place), code=starting["code"], **stamp)
    started.properties = {"file_path": ANSWER_FILE}

    def write(session):
        submission = Submission(**row)
        session.add(submission)
        session.flush()
        created.submission_id = started.submission_id = submission.id
        created.properties = {"group_ids": group_ids_of(session, submission.assignment_id)}

    ingest.append([created, started], write=write)


def check_size(code):
    """Raise `TooLarge` for a program text over 750 KiB."""
    if len(code.encode()) > MOST_CODE_BYTES:
        raise TooLarge("A file may have at most 750 KiB.", field="code")


def save_file(submission, event, *, filename, code, part_id=None):
    """Store one save of a student's file with its `File.Edit` event; answers the event's `Answer`.

    A save with an older client clock than the newest one applied to that file (a replay of an unsent save) is kept
    as history and does not become current. A byte-identical retry changes nothing.
    """
    check_size(code)
    event.submission_id, event.code = submission.id, code
    event.properties = {"file_path": f"{filename}#{part_id}" if part_id else filename}

    def write(session):
        row = _locked(session, submission.id)
        event.properties.pop("stale", None)
        key = event.properties["file_path"]
        saved_ms = save_moment(event.client_ms, to_ms(utcnow()))
        row.version += 1
        event.properties["submission_version"] = row.version
        if saved_ms < newest_save(row.saved_ms, filename, part_id):
            event.properties["stale"] = True
            return
        row.saved_ms = {**row.saved_ms, key: saved_ms}
        _apply(row, filename, code, part_id)

    return ingest.append_one(event, write=write)


def is_current(submission_id, event, stored, *, filename, part_id=None):
    """Whether a save is the text now, as `save_file` answered it; of a retry that is asked of what was saved since."""
    if stored.status == ingest.STORED:
        return "stale" not in event.properties
    row = db.session.get(Submission, submission_id, populate_existing=True)
    return event.client_ms is None or event.client_ms >= newest_save(row.saved_ms, filename, part_id)


def save_moment(client_ms, now_ms):
    """The clock by which saves of one file are ordered: the client's, or the arrival where that is missing or ahead."""
    return client_ms if client_ms is not None and 0 <= client_ms <= now_ms else now_ms


def newest_save(saved_ms, filename, part_id):
    """The clock of the newest save that touched the same text: a region and its whole file overlap, two regions not."""
    if part_id:
        touched = [filename, f"{filename}#{part_id}"]
    else:
        touched = [key for key in saved_ms if key == filename or key.startswith(f"{filename}#")]
    return max((saved_ms[key] for key in touched if key in saved_ms), default=0)


def _locked(session, submission_id):
    """The row as it is now: the learner's stream is locked, so nobody else writes it."""
    query = select(Submission).where(Submission.id == submission_id).with_for_update(key_share=True)
    return session.scalar(query.execution_options(populate_existing=True))


def _apply(row, filename, code, part_id):
    if row.submission_status == INITIALIZED:
        row.submission_status = IN_PROGRESS
    if filename == EXTRA_FILES:
        row.extra_files = checked_files(code)
    else:
        row.code = replace_part(row.code, part_id, code) if part_id else code
        check_size(row.code)


def checked_files(text):
    """The text of a bundle of files: a JSON object of name to contents, or empty; raises `Invalid` otherwise."""
    try:
        files = json.loads(text or "{}")
    except (ValueError, RecursionError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(content, str) for content in files.values()):
        raise Invalid("A bundle of files is a JSON object of names and texts.", field="code")
    return text


def replace_part(whole, part_id, text):
    """Replace the region below the line `##### Part <id>`, up to the next such line; append it where it is missing."""
    heading = f"##### Part {part_id}"
    lines = whole.split("\n")
    if heading not in lines:
        return "\n".join(part for part in (whole, heading, text) if part)
    start = lines.index(heading) + 1
    end = next((i for i in range(start, len(lines)) if lines[i].startswith("##### Part ")), len(lines))
    return "\n".join([*lines[:start], *text.split("\n"), *lines[end:]])


def parse_score(text):
    """A claimed score as a percentage 0 to 100: NaN and nothing are 0, above 1 it is percent already (G3)."""
    try:
        value = Decimal(str(text or 0).strip() or "0")
    except ArithmeticError:
        raise Invalid("A score is a number.", field="score") from None
    if not value.is_finite():
        return Decimal(0)
    value = value if value > 1 else max(value, Decimal(0)) * 100
    return min(value, FULL_MARKS).quantize(Decimal("0.0001"))


def record_score(submission, event, *, percentage, correct):
    """Take the editor's claim after a graded run: the best score is kept, correct once is correct (blockpy 2.9).

    Answers the event's `Answer`; `Submit` and `submission_graded` follow in the stream where they are due.
    """
    event.event_type, event.submission_id = "X-Submission.Update", submission.id
    event.properties = {"percentage": str(percentage), "correct": correct}

    def write(session):
        row = _locked(session, submission.id)
        before, status = row.percentage, row.submission_status
        row.attempts += 1
        if percentage or correct:
            row.correct = row.correct or correct
            row.percentage = FULL_MARKS if row.correct else max(before, percentage)
            reviewed = session.get(Assignment, row.assignment_id).reviewed
            row.submission_status, row.grading_status = _status_after(row, reviewed)
        return _moved(row, event, before, status)

    return ingest.append_one(event, write=write)


def record_status(submission, event, *, status):
    """Hand in, or take back; answers the event's `Answer`."""
    wanted = {SUBMITTED.lower(): SUBMITTED, IN_PROGRESS.lower(): IN_PROGRESS}.get((status or "").lower())
    if wanted is None:
        raise Invalid("A status is Submitted or inProgress.", field="status")
    event.event_type, event.submission_id = "X-Submission.Status", submission.id
    event.properties = {"status": wanted}

    def write(session):
        row = _locked(session, submission.id)
        before = row.submission_status
        if not (row.correct and wanted == SUBMITTED and before == COMPLETED):
            row.submission_status = COMPLETED if row.correct and wanted == SUBMITTED else wanted
            row.grading_status = FULLY_GRADED if row.correct else PENDING_MANUAL if wanted == SUBMITTED else NOT_READY
        return _moved(row, event, row.percentage, before)

    return ingest.append_one(event, write=write)


def _status_after(row, reviewed):
    if reviewed:
        return IN_PROGRESS, NOT_READY
    if row.correct:
        return COMPLETED, FULLY_GRADED
    return SUBMITTED, (PENDING_MANUAL if row.grading_status == PENDING_MANUAL else PENDING)


def _moved(row, cause, percentage_before, status_before):
    """The events that a change of score or status makes, and the dates that go with them."""
    now = utcnow()
    followers = []
    if row.submission_status in HANDED_IN and row.submission_status != status_before:
        row.date_submitted = now
        row.is_graded = True
        said = {"status": row.submission_status, "percentage": str(row.percentage)}
        followers.append(_follow(cause, "Submit", said))
    if row.percentage != percentage_before:
        row.date_graded = now
        said = {"percentage": str(row.percentage), "previous": str(percentage_before)}
        followers.append(_follow(cause, "submission_graded", said))
    return followers


def _follow(cause, event_type, properties):
    return Event(
        event_type,
        cause.user_id,
        natural_id(cause.event_id, event_type),
        actor_id=cause.actor_id,
        submission_id=cause.submission_id,
        client_ms=cause.client_ms,
        timed=cause.timed,
        properties=properties,
        session_id=cause.session_id,
        ip_address=cause.ip_address,
        user_agent=cause.user_agent,
    )
