"""Who may see what: rows reach an edge only through here, and a look at another person's data is written down.

What a viewer may not see answers like what does not exist: `NotFound`, whoever asks.
"""

from datetime import timedelta

from sqlalchemy import ColumnElement, literal, or_, select

from models import live, statements
from models.assignment import Assignment, AssignmentGroup
from models.course import Course
from models.db import begin_reading, db, release, transaction, utcnow
from models.errors import NotAllowed, NotFound, NotLoggedIn
from models.live import AttemptModel, ClassModel, SessionModel
from models.recent import recent
from models.report import Report
from models.streams import RECALCULATIONS, AnalyticsAccessAudit, JobRun
from models.submission import Submission
from models.user import INSTRUCTOR, STAFF, Role, User

ONE_LOOK = timedelta(minutes=10)


def logged_in(viewer):
    """The viewer; raises `NotLoggedIn` where nobody is."""
    if viewer is None:
        raise NotLoggedIn("Log in first.")
    return viewer


def admin(viewer):
    """The viewer, who must be an admin."""
    if not logged_in(viewer).is_admin:
        raise NotAllowed("Only admins may do this.")
    return viewer


def role_names(viewer, course_id):
    """The viewer's roles in a course, read now."""
    query = select(Role.name).where(Role.user_id == viewer.user_id, Role.course_id == course_id)
    return set(db.session.scalars(query))


def roles_by_course(viewer):
    """{course_id: role names} of the viewer, read now."""
    found = {}
    for course_id, name in db.session.execute(select(Role.course_id, Role.name).where(Role.user_id == viewer.user_id)):
        found.setdefault(course_id, set()).add(name)
    return found


def is_staff(viewer, course_id):
    """Whether the viewer teaches the course: instructor, teaching assistant or admin."""
    return viewer.is_admin or bool(role_names(viewer, course_id) & set(STAFF))


def taught_courses(viewer):
    """The ids of the courses that the viewer teaches; every course for an admin."""
    if viewer.is_admin:
        return set(db.session.scalars(select(Course.id)))
    return set(db.session.scalars(select(Role.course_id).where(Role.user_id == viewer.user_id, Role.name.in_(STAFF))))


def is_instructor(viewer, course_id):
    """Whether the viewer may change the course: instructor or admin."""
    return viewer.is_admin or INSTRUCTOR in role_names(viewer, course_id)


def course_maker(viewer):
    """The viewer, who may make courses: an admin, or an instructor somewhere."""
    query = select(Role.id).where(Role.user_id == logged_in(viewer).user_id, Role.name == INSTRUCTOR).limit(1)
    if not viewer.is_admin and db.session.scalar(query) is None:
        raise NotAllowed("Only admins and instructors make courses.")
    return viewer


def get_course(viewer, course_id):
    """A course that the viewer is in."""
    course = db.session.get(Course, course_id)
    if course is None or not (logged_in(viewer).is_admin or role_names(viewer, course_id)):
        raise NotFound("There is no such course.")
    return course


def changeable_course(viewer, course_id):
    """A course that the viewer may change."""
    course = get_course(viewer, course_id)
    if not is_instructor(viewer, course_id):
        raise NotAllowed("Only instructors of the course may do this.")
    return course


def staffed_course(viewer, course_id):
    """A course that the viewer teaches."""
    course = get_course(viewer, course_id)
    if not is_staff(viewer, course_id):
        raise NotAllowed("Only staff of the course may see this.")
    return course


def staffed_group(viewer, group_id):
    """A group of assignments of a course that the viewer teaches."""
    return _staffed(viewer, AssignmentGroup, group_id, "group")


def staffed_report(viewer, report_id):
    """A report of a course that the viewer teaches."""
    return _staffed(viewer, Report, report_id, "report")


def _staffed(viewer, model, key, word):
    row = db.session.get(model, key)
    logged_in(viewer)
    if row is None or not is_staff(viewer, row.course_id):
        raise NotFound(f"There is no such {word}.")
    return row


def get_assignment(viewer, assignment_id):
    """An assignment of a course that the viewer is in."""
    assignment = db.session.get(Assignment, assignment_id)
    logged_in(viewer)
    if assignment is None or not (viewer.is_admin or role_names(viewer, assignment.course_id)):
        raise NotFound("There is no such assignment.")
    return assignment


def changeable_assignment(viewer, assignment_id):
    """An assignment whose course the viewer may change."""
    assignment = get_assignment(viewer, assignment_id)
    if not is_instructor(viewer, assignment.course_id):
        raise NotAllowed("Only instructors of the course may change its assignments.")
    return assignment


def own_work_in(viewer, assignment_id):
    """An assignment that the viewer may work on: of a course where he has a role."""
    assignment = get_assignment(viewer, assignment_id)
    if not role_names(viewer, assignment.course_id):
        raise NotFound("There is no such assignment.")
    return assignment


def get_submission(viewer, submission_id):
    """A submission that the viewer may read: the owner's, or of a course that he teaches."""
    submission = db.session.get(Submission, submission_id) if submission_id is not None else None
    logged_in(viewer)
    if submission is None or not (submission.user_id == viewer.user_id or is_staff(viewer, submission.course_id)):
        raise NotFound("There is no such submission.")
    return submission


