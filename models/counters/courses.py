"""One course in numbers, as its teachers look at it: totals, gaps by assignment, and what is not counted yet."""

from sqlalchemy import func, select

from models.analytics_events import StudyEvent
from models.assignment import Assignment
from models.counters import AssignmentCounts, CountsDaily, CourseCounts
from models.projections.counts import NAME
from models.streams import ProjectionHead, UserStream


def course_totals(session, course_id):
    """{metric: number} of a course since its beginning; its people as they are now."""
    query = select(CountsDaily.metric, func.sum(CountsDaily.value)).group_by(CountsDaily.metric)
    query = query.where(CountsDaily.entity_type == "course", CountsDaily.entity_id == course_id)
    totals = {metric: int(value) for metric, value in session.execute(query)}
    row = session.get(CourseCounts, course_id)
    names = ("submissions", "assignments", "students")
    return totals | {name: getattr(row, f"total_{name}") if row else 0 for name in names}


def assignment_numbers(session, course_id):
    """[(Assignment, AssignmentCounts or None)] of a course, in the order they were made."""
    query = select(Assignment, AssignmentCounts).where(Assignment.course_id == course_id).order_by(Assignment.id)
    query = query.outerjoin(AssignmentCounts, AssignmentCounts.assignment_id == Assignment.id)
    return session.execute(query).all()


def count_waiting(session, course_id):
    """How many stored events of a course are not counted yet."""
    news = (StudyEvent.user_id == ProjectionHead.user_id) & (StudyEvent.user_seq > ProjectionHead.folded_seq)
    query = (
        select(func.count(StudyEvent.id))
        .join_from(ProjectionHead, UserStream, UserStream.user_id == ProjectionHead.user_id)
        .join(StudyEvent, news)
        .where(ProjectionHead.projection == NAME, ProjectionHead.folded_seq < UserStream.last_seq)
    )
    return session.scalar(query.where(StudyEvent.course_id == course_id))
