"""Who sees what: one table of people and things, what is not visible answers like what does not exist."""

import time
import uuid
from datetime import timedelta

import pytest
from sqlalchemy import func, select, text

from models import access, live, viewers
from models.course import Course
from models.db import db, release, transaction, utcnow
from models.errors import AppError, NotAllowed, NotFound, NotLoggedIn
from models.live import ClassModel, SessionModel
from models.recent import IN_USE_SECONDS, MOST, REFRESH_SECONDS, Recent
from models.streams import AnalyticsAccessAudit, JobRun
from models.user import INSTRUCTOR, LEARNER, TEACHING_ASSISTANT, ApiToken, User
from tests.factories import Caller, make_user, payload, viewer

PEOPLE = ("nobody", "outsider", "other_teacher", "class_teacher", "learner", "owner", "assistant", "teacher", "admin")
SEES, HIDDEN, FORBIDDEN, LOGIN = "sees", NotFound, NotAllowed, NotLoggedIn


class House:
    """A school with one of everything, and one person of each kind."""

    def __init__(self, school):
        self.course, self.assignment = school.course, school.assignment
        self.submission = school.submission(0)
        teacher, admin = school.teacher, make_user("Admin", is_admin=True)
        assistant, other_teacher, class_teacher = make_user("TA"), make_user("Other"), make_user("Class")
        assistant.add_role(TEACHING_ASSISTANT, self.course.id)
        self.elsewhere = Course.new("Elsewhere", other_teacher.id)
        class_teacher.add_role(LEARNER, self.elsewhere.id)
        self.class_ = ClassModel(name="7b", teacher_id=class_teacher.id, course_id=self.course.id)
        self.class_.student_ids = [school.learners[0].id]
        with transaction() as session:
            session.add(self.class_)
            session.flush()
            self.session = SessionModel(class_id=self.class_.id, test_id=self.assignment.id, created_by=teacher.id)
            self.run = JobRun(kind="recalculation", scope="course", scope_id=self.course.id, created_at=utcnow())
            self.run_of_all = JobRun(kind="recalculation", scope="all", created_at=utcnow())
            self.other_job = JobRun(kind="retention", scope="all", created_at=utcnow())
            session.add_all([self.session, self.run, self.run_of_all, self.other_job])
        self.users = {
            "outsider": make_user("Outsider"),
            "other_teacher": other_teacher,
            "class_teacher": class_teacher,
            "learner": school.learners[1],
            "owner": school.learners[0],
            "assistant": assistant,
            "teacher": teacher,
            "admin": admin,
        }
        self.viewers = {name: viewer(user) for name, user in self.users.items()} | {"nobody": None}


@pytest.fixture
def house(school):
    return House(school)


def outcome(loader, *arguments):
    """What a loader answers, as one of the four words of the table."""
    try:
        loader(*arguments)
    except AppError as error:
        return type(error)
    finally:
        release()
    return SEES


def row(default, **others):
    """A line of the table: `nobody` must log in, everybody else gets the default but for the others."""
    return {name: LOGIN if name == "nobody" else others.get(name, default) for name in PEOPLE}


