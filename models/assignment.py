"""Assignments, as the editor knows them, and the groups that order them."""

import json

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, mapped_column

from models import ingest
from models.course import Course, required_name
from models.db import UTCDateTime, db, iso, transaction, utcnow
from models.errors import Invalid
from models.events import Event, natural_id

TYPES = ("blockpy", "reading", "quiz", "textbook", "maze", "python", "java", "typescript", "explain")
TYPES += ("explanation", "kettle")


class Assignment(db.Model):
    """One exercise; `on_run` is the grading script that the editor runs after the student's program."""

    __tablename__ = "assignments"
    __table_args__ = (Index("ix_assignments_course_id", "course_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    name: Mapped[str] = mapped_column(String(255))
    url: Mapped[str | None] = mapped_column(String(255))
    type: Mapped[str] = mapped_column(String(32), default="blockpy")
    instructions: Mapped[str] = mapped_column(Text, default="")
    on_run: Mapped[str] = mapped_column(Text, default="")
    on_change: Mapped[str] = mapped_column(Text, default="")
    on_eval: Mapped[str] = mapped_column(Text, default="")
    starting_code: Mapped[str] = mapped_column(Text, default="")
    extra_instructor_files: Mapped[str] = mapped_column(Text, default="")
    extra_starting_files: Mapped[str] = mapped_column(Text, default="")
    settings: Mapped[str] = mapped_column(Text, default="")
    hidden: Mapped[bool] = mapped_column(default=False)
    reviewed: Mapped[bool] = mapped_column(default=False)
    public: Mapped[bool] = mapped_column(default=False)
    subordinate: Mapped[bool] = mapped_column(default=False)
    points: Mapped[int] = mapped_column(default=1)
    ip_ranges: Mapped[str] = mapped_column(Text, default="")
    forked_id: Mapped[int | None] = mapped_column(ForeignKey("assignments.id"))
    forked_version: Mapped[int | None]
    version: Mapped[int] = mapped_column(default=0)
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)
    date_modified: Mapped[object] = mapped_column(UTCDateTime, default=utcnow, onupdate=utcnow)

    @classmethod
    def new(cls, course_id, owner_id, name, *, group_id=None, **fields):
        """Make an assignment, in a group of its course if one is named; the course counts it.

        Raises `Invalid` for a name, type or group that cannot be.
        """
        name = required_name(name)
        if fields.get("type", "blockpy") not in TYPES:
            raise Invalid(f"A type is one of {', '.join(TYPES)}.", field="type")
        with transaction() as session:
            ingest.lock_streams(session, [owner_id])
            assignment = cls(course_id=course_id, owner_id=owner_id, name=name, **fields)
            session.add(assignment)
            session.flush()
            if group_id is not None:
                _put_in_group(session, assignment, group_id)
            ingest.append([_created("assignment_created", assignment, owner_id, {"assignment_group_id": group_id})])
        return assignment

    def as_dict(self):
        """The assignment as `load_assignment` gives it (contract blockpy 2.3)."""
        return {
            "_schema_version": 2,
            "id": self.id,
            "version": self.version,
            "name": self.name,
            "url": self.url,
            "type": self.type,
            "instructions": self.instructions,
            "on_run": self.on_run,
            "on_change": self.on_change,
            "on_eval": self.on_eval,
            "starting_code": self.starting_code,
            "extra_instructor_files": self.extra_instructor_files,
            "extra_starting_files": self.extra_starting_files,
            "settings": self.settings,
            "hidden": self.hidden,
            "reviewed": self.reviewed,
            "public": self.public,
            "subordinate": self.subordinate,
            "points": self.points,
            "ip_ranges": self.ip_ranges,
            "course_id": self.course_id,
            "owner_id": self.owner_id,
            "owner_id__email": "",
            "forked_id": self.forked_id,
            "forked_version": self.forked_version,
            "tags": [],
            "sample_submissions": [],
            "date_created": iso(self.date_created),
            "date_modified": iso(self.date_modified),
        }

    def open_settings(self):
        """The settings that a learner's editor may know: that there is a passcode, so that it asks, but not which."""
        settings = json.loads(self.settings or "{}")
        return json.dumps(settings | {"passcode": "?"}, sort_keys=True) if settings.get("passcode") else self.settings

    def setting(self, name, default=None):
        """One key of `settings`, which is a JSON object as text or empty."""
        return json.loads(self.settings or "{}").get(name, default)


class AssignmentGroup(db.Model):
    """Assignments of a course that belong together, in order."""

    __tablename__ = "assignment_groups"
    __table_args__ = (Index("ix_assignment_groups_course_id", "course_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    name: Mapped[str] = mapped_column(String(255))
    position: Mapped[int] = mapped_column(default=1)
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)

    @classmethod
    def new(cls, course_id, owner_id, name):
        """Make a group in a course; the course counts it."""
        name = required_name(name)
        with transaction() as session:
            ingest.lock_streams(session, [owner_id])
            group = cls(course_id=course_id, name=name, position=_next_position(session, course_id))
            session.add(group)
            session.flush()
            ingest.append([_created("assignment_group_created", group, owner_id, {"assignment_group_id": group.id})])
        return group


class AssignmentGroupMembership(db.Model):
    """One assignment's place in one group."""

    __tablename__ = "assignment_group_memberships"
    __table_args__ = (
        UniqueConstraint("assignment_group_id", "assignment_id"),
        Index("ix_assignment_group_memberships_assignment_id", "assignment_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    assignment_group_id: Mapped[int] = mapped_column(ForeignKey("assignment_groups.id"))
    assignment_id: Mapped[int] = mapped_column(ForeignKey("assignments.id"))
    position: Mapped[int] = mapped_column(default=1)


def group_ids_of(session, assignment_id):
    """The groups that an assignment is in now, ascending."""
    query = select(AssignmentGroupMembership.assignment_group_id).where(
        AssignmentGroupMembership.assignment_id == assignment_id
    )
    return sorted(session.scalars(query))


def _put_in_group(session, assignment, group_id):
    group = session.get(AssignmentGroup, group_id)
    if group is None or group.course_id != assignment.course_id:
        raise Invalid("There is no such group in this course.", field="group_id")
    session.add(AssignmentGroupMembership(assignment_group_id=group_id, assignment_id=assignment.id))
    session.flush()


def _next_position(session, course_id):
    """The place after the last group, read under the course's lock."""
    session.execute(select(Course.id).where(Course.id == course_id).with_for_update(key_share=True))
    last = session.scalar(select(func.max(AssignmentGroup.position)).where(AssignmentGroup.course_id == course_id))
    return (last or 0) + 1


def _created(event_type, row, owner_id, properties):
    assignment_id = row.id if isinstance(row, Assignment) else None
    return Event(
        event_type,
        owner_id,
        natural_id(event_type, row.id),
        course_id=row.course_id,
        assignment_id=assignment_id,
        properties=properties,
    )
