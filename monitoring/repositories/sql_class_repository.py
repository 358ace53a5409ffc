"""Classes in SQL."""

from sqlalchemy import select

from models import access
from models.db import db, transaction
from models.errors import Conflict, Invalid
from models.live import ACTIVE, ARCHIVED, ClassModel
from models.user import learners_of


def list_classes(viewer):
    """The classes that the viewer teaches, by name."""
    return db.session.scalars(select(ClassModel).where(access.teaches(viewer)).order_by(ClassModel.name)).all()


def new_class(viewer, *, name, student_ids, course_id=None):
    """Make a class of learners of one course that the viewer teaches; without `course_id` that course is found."""
    with transaction() as session:
        course_id = _course_for(viewer, student_ids, course_id)
        row = ClassModel(name=name, teacher_id=viewer.user_id, course_id=course_id, student_ids=student_ids)
        session.add(row)
    return row


def change_class(viewer, class_id, *, name=None, student_ids=None, status=None):
    """Change what is given. A live session that was opened keeps the students it has."""
    row = access.get_class(viewer, class_id)
    if status not in (None, ACTIVE, ARCHIVED):
        raise Invalid("A class is ACTIVE or ARCHIVED.", field="status")
    if student_ids is not None:
        _course_for(viewer, student_ids, row.course_id)
    with transaction() as session:
        row = session.get(ClassModel, class_id, with_for_update={"key_share": True}, populate_existing=True)
        row.name = name if name is not None else row.name
        row.student_ids = student_ids if student_ids is not None else row.student_ids
        row.status = status or row.status
    return row


def active_class(viewer, class_id):
    """A class that the viewer teaches and that is not archived."""
    row = access.get_class(viewer, class_id)
    if row.status != ACTIVE:
        raise Conflict("The class is archived.")
    return row


def _course_for(viewer, student_ids, course_id):
    """The course whose learners these are; raises `Invalid` where there is none that the viewer teaches."""
    if course_id is not None:
        courses = [access.staffed_course(viewer, course_id).id]
    else:
        courses = sorted(access.taught_courses(viewer))
    for candidate in courses:
        if set(student_ids) <= set(learners_of(candidate)):
            return candidate
    raise Invalid("The students of a class are learners of one course that you teach.", field="student_ids")