STAFF_SEE = {"assistant": SEES, "teacher": SEES, "admin": SEES}
MEMBERS_SEE = STAFF_SEE | {"learner": SEES, "owner": SEES}
INSTRUCTORS_SEE = {"teacher": SEES, "admin": SEES, "assistant": FORBIDDEN, "learner": FORBIDDEN, "owner": FORBIDDEN}
MATRIX = {
    "get_course": (lambda v, h: access.get_course(v, h.course.id), row(HIDDEN, **MEMBERS_SEE)),
    "staffed_course": (
        lambda v, h: access.staffed_course(v, h.course.id),
        row(HIDDEN, **STAFF_SEE, learner=FORBIDDEN, owner=FORBIDDEN),
    ),
    "changeable_course": (lambda v, h: access.changeable_course(v, h.course.id), row(HIDDEN, **INSTRUCTORS_SEE)),
    "get_assignment": (lambda v, h: access.get_assignment(v, h.assignment.id), row(HIDDEN, **MEMBERS_SEE)),
    "changeable_assignment": (
        lambda v, h: access.changeable_assignment(v, h.assignment.id),
        row(HIDDEN, **INSTRUCTORS_SEE),
    ),
    "own_work_in": (
        lambda v, h: access.own_work_in(v, h.assignment.id),
        row(HIDDEN, **{**MEMBERS_SEE, "admin": HIDDEN}),
    ),
    "get_submission": (
        lambda v, h: access.get_submission(v, h.submission.id),
        row(HIDDEN, **STAFF_SEE, owner=SEES),
    ),
    "loggable_submission": (
        lambda v, h: access.loggable_submission(v, h.submission.id),
        row(HIDDEN, owner=SEES, teacher=SEES, admin=SEES),
    ),
    "own_submission": (
        lambda v, h: access.own_submission(v, h.submission.id),
        row(HIDDEN, owner=SEES, assistant=FORBIDDEN, teacher=FORBIDDEN, admin=FORBIDDEN),
    ),
    "readable_user": (
        lambda v, h: access.readable_user(v, h.users["owner"].id),
        row(HIDDEN, owner=SEES, admin=SEES),
    ),
    "get_class": (lambda v, h: access.get_class(v, h.class_.id), row(HIDDEN, **STAFF_SEE)),
    "watchable_session": (
        lambda v, h: access.watchable_session(v, h.session.id),
        row(HIDDEN, **STAFF_SEE),
    ),
    "joinable_session": (lambda v, h: access.joinable_session(v, h.session.id), row(HIDDEN, owner=SEES)),
    "visible_session": (
        lambda v, h: access.visible_session(v, h.session.id),
        row(HIDDEN, **STAFF_SEE, owner=SEES),
    ),
    "get_recalculation": (
        lambda v, h: access.get_recalculation(v, h.run.id),
        row(HIDDEN, **STAFF_SEE, learner=FORBIDDEN, owner=FORBIDDEN),
    ),
    "get_recalculation of all": (
        lambda v, h: access.get_recalculation(v, h.run_of_all.id),
        row(FORBIDDEN, admin=SEES),
    ),
    "admin": (lambda v, h: access.admin(v), row(FORBIDDEN, admin=SEES)),
    "course_maker": (
        lambda v, h: access.course_maker(v),
        row(FORBIDDEN, admin=SEES, teacher=SEES, other_teacher=SEES),
    ),
    "recalculable submission": (
        lambda v, h: access.recalculable(v, "submission", h.submission.id),
        row(HIDDEN, **STAFF_SEE, owner=FORBIDDEN),
    ),
    "recalculable assignment": (
        lambda v, h: access.recalculable(v, "assignment", h.assignment.id),
        row(HIDDEN, **STAFF_SEE, learner=FORBIDDEN, owner=FORBIDDEN),
    ),
    "recalculable user": (
        lambda v, h: access.recalculable(v, "user", h.users["owner"].id),
        row(FORBIDDEN, admin=SEES),
    ),
}


def test_everybody_sees_what_is_his_and_nothing_else(house):
    found = {
        name: {person: outcome(loader, house.viewers[person], house) for person in PEOPLE}
        for name, (loader, _) in MATRIX.items()
    }

    assert found == {name: expected for name, (_, expected) in MATRIX.items()}


UNKNOWN = {
    "a course": lambda v: access.get_course(v, 10**6),
    "an assignment": lambda v: access.get_assignment(v, 10**6),
    "own work": lambda v: access.own_work_in(v, 10**6),
    "a submission": lambda v: access.get_submission(v, 10**6),
    "no submission at all": lambda v: access.get_submission(v, None),
    "a user": lambda v: access.readable_user(v, 10**6),
    "a class": lambda v: access.get_class(v, 10**6),
    "a session to watch": lambda v: access.watchable_session(v, 10**6),
    "a session to join": lambda v: access.joinable_session(v, 10**6),
    "a session": lambda v: access.visible_session(v, 10**6),
    "a recalculation": lambda v: access.get_recalculation(v, 10**6),
}


def test_what_does_not_exist_is_not_found_whoever_asks(house):
    asking = [house.viewers[name] for name in ("outsider", "owner", "teacher", "admin")]

    found = {name: {outcome(loader, v) for v in asking} for name, loader in UNKNOWN.items()}

    assert found == {name: {NotFound} for name in UNKNOWN}


def test_a_job_of_another_kind_is_no_recalculation(house):
    assert outcome(access.get_recalculation, house.viewers["admin"], house.other_job.id) is NotFound


def test_the_hidden_and_the_unknown_say_the_same_words(house):
    def words(submission_id):
        with pytest.raises(NotFound) as refusal:
            access.get_submission(house.viewers["learner"], submission_id)
        return refusal.value.as_dict()

    assert words(house.submission.id) == words(10**6)


def test_a_list_of_submissions_leaves_out_what_the_viewer_may_not_write(house):
    ids = [house.submission.id, 10**6]

    allowed = {name: list(access.loggable_submissions(v, ids)) for name, v in house.viewers.items() if v}

    assert {name for name, found in allowed.items() if found == ids[:1]} == {"owner", "teacher", "admin"}
    assert {name for name, found in allowed.items() if found == []} == set(PEOPLE[1:]) - {"owner", "teacher", "admin"}