def loggable_submission(viewer, submission_id):
    """A submission that the viewer may write events of: the owner's, or of a course where he is instructor.

    Answers its row (`id`, `user_id`, `course_id`) without its code: this is asked for every event.
    """
    found = loggable_submissions(logged_in(viewer), [submission_id]).get(submission_id)
    if found is None:
        raise NotFound("There is no such submission.")
    return found


def own_submission(viewer, submission_id):
    """The viewer's own submission: nobody saves or hands in for somebody else."""
    submission = get_submission(viewer, submission_id)
    if submission.user_id != viewer.user_id:
        raise NotAllowed("Only its owner may change a submission.")
    return submission


def loggable_submissions(viewer, submission_ids):
    """{id: row} of those submissions that the viewer may write events of; asked for every event, so a second old."""
    works = recent(_works).among(submission_ids)
    courses = {work.course_id for work in works.values() if work.user_id != viewer.user_id}
    taught = recent(_instructors).among([(viewer.user_id, course_id) for course_id in sorted(courses)])
    return {
        i: work
        for i, work in works.items()
        if work.user_id == viewer.user_id or viewer.is_admin or (viewer.user_id, work.course_id) in taught
    }


def _works(submission_ids):
    begin_reading()
    return {row.id: row for row in statements.places(db.session(), submission_ids)}


def _instructors(places):
    """{(user_id, course_id): True} of those places where this person is instructor."""
    query = select(Role.user_id, Role.course_id).where(
        Role.name == INSTRUCTOR,
        Role.user_id.in_({user_id for user_id, _ in places}),
        Role.course_id.in_({course_id for _, course_id in places}),
    )
    return {place: True for place in map(tuple, db.session.execute(query)) if place in places}


def readable_user(viewer, user_id):
    """A person whose own figures the viewer may read: himself, or anybody for an admin."""
    user = db.session.get(User, user_id)
    if user is None or not (logged_in(viewer).is_admin or viewer.user_id == user_id):
        raise NotFound("There is no such user.")
    return user


def teaches(viewer) -> ColumnElement[bool]:
    """The condition under which a class is the viewer's: staff of its course now, whoever made it."""
    courses = select(Role.course_id).where(Role.user_id == viewer.user_id, Role.name.in_(STAFF))
    return or_(ClassModel.course_id.in_(courses), literal(viewer.is_admin))


def get_class(viewer, class_id):
    """A class that the viewer teaches."""
    logged_in(viewer)
    found = db.session.scalar(select(ClassModel).where(ClassModel.id == class_id, teaches(viewer)))
    if found is None:
        raise NotFound("There is no such class.")
    return found


def _course_of(row):
    """The course of a live session or attempt, which is its exercise's."""
    return db.session.scalar(select(Assignment.course_id).where(Assignment.id == row.test_id))


def is_watcher(viewer, session_row):
    """Whether the viewer may watch a live session: an admin, or staff of its assignment's course now."""
    return viewer.is_admin or is_staff(viewer, _course_of(session_row))


def watchers_among(people, session_row):
    """The ids of those of these viewers who may watch a live session now: two statements, however many they are."""
    query = select(Role.user_id).where(
        Role.course_id == _course_of(session_row),
        Role.name.in_(STAFF),
        Role.user_id.in_({viewer.user_id for viewer in people}),
    )
    return set(db.session.scalars(query)) | {viewer.user_id for viewer in people if viewer.is_admin}


def watchable_session(viewer, session_id):
    """A live session that the viewer may watch and command."""
    found = db.session.get(SessionModel, session_id)
    if found is None or not is_watcher(logged_in(viewer), found):
        raise NotFound("There is no such session.")
    return found


def joinable_session(viewer, session_id):
    """A live session in which the viewer is one of the students."""
    found = db.session.get(SessionModel, session_id)
    if found is None or not is_expected(logged_in(viewer), found):
        raise NotFound("There is no such session.")
    return found


def visible_session(viewer, session_id):
    """A live session that the viewer watches or belongs to; answers (session, whether he watches)."""
    found = db.session.get(SessionModel, session_id)
    if found is not None:
        if is_watcher(logged_in(viewer), found):
            return found, True
        if is_expected(viewer, found):
            return found, False
    raise NotFound("There is no such session.")


def is_expected(viewer, session_row):
    """Whether the viewer is one of a live session's students and still in its course."""
    query = select(Role.id).join(Assignment, Assignment.course_id == Role.course_id)
    query = query.where(Assignment.id == session_row.test_id, Role.user_id == viewer.user_id).limit(1)
    return viewer.user_id in listed_students(session_row) and db.session.scalar(query) is not None


def is_in_room(viewer, session_row, class_students, roles):
    """Whether the viewer watches a session or is its student, by the class's list and his roles in its course."""
    if viewer.is_admin or set(STAFF) & set(roles):
        return True
    students = session_row.student_ids if _has_own_list(session_row) else class_students
    return bool(roles) and viewer.user_id in students


