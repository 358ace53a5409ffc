"""What a recalculation of a scope comes to, step by step: own rows of learners before the rows they share (domain 8).

Steps are read by key, a page at a time, so that a school of any size takes the same memory.
"""

from sqlalchemy import func, literal, select

from models import projections
from models.assignment import Assignment, AssignmentGroup, AssignmentGroupMembership
from models.course import Course
from models.db import db, release
from models.streams import ProjectionHead
from models.submission import Submission
from models.user import Role, User

LEARNERS = 0
SCOPES = ("submission", "assignment", "group", "user", "course", "all")
_TABLES = {
    "submission": Submission,
    "assignment": Assignment,
    "group": AssignmentGroup,
    "user": User,
    "course": Course,
}


def exists(scope, scope_id):
    """Whether there is such a thing to recalculate."""
    return scope == "all" or (0 < scope_id < 2**31 and db.session.get(_TABLES[scope], scope_id) is not None)


def _learner(key, *, dry_run, tick, wrong):
    return projections.recalculate_learner(key, dry_run=dry_run, tick=tick)


def _assignment(key, *, dry_run, tick, wrong):
    theirs = _of_these(wrong, Submission.assignment_id == key)
    return projections.recalculate_shared("assignment_counts", key, dry_run=dry_run, tick=tick, wrong=theirs)


def _group(key, *, dry_run, tick, wrong):
    return projections.recalculate_shared("assignment_group_counts", key, dry_run=dry_run, tick=tick)


def _course(key, *, dry_run, tick, wrong):
    theirs = _of_these(wrong, Submission.course_id == key)
    return projections.recalculate_shared("course_counts", key, dry_run=dry_run, tick=tick, wrong=theirs)


def _reports(key, *, dry_run, tick, wrong):
    return projections.recalculate_reports(key, dry_run=dry_run, tick=tick)


def _of_these(user_ids, works):
    """Those of these learners who have such works."""
    if not user_ids:
        return []
    query = select(Submission.user_id).where(works, Submission.user_id.in_(user_ids)).distinct()
    found = list(db.session.scalars(query))
    release()
    return found


def _phases(scope, scope_id):
    """[(what a step does, query of the keys it is done for)], in the order of domain 8; learners are the first."""
    course_id = _course_of(scope, scope_id)
    return [
        (_learner, _learners(scope, scope_id)),
        (_assignment, _assignments(scope, scope_id)),
        (_group, _groups(scope, scope_id)),
        (_course, _courses(scope, course_id)),
        (_reports, _courses(scope if scope in ("course", "all") else "user", course_id)),
    ]


def _course_of(scope, scope_id):
    if scope in ("course", "user", "all"):
        return scope_id
    return db.session.get(_TABLES[scope], scope_id).course_id


def _learners(scope, scope_id):
    everybody = select(ProjectionHead.user_id.label("key")).where(ProjectionHead.projection == "counts")
    if scope == "all":
        return everybody
    if scope == "user":
        return everybody.where(ProjectionHead.user_id == scope_id)
    works = select(Submission.user_id.label("key"))
    if scope == "course":
        members = select(Role.user_id.label("key")).where(Role.course_id == scope_id)
        return works.where(Submission.course_id == scope_id).union(members)
    column = {"submission": Submission.id, "assignment": Submission.assignment_id}.get(scope)
    return works.where(column == scope_id if column is not None else literal(False)).distinct()


def _assignments(scope, scope_id):
    query = select(Assignment.id.label("key"))
    if scope == "submission":
        return query.where(Assignment.id == db.session.get(Submission, scope_id).assignment_id)
    return _narrowed(query, {"assignment": Assignment.id, "course": Assignment.course_id}, scope, scope_id)


def _groups(scope, scope_id):
    query = select(AssignmentGroup.id.label("key"))
    if scope in ("submission", "assignment"):
        assignment_id = scope_id if scope == "assignment" else db.session.get(Submission, scope_id).assignment_id
        member = AssignmentGroupMembership.assignment_group_id == AssignmentGroup.id
        query = query.join(AssignmentGroupMembership, member)
        return query.where(AssignmentGroupMembership.assignment_id == assignment_id)
    return _narrowed(query, {"group": AssignmentGroup.id, "course": AssignmentGroup.course_id}, scope, scope_id)


def _courses(scope, course_id):
    if scope == "all":
        return select(Course.id.label("key"))
    return select(Course.id.label("key")).where(Course.id == course_id if scope != "user" else literal(False))


def _narrowed(query, columns, scope, scope_id):
    """All of them for `all`, those of the scope by its column, none for another scope."""
    if scope == "all":
        return query
    return query.where(columns[scope] == scope_id if scope in columns else literal(False))


def count_steps(scope, scope_id):
    """How many streams and rows a scope has."""
    keys = [query.subquery() for _, query in _phases(scope, scope_id)]
    total = sum(db.session.scalar(select(func.count()).select_from(key)) for key in keys)
    release()
    return total


def steps(scope, scope_id, *, batch, checkpoint=None):
    """(number of the phase, key, what to do) for each step after the checkpoint; `batch` keys are read at once.

    It is done by `work(key, dry_run=, tick=, wrong=)`: the learners whose own rows a dry run has found wrong.
    """
    phases = _phases(scope, scope_id)
    begun, after = (checkpoint["phase"], checkpoint["after"]) if checkpoint else (0, 0)
    for number, (work, query) in enumerate(phases):
        if number >= begun:
            for key in _keys(query, after if number == begun else 0, batch):
                yield number, key, work


def _keys(query, after, batch):
    keys = query.subquery()
    while True:
        page = select(keys.c.key).where(keys.c.key > after).order_by(keys.c.key).limit(batch)
        found = list(db.session.scalars(page))
        release()
        yield from found
        if len(found) < batch:
            return
        after = found[-1]