def test_a_role_that_was_taken_opens_nothing_any_more(house):
    teacher = house.users["teacher"]

    teacher.update_roles(set(), house.course.id)

    release()
    assert outcome(access.get_submission, house.viewers["teacher"], house.submission.id) is NotFound
    assert outcome(access.get_course, house.viewers["teacher"], house.course.id) is NotFound


def test_a_role_counts_in_its_course_only(house):
    house.users["learner"].add_role(INSTRUCTOR, house.elsewhere.id)

    release()
    assert outcome(access.get_submission, house.viewers["learner"], house.submission.id) is NotFound
    assert outcome(access.changeable_course, house.viewers["learner"], house.elsewhere.id) == SEES


def test_who_watches_and_who_takes_part_are_told_apart(house):
    watching = {name: access.visible_session(house.viewers[name], house.session.id)[1] for name in ("teacher", "owner")}

    assert watching == {"teacher": True, "owner": False}


def test_a_session_keeps_its_own_list_of_students_from_its_opening_on(house):
    mine, theirs = house.users["owner"].id, house.users["learner"].id
    before = list(access.expected_students(house.session))
    with transaction() as session:
        row_ = session.get(SessionModel, house.session.id)
        row_.student_ids, row_.status = [mine], live.WAITING_FOR_STUDENTS
        session.get(ClassModel, house.class_.id).student_ids = [theirs]

    release()
    opened = db.session.get(SessionModel, house.session.id)

    assert before == [mine]
    assert access.expected_students(opened) == [mine]
    assert outcome(access.joinable_session, house.viewers["learner"], house.session.id) is NotFound


def audits():
    release()
    return db.session.scalars(select(AnalyticsAccessAudit).order_by(AnalyticsAccessAudit.id)).all()


def test_a_look_at_another_persons_data_is_written_down_and_one_at_ones_own_is_not(house):
    owner_id = house.users["owner"].id
    before = utcnow()

    access.audit(house.viewers["owner"], "counts", subject_id=owner_id)
    access.audit(house.viewers["teacher"], "code", subject_id=owner_id, scope="submission:1")
    access.audit(house.viewers["teacher"], "counts", scope="course:1")

    teacher_id = house.users["teacher"].id
    rows = [(a.actor_id, a.subject_id, a.what, a.scope) for a in audits()]
    assert rows == [(teacher_id, owner_id, "code", "submission:1"), (teacher_id, None, "counts", "course:1")]
    assert all(before <= a.at <= utcnow() for a in audits())


def test_a_token_opens_until_it_is_ended_and_stands_nowhere_in_the_database(school):
    token, expires_at = viewers.make_token(school.teacher.id, now=utcnow())
    opened = viewers.viewer_by_token(token)
    kept = db.session.scalars(select(ApiToken.token_hash)).all()

    viewers.end_token(token)
    viewers.end_token(token)

    assert (opened.user_id, opened.via) == (school.teacher.id, "token")
    assert token not in str(kept)
    assert expires_at > utcnow() + timedelta(days=viewers.TOKEN_DAYS - 1)
    assert viewers.viewer_by_token(token) is None


def test_a_token_that_is_over_or_wrong_opens_nothing(school):
    over, _ = viewers.make_token(school.teacher.id, now=utcnow() - timedelta(days=viewers.TOKEN_DAYS, seconds=1))

    found = [viewers.viewer_by_token(token) for token in (over, "", "guess", "\ud800")]

    assert found == [None] * 4


def test_an_account_that_was_closed_opens_nothing(school):
    token, _ = viewers.make_token(school.teacher.id, now=utcnow())
    with transaction() as session:
        session.get(User, school.teacher.id).is_active = False

    release()
    closed = db.session.get(User, school.teacher.id)

    assert viewers.viewer_by_token(token) is None
    assert viewers.viewer_by_login(closed.id, closed.login_version) is None
    assert viewers.viewer_of(closed, via="cookie") is None


def test_a_login_ends_with_its_password(school):
    version = school.teacher.login_version
    before = viewers.viewer_by_login(school.teacher.id, version)
    with transaction() as session:
        session.get(User, school.teacher.id).set_password("quite another one")

    release()

    assert before.user_id == school.teacher.id
    assert viewers.viewer_by_login(school.teacher.id, version) is None
    assert viewers.viewer_by_login(school.teacher.id, version + 1).user_id == school.teacher.id
    assert viewers.viewer_by_login(10**6, 0) is None
    assert viewers.viewer_by_cookie({}) is None


