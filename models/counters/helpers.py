"""The public helpers of S0: rows that exist when asked for, counters told directly, recalculation from the log.

No code path changes a counter without an event: what a helper is told becomes a server's event in the log, and the fold
counts it at once. So a recalculation afterwards still finds everything. Inside `transaction()` the event joins it and
is counted by the workers after its commit.
"""

import logging
import uuid
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from math import isfinite

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from models import ingest, projections
from models.assignment import Assignment, AssignmentGroup
from models.counters import (
    AssignmentCounts,
    AssignmentGroupCounts,
    CourseCounts,
    ReportCounts,
    SubmissionCounts,
    UserCounts,
)
from models.course import Course
from models.db import db, in_transaction, insert_missing, release, transaction
from models.errors import Invalid, NotFound
from models.events import Event, storable
from models.submission import Submission
from models.user import ROLE_NAMES, User

log = logging.getLogger(__name__)

ERROR_TYPES = ("syntax", "runtime", "instructor_tests")
ACTIVITIES = {"login": "user_login", "edit": "File.Edit"}
MOST_SECONDS = 7 * 24 * 3600
MOST_COUNT = 1_000_000


def ensure_submission_counts(submission_id):
    """The counts of a submission, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(SubmissionCounts, Submission, submission_id)


def ensure_assignment_counts(assignment_id):
    """The counts of an assignment, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(AssignmentCounts, Assignment, assignment_id)


def ensure_assignment_group_counts(assignment_group_id):
    """The counts of a group, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(AssignmentGroupCounts, AssignmentGroup, assignment_group_id)


def ensure_course_counts(course_id):
    """The counts of a course, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(CourseCounts, Course, course_id)


def ensure_user_counts(user_id):
    """The counts of a person, made with zeros where nothing was counted yet. Raises `NotFound`."""
    return _ensure(UserCounts, User, user_id)


def ensure_report_counts(report_type, course_id):
    """The counts of one kind of report in a course, made with zeros where none was made. Raises `NotFound`."""
    return _ensure(ReportCounts, Course, course_id, report_type=_checked_type(report_type))


def update_edit_time(submission_id, time_delta):
    """One more gap between edits, in seconds or as a timedelta; one over the idle cap of 300 s is a break (domain 9.2).

    Answers the submission's counts. Raises `NotFound`, and `Invalid` for what is negative or over a week.
    """
    return _record_gap(submission_id, "edit", time_delta)


def update_attempt_time(submission_id, time_delta):
    """One more gap between attempts; as `update_edit_time`."""
    return _record_gap(submission_id, "attempt", time_delta)


def update_time_spent(submission_id, time_delta):
    """So much more working time, at most the idle cap of 300 s at once; as `update_edit_time`."""
    return _record_gap(submission_id, "spent", time_delta)


def _record_gap(submission_id, kind, time_delta):
    return _tell_work(submission_id, "gap_recorded", kind=kind, ms=_milliseconds(time_delta))


def _milliseconds(time_delta):
    """Whole milliseconds of seconds or of a timedelta; raises `Invalid` for what no gap can be."""
    seconds = time_delta.total_seconds() if isinstance(time_delta, timedelta) else time_delta
    try:
        known = not isinstance(seconds, bool | str) and isfinite(seconds) and 0 <= seconds <= MOST_SECONDS
    except (TypeError, ValueError, OverflowError):
        known = False
    if not known:
        raise Invalid(f"time_delta is a number of seconds from 0 to {MOST_SECONDS}.", field="time_delta")
    return int(Decimal(str(float(seconds))).scaleb(3).quantize(Decimal(1), ROUND_HALF_UP))


def update_run_count(submission_id):
    """One more run, made by no client and so without a time. Answers the submission's counts; raises `NotFound`."""
    return _tell_work(submission_id, "Run.Program")


