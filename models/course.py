"""The ground around assignments: courses and their people, lessons with what they hold."""

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from models import ingest
from models.db import UTCDateTime, db, transaction, utcnow
from models.errors import Invalid
from models.events import Event, natural_id
from models.user import INSTRUCTOR, set_roles


class Course(db.Model):
    """A course: its people have roles in it, its assignments belong to it."""

    __tablename__ = "courses"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(255))
    owner_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    date_created: Mapped[object] = mapped_column(UTCDateTime, default=utcnow)

    @classmethod
    def new(cls, name, owner_id):
        """Make a course; its maker becomes its instructor and is counted as one."""
        name = required_name(name)
        with transaction() as session:
            ingest.lock_streams(session, [owner_id])
            course = cls(name=name, owner_id=owner_id)
            session.add(course)
            session.flush()
            made = Event("course_created", owner_id, natural_id("course_created", course.id), course_id=course.id)
            ingest.append([made])
            set_roles({owner_id: {INSTRUCTOR}}, course.id, actor_id=owner_id)
        return course


class Lesson(db.Model):
    """A part of a course, in order; assessments and materials belong to it."""

    __tablename__ = "lessons"
    __table_args__ = (Index("ix_lessons_course_id", "course_id", "position"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    course_id: Mapped[int] = mapped_column(ForeignKey("courses.id"))
    title: Mapped[str] = mapped_column(String(255))
    position: Mapped[int] = mapped_column(default=1)


class Resource(db.Model):
    """Something to download or to follow, beside a lesson."""

    __tablename__ = "resources"
    __table_args__ = (Index("ix_resources_lesson_id", "lesson_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    lesson_id: Mapped[int] = mapped_column(ForeignKey("lessons.id"))
    title: Mapped[str] = mapped_column(String(255))
    url: Mapped[str] = mapped_column(String(2000))


class Material(db.Model):
    """Something to read or watch in a lesson."""

    __tablename__ = "materials"
    __table_args__ = (Index("ix_materials_lesson_id", "lesson_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    lesson_id: Mapped[int] = mapped_column(ForeignKey("lessons.id"))
    title: Mapped[str] = mapped_column(String(255))
    material_type: Mapped[str] = mapped_column(String(32), default="text")
    content: Mapped[str] = mapped_column(Text, default="")


def required_name(name, field="name"):
    """A name without the blanks around it; raises `Invalid` where nothing is left or it is over 255 characters."""
    name = (name or "").strip()
    if not 0 < len(name) <= 255:
        raise Invalid("A name of 1 to 255 characters is needed.", field=field)
    return name
