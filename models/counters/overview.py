"""Submissions with their counts as the admin lists them: by key, a page at a time, without a query per row."""

from sqlalchemy import func, or_, select

from models.assignment import Assignment
from models.counters import SubmissionCounts
from models.course import Course
from models.db import db
from models.projections.counts import NAME
from models.streams import ProjectionHead, UserStream
from models.submission import Submission
from models.user import User

PAGE = 50


def submissions_page(text, *, before=None):
    """At most `PAGE` rows (User, Assignment, Course, Submission, counts, behind), newest submission first.

    `text` looks into the names of student, assignment and course; `before` is the id after which to go on.
    Answers (rows, id to go on from or None).
    """
    query = (
        _found(
            select(
                User,
                Assignment,
                Course,
                Submission,
                SubmissionCounts,
                (UserStream.last_seq - ProjectionHead.folded_seq).label("behind"),
            ),
            text,
        )
        .outerjoin(SubmissionCounts, SubmissionCounts.submission_id == Submission.id)
        .outerjoin(UserStream, UserStream.user_id == User.id)
        .outerjoin(ProjectionHead, (ProjectionHead.user_id == User.id) & (ProjectionHead.projection == NAME))
        .order_by(Submission.id.desc())
        .limit(PAGE + 1)
    )
    if before is not None:
        query = query.where(Submission.id < before)
    rows = db.session.execute(query).all()
    return rows[:PAGE], rows[PAGE - 1].Submission.id if len(rows) > PAGE else None


def count_submissions(text):
    """How many submissions a text finds."""
    return db.session.scalar(_found(select(func.count(Submission.id)), text))


def _found(query, text):
    query = (
        query.select_from(Submission)
        .join(User, User.id == Submission.user_id)
        .join(Assignment, Assignment.id == Submission.assignment_id)
        .join(Course, Course.id == Submission.course_id)
    )
    if not text:
        return query
    names = (User.name, Assignment.name, Course.name)
    return query.where(or_(*(name.icontains(text, autoescape=True) for name in names)))