def update_error_counts(submission_id, error_type, *, count=1):
    """So many more errors of a type: syntax, runtime, instructor_tests (failed cases).

    Answers the submission's counts. Raises `NotFound`, and `Invalid`, which is a `ValueError`, for another type.
    """
    if error_type not in ERROR_TYPES:
        raise Invalid(f"error_type is one of {', '.join(ERROR_TYPES)}.", field="error_type")
    if type(count) is not int or not 0 < count <= MOST_COUNT:
        raise Invalid(f"count is a whole number from 1 to {MOST_COUNT}.", field="count")
    return _tell_work(submission_id, "error_recorded", type=error_type, count=count)


def increment_submission_count(assignment_id, course_id, user_id):
    """One more submission, for its assignment, course and learner together; their newest date moves with it.

    Answers the learner's counts. Raises `NotFound`, and `Invalid` where the assignment is in another course.
    """
    _get(User, user_id)
    assignment, course = _get(Assignment, assignment_id), _get(Course, course_id)
    if assignment.course_id != course.id:
        raise Invalid(f"Assignment {assignment_id} is not in course {course_id}.", field="course_id")
    _tell(Event("Submission.Create", user_id, assignment_id=assignment_id, course_id=course_id), group_ids=[])
    return ensure_user_counts(user_id)


def update_user_activity(user_id, activity_type):
    """A login or an edit now: `last_logged_in` or `last_edited` moves, never backwards.

    Answers the person's counts. Raises `NotFound`, and `Invalid` for another type.
    """
    if activity_type not in tuple(ACTIVITIES):
        raise Invalid(f"activity_type is one of {', '.join(ACTIVITIES)}.", field="activity_type")
    _get(User, user_id)
    _tell(Event(ACTIVITIES[activity_type], user_id))
    return ensure_user_counts(user_id)


def increment_course_assignment_count(course_id):
    """One more assignment in a course, now. Answers the course's counts; raises `NotFound`."""
    return _tell_course(course_id, "assignments")


def increment_course_assignment_group_count(course_id):
    """One more group of assignments in a course. Answers the course's counts; raises `NotFound`."""
    return _tell_course(course_id, "assignment_groups")


def increment_course_user_count(course_id, role):
    """One more person in a course, by role: a learner is a student, an instructor an instructor, others only users.

    Answers the course's counts. Raises `NotFound`, and `Invalid` for an unknown role.
    """
    if role not in ROLE_NAMES:
        raise Invalid(f"role is one of {', '.join(ROLE_NAMES)}.", field="role")
    return _tell_course(course_id, "users", role=role)


def increment_user_assignment_count(user_id):
    """One more assignment for a person. Answers the person's counts; raises `NotFound`."""
    return _assign(user_id, assignments=1, assignment_groups=0)


def increment_user_group_count(user_id):
    """One more group of assignments for a person. Answers the person's counts; raises `NotFound`."""
    return _assign(user_id, assignments=0, assignment_groups=1)


def increment_report_count(report_type, course_id, user_id, *, viewed=False):
    """One more report of a kind, made (or `viewed`) by a person in a course. Answers its counts; raises `NotFound`."""
    report_type = _checked_type(report_type)
    _get(User, user_id), _get(Course, course_id)
    event_type = "report_viewed" if viewed else "report_created"
    _tell(Event(event_type, user_id, course_id=course_id), report_type=report_type)
    return ensure_report_counts(report_type, course_id)


def recalculate_submission_counts_from_logs(submission_id, *, dry_run=False):
    """Rebuild the counts of a submission from the log alone; answers the differences found, [] where it was right.

    Its learner's stream is folded from the start, so that learner's other rows are rebuilt too, and after them the
    shared rows of the submission's assignment and course. Raises `NotFound`.
    """
    submission = _get(Submission, submission_id)
    user_id, assignment_id, course_id = submission.user_id, submission.assignment_id, submission.course_id
    differences = projections.recalculate_learner(user_id, dry_run=dry_run)
    wrong = [user_id] if differences else []
    for table, key in (("assignment_counts", assignment_id), ("course_counts", course_id)):
        differences += projections.recalculate_shared(table, key, dry_run=dry_run, wrong=wrong)
    return differences


