"""What is assigned to whom: the assignments in groups of the courses in which somebody is a learner (S0, X-07).

`assigned_totals` is what each learner's stream has been told. Changes are told as differences under the lock of the
stream, so that they add up whatever the order in which roles and assignments change.
"""

from sqlalchemy import ForeignKey, Index, and_, case, column, func, or_, select, table
from sqlalchemy.orm import Mapped, mapped_column

from models import ingest
from models.db import db, release, transaction, upsert
from models.events import Event, natural_id

LEARNER = "learner"
BATCH = 100
TOTALS = ("assignments", "assignment_groups")

# user.py tells what a change of roles assigns, and these tables' modules stand on it: they are known by name only.
ROLES = table("roles", column("user_id"), column("course_id"), column("name"))
GROUPS = table("assignment_groups", column("id"), column("course_id"))
MEMBERSHIPS = table("assignment_group_memberships", column("assignment_group_id"), column("assignment_id"))


class AssignedTotals(db.Model):
    """How much of one course one learner has been told is assigned."""

    __tablename__ = "assigned_totals"
    __table_args__ = (Index("ix_assigned_totals_course_id", "course_id"),)

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"), primary_key=True)
    assignments: Mapped[int] = mapped_column(default=0)
    assignment_groups: Mapped[int] = mapped_column(default=0)


def follow_roles(session, user_ids, course_id, streams):
    """The `assigned_changed` events of these people in one course, whose locked streams are given as {id: Tail}.

    Their totals are moved with them: append the events in the same transaction.
    """
    offered = _offered(session, course_id)
    learners = _learners(session, user_ids, course_id)
    told = _told(session, user_ids, course_id)
    wanted = {user_id: offered if user_id in learners else (0, 0) for user_id in user_ids}
    changed = {u: w for u, w in sorted(wanted.items()) if w != told.get(u, (0, 0))}
    rows = [{"user_id": u, "course_id": course_id, **dict(zip(TOTALS, w, strict=True))} for u, w in changed.items()]
    upsert(session, AssignedTotals.__table__, rows, keys=["user_id", "course_id"])
    return [_event(u, course_id, told.get(u, (0, 0)), w, streams[u].last_seq) for u, w in changed.items()]


def _offered(session, course_id):
    """How many assignments and groups a course has to offer: what is in no group is not assigned yet."""
    groups = select(func.count()).select_from(GROUPS).where(GROUPS.c.course_id == course_id)
    assignments = (
        select(func.count(MEMBERSHIPS.c.assignment_id.distinct()))
        .join_from(MEMBERSHIPS, GROUPS, GROUPS.c.id == MEMBERSHIPS.c.assignment_group_id)
        .where(GROUPS.c.course_id == course_id)
    )
    return session.scalar(assignments), session.scalar(groups)


def _learners(session, user_ids, course_id):
    query = select(ROLES.c.user_id).where(ROLES.c.course_id == course_id, ROLES.c.name == LEARNER)
    return set(session.scalars(query.where(ROLES.c.user_id.in_(list(user_ids)))))


def _told(session, user_ids, course_id):
    query = select(AssignedTotals.user_id, AssignedTotals.assignments, AssignedTotals.assignment_groups)
    query = query.where(AssignedTotals.course_id == course_id, AssignedTotals.user_id.in_(list(user_ids)))
    return {row.user_id: (row.assignments, row.assignment_groups) for row in session.execute(query)}


def _event(user_id, course_id, was, now, last_seq):
    """The stream's number makes the id: more, less and more again are three events."""
    return Event(
        "assigned_changed",
        user_id,
        natural_id("assigned_changed", user_id, course_id, last_seq, was, now),
        course_id=course_id,
        properties={name: n - w for name, n, w in zip(TOTALS, now, was, strict=True)},
    )


def tell_learners():
    """Bring every learner's stream up to what is assigned now; answers how many were told something."""
    count = 0
    while late := _late():
        release()
        courses = sorted({course_id for _, course_id in late})
        told = sum(_tell_course(c, sorted(user_id for user_id, of in late if of == c)) for c in courses)
        if not told:
            return count
        count += told
    return count


def _tell_course(course_id, user_ids):
    with transaction() as session:
        streams = ingest.lock_streams(session, user_ids)
        events = follow_roles(session, user_ids, course_id, streams)
        ingest.append(events)
    return len(events)


def _late():
    """At most `BATCH` (user_id, course_id) whose stream says something else than what is assigned."""
    offered = (
        select(
            GROUPS.c.course_id,
            func.count(MEMBERSHIPS.c.assignment_id.distinct()).label("assignments"),
            func.count(GROUPS.c.id.distinct()).label("assignment_groups"),
        )
        .outerjoin_from(GROUPS, MEMBERSHIPS, GROUPS.c.id == MEMBERSHIPS.c.assignment_group_id)
        .group_by(GROUPS.c.course_id)
        .subquery()
    )
    learners = select(ROLES.c.user_id, ROLES.c.course_id).where(ROLES.c.name == LEARNER)
    people = learners.union(select(AssignedTotals.user_id, AssignedTotals.course_id)).subquery()
    learner = and_(
        ROLES.c.user_id == people.c.user_id, ROLES.c.course_id == people.c.course_id, ROLES.c.name == LEARNER
    )
    told = and_(AssignedTotals.user_id == people.c.user_id, AssignedTotals.course_id == people.c.course_id)

    def differs(name):
        wanted = case((ROLES.c.user_id.is_(None), 0), else_=func.coalesce(offered.c[name], 0))
        return wanted != func.coalesce(getattr(AssignedTotals, name), 0)

    query = (
        select(people.c.user_id, people.c.course_id)
        .outerjoin(ROLES, learner)
        .outerjoin(offered, offered.c.course_id == people.c.course_id)
        .outerjoin(AssignedTotals, told)
        .where(or_(*(differs(name) for name in TOTALS)))
        .order_by(people.c.course_id, people.c.user_id)
    )
    return [tuple(row) for row in db.session.execute(query.limit(BATCH))]