def _has_own_list(session_row):
    return bool(session_row.student_ids) or session_row.status not in (live.SCHEDULED, live.CANCELLED)


def listed_students(session_row):
    """The students of a live session: its own list from the opening on, the class's before."""
    if _has_own_list(session_row):
        return session_row.student_ids
    return db.session.scalar(select(ClassModel.student_ids).where(ClassModel.id == session_row.class_id)) or []


def expected_students(session_row):
    """Those students of a live session who are still in its course, ascending."""
    course = select(Assignment.course_id).where(Assignment.id == session_row.test_id).scalar_subquery()
    query = select(Role.user_id).where(Role.course_id == course, Role.user_id.in_(listed_students(session_row)))
    return sorted(set(db.session.scalars(query)))


def watched_student(viewer, session_id, user_id):
    """A live session that the viewer watches, with this student in it, who may have been removed since."""
    found = watchable_session(viewer, session_id)
    joined = {item["student_id"] for item in found.participants}
    if user_id not in joined and user_id not in expected_students(found):
        raise NotFound("There is no such student in this session.")
    return found


def refused_places(places):
    """Those of these (session_id, user_id) in which the student may not be any more: two statements in all."""
    query = (
        select(SessionModel.id, SessionModel.student_ids, Assignment.course_id)
        .join(Assignment, Assignment.id == SessionModel.test_id)
        .where(SessionModel.id.in_({session_id for session_id, _ in places}))
    )
    rooms = {row.id: (set(row.student_ids), row.course_id) for row in db.session.execute(query)}
    query = select(Role.user_id, Role.course_id).where(
        Role.course_id.in_({course_id for _, course_id in rooms.values()}),
        Role.user_id.in_({user_id for _, user_id in places}),
    )
    roles = set(map(tuple, db.session.execute(query)))

    def is_refused(session_id, user_id):
        students, course_id = rooms.get(session_id, ((), None))
        return user_id not in students or (user_id, course_id) not in roles

    return {place for place in places if is_refused(*place)}


def highlightable_attempt(viewer, attempt_id):
    """A live attempt that the viewer may mark: the learner's own, or of a session or course that he teaches."""
    found = db.session.get(AttemptModel, attempt_id)
    logged_in(viewer)
    roles = role_names(viewer, _course_of(found)) if found else set()
    if not (found and (viewer.is_admin or roles & set(STAFF) or (roles and found.student_id == viewer.user_id))):
        raise NotFound("There is no such attempt.")
    return found


def get_recalculation(viewer, run_id):
    """A recalculation that the viewer may see: an admin's any, else of a course that he teaches."""
    run = db.session.get(JobRun, run_id)
    if run is None or run.kind not in RECALCULATIONS:
        raise NotFound("There is no such recalculation.")
    recalculable(viewer, run.scope, run.scope_id)
    return run


def recalculable(viewer, scope, scope_id):
    """Raise unless the viewer may recalculate this scope: an admin any, staff what lies in their own course."""
    if not logged_in(viewer).is_admin:
        staffed_course(viewer, _recalculated_course(viewer, scope, scope_id))


def _recalculated_course(viewer, scope, scope_id):
    if scope in ("user", "all", "sample"):
        raise NotAllowed("Only admins recalculate a user or everything.")
    return {
        "course": lambda: scope_id,
        "assignment": lambda: get_assignment(viewer, scope_id).course_id,
        "group": lambda: staffed_group(viewer, scope_id).course_id,
        "submission": lambda: get_submission(viewer, scope_id).course_id,
    }[scope]()


def told_recalculation(viewer, run):
    """A recalculation as the viewer may see it: staff see no figures of people, nor of their work in other courses.

    It rebuilds all rows of a learner, whatever course they are of.
    """
    told = run.as_dict()
    if not viewer.is_admin:
        course_id = _recalculated_course(viewer, run.scope, run.scope_id)
        works = set(db.session.scalars(select(Submission.id).where(Submission.course_id == course_id)))
        told["differences"] = [found for found in told["differences"] if _lies_in(found, works)]
    release()
    return told


def _lies_in(found, works):
    """Whether a difference is of a course with these works: of one of them, or of a row that its learners share."""
    entity = found["field"].partition(" ")[0] if found["table"] == "counts_daily" else found["table"]
    if entity in ("submission", "submission_counts"):
        return found["id"] in works
    return entity not in ("user", "user_counts")


def audit(viewer, what, *, subject_id=None, scope=""):
    """Write down that the viewer looks at somebody else's data; a look at one's own is nobody's business.

    A page that refreshes itself is one look: the same one again within ten minutes is not written twice.
    """
    if subject_id == viewer.user_id:
        return
    look = {"actor_id": viewer.user_id, "subject_id": subject_id, "what": what, "scope": scope}
    now = utcnow()
    query = select(AnalyticsAccessAudit.id).filter_by(**look).where(AnalyticsAccessAudit.at > now - ONE_LOOK)
    if db.session.scalar(query.limit(1)) is None:
        with transaction() as session:
            session.add(AnalyticsAccessAudit(**look, at=now))