def recalculate_user_counts(user_id, *, dry_run=False):
    """Rebuild a person's counts, with those of all their submissions; as above."""
    _get(User, user_id)
    return projections.recalculate_learner(user_id, dry_run=dry_run)


def recalculate_assignment_counts(assignment_id, *, dry_run=False):
    """Rebuild an assignment's counts, after those of every learner who works on it; as above."""
    _get(Assignment, assignment_id)
    return _recalculate("assignment_counts", assignment_id, Submission.assignment_id == assignment_id, dry_run)


def recalculate_course_counts(course_id, *, dry_run=False):
    """Rebuild a course's counts, after those of every learner who works in it; as above."""
    _get(Course, course_id)
    return _recalculate("course_counts", course_id, Submission.course_id == course_id, dry_run)


def recalculate_assignment_group_counts(assignment_group_id, *, dry_run=False):
    """Rebuild a group's counts, which follow from the log alone; as above."""
    _get(AssignmentGroup, assignment_group_id)
    return projections.recalculate_shared("assignment_group_counts", assignment_group_id, dry_run=dry_run)


def recalculate_report_counts(report_type, course_id, *, dry_run=False):
    """Rebuild the counts of one kind of report in a course, which follow from the log alone; as above."""
    _get(Course, course_id)
    return projections.recalculate_shared("report_counts", (_checked_type(report_type), course_id), dry_run=dry_run)


def _recalculate(table, key, works, dry_run):
    learners = select(Submission.user_id).where(works).distinct().order_by(Submission.user_id)
    differences, wrong = [], []
    for user_id in db.session.scalars(learners).all():
        if found := projections.recalculate_learner(user_id, dry_run=dry_run):
            differences += found
            wrong.append(user_id)
    return differences + projections.recalculate_shared(table, key, dry_run=dry_run, wrong=wrong)


def _checked_type(report_type):
    if not isinstance(report_type, str) or not 0 < len(report_type) <= 64 or storable(report_type) != report_type:
        raise Invalid("report_type is a text of 1 to 64 characters.", field="report_type")
    return report_type


def _tell_work(submission_id, event_type, **properties):
    submission = _get(Submission, submission_id)
    _tell(Event(event_type, submission.user_id, submission_id=submission_id), **properties)
    return ensure_submission_counts(submission_id)


def _tell_course(course_id, what, **properties):
    """What concerns a course and nobody in particular stands in its owner's stream."""
    course = _get(Course, course_id)
    _tell(Event("count_recorded", course.owner_id, course_id=course_id), what=what, **properties)
    return ensure_course_counts(course_id)


def _assign(user_id, **numbers):
    _get(User, user_id)
    _tell(Event("assigned_changed", user_id), **numbers)
    return ensure_user_counts(user_id)


def _tell(event, **properties):
    """Store a server's event, and count its learner's stream up to it.

    What is stored is told by no error: who tries again would tell it twice. The workers count it then.
    """
    event.event_id, event.properties = str(uuid.uuid4()), properties
    ingest.append_one(event)
    try:
        if not in_transaction():
            projections.fold_all(user_id=event.user_id)
    except (SQLAlchemyError, projections.BrokenStream) as error:
        log.error("user_id=%s the workers will count what was told: %s", event.user_id, type(error).__name__)


def _get(model, key):
    row = db.session.get(model, key) if _can_be(key) else None
    if row is None:
        name = model.__name__.lower().replace("assignmentgroup", "group")
        raise NotFound(f"There is no {name} {key}.")
    return row


def _can_be(key):
    """Whether a row may have this id: the database must not be asked for what no id is."""
    return type(key) is int and 0 < key < 2**31


def _ensure(model, parent, parent_id, **kind):
    """The row as it is now, whoever has moved it since it was read last."""
    key = {**kind, model.__mapper__.primary_key[-1].key: parent_id}
    release()
    row = db.session.get(model, key, populate_existing=True) if _can_be(parent_id) else None
    if row is None:
        _get(parent, parent_id)
        with transaction() as session:
            insert_missing(session, model.__table__, [key | model.EMPTY], keys=list(key))
        row = db.session.get(model, key)
    return row
