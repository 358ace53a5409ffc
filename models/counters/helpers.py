"""The public helpers of S0: rows that exist when they are asked for, and recalculation from the log."""

from sqlalchemy import select

from models import projections
from models.counters import AssignmentCounts, CourseCounts, SubmissionCounts, UserCounts
from models.db import db, insert_missing, transaction
from models.errors import NotFound
from models.submission import Submission


def ensure_submission_counts(submission_id):
    """The counts of a submission, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(SubmissionCounts, "submission_id", submission_id, _histograms())


def ensure_assignment_counts(assignment_id):
    """The counts of an assignment, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(AssignmentCounts, "assignment_id", assignment_id, _histograms())


def ensure_course_counts(course_id):
    """The counts of a course, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(CourseCounts, "course_id", course_id, {})


def ensure_user_counts(user_id):
    """The counts of a person, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(UserCounts, "user_id", user_id, {})


def recalculate_submission_counts_from_logs(submission_id, *, dry_run=False):
    """Rebuild the counts of a submission from the log alone; answers the differences found, [] where it was right.

    Its learner's stream is folded from the start, so that learner's other rows are rebuilt too, and after them the
    shared rows of the submission's assignment and course. Raises `NotFound`.
    """
    submission = db.session.get(Submission, submission_id)
    if submission is None:
        raise NotFound("There is no such submission.")
    user_id, assignment_id, course_id = submission.user_id, submission.assignment_id, submission.course_id
    differences = projections.recalculate_learner(user_id, dry_run=dry_run)
    differences += projections.recalculate_shared("assignment_counts", assignment_id, dry_run=dry_run)
    return differences + projections.recalculate_shared("course_counts", course_id, dry_run=dry_run)


def _histograms():
    return {"edit_hist": {}, "attempt_hist": {}}


def _ensure(model, key_name, key, empty):
    row = db.session.get(model, key)
    if row is None:
        with transaction() as session:
            _refuse_unknown(session, model, key_name, key)
            insert_missing(session, model.__table__, [{key_name: key, **empty}], keys=[key_name])
        row = db.session.get(model, key)
    return row


def _refuse_unknown(session, model, key_name, key):
    """Counts belong to something: its table is the one that the key's name tells."""
    tables = model.metadata.tables
    parent = tables[{"user_id": "users", "submission_id": "submissions"}.get(key_name, key_name.replace("_id", "s"))]
    if session.scalar(select(parent.c.id).where(parent.c.id == key)) is None:
        raise NotFound(f"There is no {key_name.replace('_id', '')} {key}.")