def test_reading_writes_nothing(house):
    release()
    before = db.session.scalar(select(func.count()).select_from(AnalyticsAccessAudit))

    access.get_submission(house.viewers["teacher"], house.submission.id)

    assert db.session.scalar(select(func.count()).select_from(AnalyticsAccessAudit)) == before


# --- what is remembered for a second ---

WITHIN_SECONDS = 2.0


def elsewhere(statement, **values):
    """What another process commits: nobody here hears of it."""
    with db.engine.begin() as connection:
        connection.execute(text(statement), values)


def log(caller, work):
    """Whether an event is taken."""
    answer = caller.post("/blockpy/log_event", data=payload(work, event_id=str(uuid.uuid4())))
    return answer.status_code == 200 and answer.json["success"]


def seconds_until_refused(caller, work):
    """How long events are taken still, while they come one after the other."""
    began = time.monotonic()
    while log(caller, work):
        if time.monotonic() - began > 2 * WITHIN_SECONDS:
            break
        time.sleep(0.02)
    return time.monotonic() - began


WITHDRAWALS = {
    "a token that was revoked": "DELETE FROM api_tokens WHERE user_id = :user_id",
    "a password that was changed": "UPDATE users SET login_version = login_version + 1 WHERE id = :user_id",
    "an account that was closed": "UPDATE users SET is_active = false WHERE id = :user_id",
    "a role that was taken": "DELETE FROM roles WHERE user_id = :user_id",
}


@pytest.mark.parametrize("why", WITHDRAWALS)
def test_what_another_process_withdraws_stops_counting_within_two_seconds(school, as_, why):
    work, teacher = school.submission(), as_(school.teacher)
    assert log(teacher, work)

    elsewhere(WITHDRAWALS[why], user_id=school.teacher.id)

    assert seconds_until_refused(teacher, work) < WITHIN_SECONDS


def test_a_cookie_ends_within_two_seconds_of_a_password_that_another_process_changed(app, school):
    work, owner = school.submission(), school.learners[0]
    client = app.test_client()
    with client.session_transaction() as cookie:
        cookie["_user_id"] = f"{owner.id}.{owner.login_version}"
    caller = Caller(client, None)
    caller.headers = {"X-Requested-With": "XMLHttpRequest"}
    assert log(caller, work)

    elsewhere("UPDATE users SET login_version = login_version + 1 WHERE id = :user_id", user_id=owner.id)

    assert seconds_until_refused(caller, work) < WITHIN_SECONDS


def test_what_this_process_withdraws_stops_counting_at_once(school, as_):
    work, teacher = school.submission(), as_(school.teacher)
    learner = as_(school.learners[0])
    assert log(teacher, work)
    assert log(learner, work)

    school.teacher.update_roles(set(), school.course.id)
    viewers.end_token(learner.headers["Authorization"].split()[1])

    assert not log(teacher, work)
    assert not log(learner, work)


def test_a_refusal_is_not_remembered(school, as_):
    work, other = school.submission(), as_(school.learners[1])
    assert not log(other, work)

    elsewhere("UPDATE submissions SET user_id = :user_id WHERE id = :id", user_id=school.learners[1].id, id=work.id)
    elsewhere("UPDATE users SET is_active = false WHERE id = :id", id=school.teacher.id)
    refused_again = log(as_(school.teacher), work)
    elsewhere("UPDATE users SET is_active = true WHERE id = :id", id=school.teacher.id)

    assert not refused_again
    assert log(as_(school.teacher), work)


def test_what_is_in_use_is_read_again_together_and_what_is_not_is_forgotten():
    asked = []

    def read(keys):
        asked.append(sorted(keys))
        return {key: key for key in keys if key != "refused"}

    known = Recent(read)
    known.among(["a", "b", "idle", "refused"])
    known.among(["a", "b"])
    known.kept["idle"].used_at -= IN_USE_SECONDS
    time.sleep(REFRESH_SECONDS + 0.1)
    known.among(["a"])

    assert asked == [["a", "b", "idle", "refused"], ["a", "b"]]
    assert set(known.kept) == {"a", "b"}


def test_who_comes_every_few_seconds_is_not_asked_for_again_each_time():
    asked = []

    def read(keys):
        asked.append(sorted(keys))
        return dict.fromkeys(keys, True)

    known = Recent(read)
    known.among(["seldom"])
    for _ in range(3):
        time.sleep(REFRESH_SECONDS + 0.1)
        known.among(["often"])
    known.among(["seldom"])

    assert asked[1:] == [["often", "seldom"]] * 3


def test_what_is_remembered_has_a_limit():
    known = Recent(lambda keys: dict.fromkeys(keys, True))

    for start in range(0, 3 * MOST, 1000):
        known.among(range(start, start + 1000))

    assert len(known.kept) <= MOST
