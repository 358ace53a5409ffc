"""People, courses, assignments over HTTP; and for every route of the API, who may use it."""

import pytest
from sqlalchemy import select

from models.assignment import AssignmentGroup
from models.db import db, release, transaction
from models.live import AttemptModel
from models.report import SUBMISSIONS, Report
from models.streams import AnalyticsAccessAudit
from models.user import Role, User
from monitoring import sessions
from monitoring.repositories import sql_class_repository as classes
from tests.factories import PASSWORD, make_learner, make_school, make_user, viewer
from workers import recalculation

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def roles_of(course):
    """{user id: role names} as they are stored."""
    release()
    found = {}
    for role in db.session.scalars(select(Role).where(Role.course_id == course.id)):
        found.setdefault(role.user_id, set()).add(role.name)
    return found


# --- who may use what ---

WHO = ("nobody", "parent", "other learner", "other teacher", "learner", "teacher", "admin")
OWN_LIST = (401, 200, 200, 200, 200, 200, 200)
MEMBERS = (401, 404, 200, 404, 200, 200, 200)
STAFF = (401, 404, 403, 404, 403, 200, 200)
STAFF_MAKE = (401, 404, 403, 404, 403, 201, 201)
OWNER = (401, 404, 404, 404, 200, 200, 200)
ROOM = (401, 404, 404, 404, 404, 200, 200)
SELF = (401, 404, 404, 404, 200, 404, 200)
PARTICIPANT = "/api/sessions/<int:session_id>/students/<int:user_id>"

# (method, rule): (a body, what each of WHO is answered). Each caller in this order, on one database.
ROUTES = {
    ("GET", "/api/assignments/<int:assignment_id>"): (None, MEMBERS),
    ("GET", "/api/assignments/<int:assignment_id>/counts"): (None, STAFF),
    ("GET", "/api/assignments/<int:assignment_id>/series"): (None, STAFF),
    ("PUT", "/api/assignments/<int:assignment_id>/submissions/me"): (None, (401, 404, 200, 404, 200, 200, 404)),
    ("GET", "/api/attempts/<int:attempt_id>"): (None, OWNER),
    ("POST", "/api/attempts/<int:attempt_id>/highlights"): (
        {"text": "x", "passage_id": "answer.py", "position_start": 0, "position_end": 1, "color_code": "#FFCC00"},
        (401, 404, 404, 404, 201, 201, 201),
    ),
    ("GET", "/api/classes"): (None, OWN_LIST),
    ("POST", "/api/classes"): ({"name": "C", "student_ids": [], "course_id": "course_id"}, STAFF_MAKE),
    ("GET", "/api/classes/<int:class_id>"): (None, ROOM),
    ("PATCH", "/api/classes/<int:class_id>"): ({"name": "C"}, ROOM),
    ("GET", "/api/courses"): (None, OWN_LIST),
    ("POST", "/api/courses"): ({"name": "C"}, (401, 403, 403, 201, 403, 201, 201)),
    ("GET", "/api/courses/<int:course_id>"): (None, MEMBERS),
    ("GET", "/api/courses/<int:course_id>/assignments"): (None, MEMBERS),
    ("POST", "/api/courses/<int:course_id>/assignments"): ({"name": "A"}, STAFF_MAKE),
    ("GET", "/api/courses/<int:course_id>/counts"): (None, STAFF),
    ("POST", "/api/courses/<int:course_id>/groups"): ({"name": "G"}, STAFF_MAKE),
    ("PUT", "/api/courses/<int:course_id>/roles"): ({"role": "learner", "user_ids": ["user_id"]}, STAFF),
    ("DELETE", "/api/courses/<int:course_id>/roles"): (
        {"role": "teaching_assistant", "user_ids": ["user_id"]},
        STAFF,
    ),
    ("GET", "/api/courses/<int:course_id>/reports"): (None, STAFF),
    ("POST", "/api/courses/<int:course_id>/reports"): ({"report_type": "weekly_activity"}, STAFF_MAKE),
    ("GET", "/api/courses/<int:course_id>/series"): (None, STAFF),
    ("GET", "/api/courses/<int:course_id>/submission_counts"): (None, STAFF),
    ("GET", "/api/courses/<int:course_id>/submissions"): (None, STAFF),
    ("GET", "/api/courses/<int:course_id>/users"): (None, STAFF),
    ("POST", "/api/events"): ({"events": [{}]}, OWN_LIST),
    ("GET", "/api/groups/<int:group_id>/counts"): (None, ROOM),
    ("GET", "/api/groups/<int:group_id>/series"): (None, ROOM),
    ("GET", "/api/jobs"): (None, (401, 403, 403, 403, 403, 403, 200)),
    ("DELETE", "/api/jobs/<job_id>"): (None, (401, 403, 403, 403, 403, 403, 404)),
    ("POST", "/api/jobs/<job_id>/retry"): (None, (401, 403, 403, 403, 403, 403, 404)),
    ("GET", "/api/me"): (None, OWN_LIST),
    ("POST", "/api/recalculations"): (
        {"scope": "assignment", "id": "assignment_id"},
        (401, 404, 403, 404, 403, 202, 202),
    ),
    ("GET", "/api/recalculations/<int:run_id>"): (None, STAFF),
    ("DELETE", "/api/recalculations/<int:run_id>"): (None, (401, 404, 403, 404, 403, 200, 409)),
    ("GET", "/api/reports/<int:report_id>"): (None, ROOM),
    ("GET", "/api/sessions"): (None, OWN_LIST),
    ("POST", "/api/sessions"): (
        {"class_id": "class_id", "assignment_id": "assignment_id"},
        (401, 404, 404, 404, 404, 201, 201),
    ),
    ("GET", "/api/sessions/<int:session_id>"): (None, OWNER),
    ("POST", "/api/sessions/<int:session_id>/<any(open, start, complete, cancel):action>"): (None, ROOM),
    ("POST", "/api/sessions/<int:session_id>/join"): (None, (401, 404, 404, 404, 200, 404, 404)),
    ("POST", "/api/sessions/<int:session_id>/leave"): (None, (401, 404, 404, 404, 200, 404, 404)),
    ("POST", "/api/sessions/<int:session_id>/help"): ({}, (401, 404, 404, 404, 200, 404, 404)),
    ("DELETE", "/api/sessions/<int:session_id>/help"): (None, (401, 404, 404, 404, 204, 404, 404)),
    ("GET", "/api/sessions/<int:session_id>/snapshot"): (None, ROOM),
    ("GET", "/api/sessions/<int:session_id>/activity"): (None, ROOM),
    ("GET", "/api/sessions/<int:session_id>/export.csv"): (None, ROOM),
    ("GET", "/api/sessions/<int:session_id>/summary"): (None, ROOM),
    ("GET", "/api/sessions/<int:session_id>/hints"): (None, OWNER),
    ("POST", "/api/sessions/<int:session_id>/hints"): ({"message": "hint"}, (401, 404, 404, 404, 404, 201, 201)),
    ("GET", PARTICIPANT): (None, ROOM),
    ("GET", f"{PARTICIPANT}/history"): (None, ROOM),
    ("GET", f"{PARTICIPANT}/code"): (None, (401, 404, 404, 404, 404, 422, 422)),
    ("POST", f"{PARTICIPANT}/claim"): (None, (401, 404, 404, 404, 404, 200, 409)),
    ("DELETE", f"{PARTICIPANT}/claim"): (None, ROOM),
    ("POST", f"{PARTICIPANT}/snooze"): ({"minutes": 5}, ROOM),
    ("DELETE", f"{PARTICIPANT}/help"): (None, ROOM),
    ("GET", "/api/submissions/<int:submission_id>"): (None, OWNER),
    ("GET", "/api/submissions/<int:submission_id>/counts"): (None, OWNER),
    ("GET", "/api/submissions/<int:submission_id>/events"): (None, OWNER),
    ("GET", "/api/submissions/<int:submission_id>/series"): (None, OWNER),
    ("POST", "/api/tokens"): ({"email": "a@b", "password": "wrong"}, (401,) * 7),
    ("DELETE", "/api/tokens/current"): (None, (401, 204, 204, 204, 204, 204, 204)),
    ("POST", "/api/users"): ({"items": [{"name": "N", "email": "n@t.x"}]}, (401, 403, 403, 403, 403, 403, 201)),
    ("GET", "/api/users/<int:user_id>"): (None, SELF),
    ("GET", "/api/users/<int:user_id>/counts"): (None, SELF),
    ("GET", "/api/users/<int:user_id>/series"): (None, SELF),
}


@pytest.fixture
def place(app):
    """A school with everything that a route can name, and the seven who ask."""
    school = make_school(2)
    learner, other = school.learners
    row = classes.new_class(viewer(school.teacher), name="Class", student_ids=[learner.id])
    planned = sessions.new_session(viewer(school.teacher), class_id=row.id, assignment_id=school.assignment.id)
    opened = sessions.move(viewer(school.teacher), planned, "open")
    attempt = AttemptModel(student_id=learner.id, test_id=school.assignment.id, session_id=opened.id)
    with transaction() as session:
        session.add(attempt)
    run = recalculation.request_recalculation(
        scope="course", scope_id=school.course.id, dry_run=True, requested_by=school.teacher.id
    )
    ids = {
        "assignment_id": school.assignment.id,
        "attempt_id": attempt.id,
        "class_id": row.id,
        "course_id": school.course.id,
        "group_id": AssignmentGroup.new(school.course.id, school.teacher.id, "Group").id,
        "job_id": "no-such-job",
        "report_id": Report.new(SUBMISSIONS, school.teacher.id, school.course.id).id,
        "run_id": run.id,
        "session_id": opened.id,
        "submission_id": school.submission().id,
        "user_id": learner.id,
        "action": "start",
    }
    people = {
        "nobody": None,
        "parent": make_user("Parent"),
        "other learner": other,
        "other teacher": make_school(0).teacher,
        "learner": learner,
        "teacher": school.teacher,
        "admin": make_user("Admin", is_admin=True),
    }
    return ids, people


def filled(value, ids):
    """A body with the names of ids replaced by the ids."""
    if isinstance(value, dict):
        return {name: filled(item, ids) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, ids) for item in value]
    return ids.get(value, value) if isinstance(value, str) else value


def api_routes(app):
    """The API's rules: {(method, rule text): rule}."""
    return {
        (method, rule.rule): rule
        for rule in app.url_map.iter_rules()
        if rule.rule.startswith("/api")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }


def test_every_route_of_the_api_is_in_the_table_of_rights(app):
    assert set(api_routes(app)) == set(ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_each_route_answers_each_person_by_his_rights(app, place, as_, route):
    (ids, people), (body, expected) = place, ROUTES[route]
    with app.test_request_context():
        _, path = api_routes(app)[route].build({name: ids[name] for name in api_routes(app)[route].arguments})
    options = {"json": filled(body, ids)} if body is not None else {}

    answers = {who: as_(people[who]).open(path, method=route[0], **options) for who in WHO}

    assert {who: answer.status_code for who, answer in answers.items()} == dict(zip(WHO, expected, strict=True))
    for answer in answers.values():
        if answer.status_code >= 400:
            assert set(answer.json) >= {"error", "message"}


def test_nobody_learns_what_exists(app, place, as_):
    ids, _ = place
    unknown = {**dict.fromkeys(ids, 999_999), "action": "start"}
    routes = {route: rule for route, rule in api_routes(app).items() if route[1] != "/api/tokens"}

    for (method, text), rule in routes.items():
        with app.test_request_context():
            paths = [rule.build({name: known[name] for name in rule.arguments})[1] for known in (ids, unknown)]
        answers = [as_(None).open(path, method=method, data="{") for path in paths]
        assert [answer.status_code for answer in answers] == [401, 401], text
        assert answers[0].data == answers[1].data, text


# --- people ---


def test_me_says_who_i_am_and_what_i_am_where(school, as_):
    school.teacher.add_role("learner", school.course.id)

    told = as_(school.teacher).get("/api/me").json

    assert told == {
        "id": school.teacher.id,
        "name": "Teacher",
        "email": school.teacher.email,
        "is_admin": False,
        "courses": [{"course_id": school.course.id, "roles": ["instructor", "learner"]}],
    }


def test_accounts_are_made_in_the_order_asked_and_known_ones_left_alone(school, as_, app):
    admin, known = as_(make_user("Admin", is_admin=True)), school.teacher
    items = [
        {"name": "One", "email": "One@Test.School", "password": PASSWORD},
        {"name": "Hacked", "email": known.email.upper(), "password": "another password", "is_admin": True},
        {"name": "Two", "email": "two@test.school", "is_admin": True},
    ]

    answer = admin.post("/api/users", json={"items": items})

    release()
    made = [db.session.get(User, item["id"]) for item in answer.json["items"]]
    assert answer.status_code == 201
    assert [item["status"] for item in answer.json["items"]] == ["created", "exists", "created"]
    assert [item["email"] for item in answer.json["items"]] == ["one@test.school", known.email, "two@test.school"]
    assert [(user.name, user.is_admin) for user in made] == [("One", False), ("Teacher", False), ("Two", True)]
    assert made[1].password_hash is None
    login = as_(None).post("/api/tokens", json={"email": "one@test.school", "password": PASSWORD})
    assert login.status_code == 201


def test_accounts_made_twice_are_the_same_accounts(app, as_):
    admin, body = as_(make_user("Admin", is_admin=True)), {"items": [{"name": "One", "email": "one@test.school"}]}

    first, second = (admin.post("/api/users", json=body).json["items"][0] for _ in range(2))

    assert (first["status"], second["status"], second["id"]) == ("created", "exists", first["id"])


def test_five_hundred_accounts_are_made_at_once(app, as_):
    admin = as_(make_user("Admin", is_admin=True))
    items = [{"name": f"N{n}", "email": f"n{n}@test.school"} for n in range(500)]

    answer = admin.post("/api/users", json={"items": items})

    assert answer.status_code == 201
    assert len({item["id"] for item in answer.json["items"]}) == 500


def test_an_admins_look_at_an_account_is_written_down(school, as_):
    admin = make_user("Admin", is_admin=True)

    as_(admin).get(f"/api/users/{school.learners[0].id}")
    as_(admin).get(f"/api/users/{admin.id}")

    rows = db.session.scalars(select(AnalyticsAccessAudit)).all()
    assert [(row.actor_id, row.subject_id) for row in rows] == [(admin.id, school.learners[0].id)]


# --- courses, roles, groups, assignments ---


def test_who_makes_a_course_teaches_it(as_):
    admin = make_user("Admin", is_admin=True)

    made = as_(admin).post("/api/courses", json={"name": "  New course "})

    assert (made.status_code, made.json["name"], made.json["owner_id"]) == (201, "New course", admin.id)
    assert as_(admin).get("/api/me").json["courses"] == [{"course_id": made.json["id"], "roles": ["instructor"]}]


def test_courses_are_listed_by_pages_to_those_who_are_in_them(school, as_):
    admin = as_(make_user("Admin", is_admin=True))
    ids = [school.course.id] + [admin.post("/api/courses", json={"name": f"C{n}"}).json["id"] for n in range(4)]

    pages, after = [], 0
    while after is not None:
        page = admin.get(f"/api/courses?limit=2&after={after}").json
        pages.append([item["id"] for item in page["items"]])
        after = page["next"]

    assert pages == [ids[:2], ids[2:4], ids[4:]]
    assert [item["id"] for item in as_(school.learners[0]).get("/api/courses").json["items"]] == ids[:1]
    assert as_(make_user()).get("/api/courses").json == {"items": [], "next": None}


def test_a_list_that_just_fills_its_page_has_no_next(school, as_):
    told = as_(school.teacher).get(f"/api/courses/{school.course.id}/users?limit=4").json

    assert (len(told["items"]), told["next"]) == (4, None)


def test_roles_are_given_and_taken_and_counted_by_the_difference(school, as_, run_jobs):
    teacher, newcomer = as_(school.teacher), make_user("Newcomer")
    path = f"/api/courses/{school.course.id}"

    def total():
        run_jobs()
        told = teacher.get(f"{path}/counts").json
        return told["total_users"], told["total_students"], told["total_instructors"]

    seen = [total()]
    for method, role in (("put", "learner"), ("put", "learner"), ("put", "teaching_assistant"), ("delete", "learner")):
        body = {"role": role, "user_ids": [newcomer.id, newcomer.id]}
        assert getattr(teacher, method)(f"{path}/roles", json=body).status_code == 200
        seen.append(total())

    assert seen == [(4, 3, 1), (5, 4, 1), (5, 4, 1), (5, 4, 1), (5, 3, 1)]
    assert roles_of(school.course)[newcomer.id] == {"teaching_assistant"}


def test_a_role_taken_away_ends_what_it_allowed_at_once(school, as_):
    learner = as_(school.learners[0])
    before = learner.get(f"/api/courses/{school.course.id}").status_code

    as_(school.teacher).delete(
        f"/api/courses/{school.course.id}/roles", json={"role": "learner", "user_ids": [school.learners[0].id]}
    )

    assert (before, learner.get(f"/api/courses/{school.course.id}").status_code) == (200, 404)


def test_an_assistant_reads_the_course_and_changes_nothing_in_it(school, as_):
    assistant = make_user("Assistant")
    assistant.add_role("teaching_assistant", school.course.id)
    caller, path = as_(assistant), f"/api/courses/{school.course.id}"

    assert caller.get(f"{path}/users").status_code == 200
    assert caller.post(f"{path}/assignments", json={"name": "A"}).status_code == 403
    body = {"role": "instructor", "user_ids": [assistant.id]}
    assert caller.put(f"{path}/roles", json=body).status_code == 403
    assert roles_of(school.course)[assistant.id] == {"teaching_assistant"}


def test_people_of_a_course_are_told_with_all_their_roles(school, as_):
    school.learners[0].add_role("teaching_assistant", school.course.id)

    told = as_(school.teacher).get(f"/api/courses/{school.course.id}/users").json["items"]

    assert {item["id"]: item["roles"] for item in told} == {
        school.teacher.id: ["instructor"],
        school.learners[0].id: ["learner", "teaching_assistant"],
        school.learners[1].id: ["learner"],
        school.learners[2].id: ["learner"],
    }
    assert all(set(item) == {"id", "name", "email", "roles"} for item in told)


def test_groups_come_one_after_the_other_and_take_assignments_of_their_course_only(school, as_):
    teacher, path = as_(school.teacher), f"/api/courses/{school.course.id}"
    foreign = make_school(0)
    theirs = as_(foreign.teacher).post(f"/api/courses/{foreign.course.id}/groups", json={"name": "Theirs"}).json

    groups = [teacher.post(f"{path}/groups", json={"name": name}).json for name in ("One", "Two")]
    made = teacher.post(f"{path}/assignments", json={"name": "A", "group_id": groups[1]["id"]})
    refused = teacher.post(f"{path}/assignments", json={"name": "B", "group_id": theirs["id"]})

    assert [group["position"] for group in groups] == [1, 2]
    assert made.status_code == 201
    assert (refused.status_code, refused.json["field"]) == (422, "group_id")
    assert [item["name"] for item in teacher.get(f"{path}/assignments").json["items"]] == ["Exercise", "A"]


def test_an_assignment_is_made_as_told_and_its_checks_are_not_told_by_the_api(school, as_):
    fields = {"name": " A ", "instructions": "# Do", "starting_code": "y = 1", "on_run": "secret", "type": "python"}

    made = as_(school.teacher).post(f"/api/courses/{school.course.id}/assignments", json=fields)
    read = as_(school.learners[0]).get(f"/api/assignments/{made.json['id']}")

    assert made.status_code == 201
    assert read.json == made.json
    assert {name: read.json[name] for name in ("name", "instructions", "starting_code", "type")} == {
        "name": "A",
        "instructions": "# Do",
        "starting_code": "y = 1",
        "type": "python",
    }
    assert "secret" not in read.text


# --- submissions ---


def test_my_submission_is_made_once_without_a_clock_of_mine(school, as_, run_jobs):
    caller, path = as_(school.learners[0]), f"/api/assignments/{school.assignment.id}/submissions/me"

    first, second = caller.put(path), caller.put(path)

    events = caller.get(f"/api/submissions/{first.json['id']}/events").json["items"]
    assert (first.status_code, second.json) == (200, first.json)
    assert (first.json["user_id"], first.json["course_id"]) == (school.learners[0].id, school.course.id)
    assert [item["event_type"] for item in events] == ["File.Create", "Submission.Create"]
    assert [item["occurred_at"] for item in events] == [None, None]


def test_the_api_tells_a_submission_without_its_code(school, as_):
    work = school.submission()

    told = as_(school.learners[0]).get(f"/api/submissions/{work.id}").json

    assert told["id"] == work.id
    assert not {"code", "extra_files"} & set(told)


def test_submissions_are_listed_and_sieved_for_staff(school, as_):
    works, teacher = [school.submission(n) for n in range(3)], as_(school.teacher)
    path = f"/api/courses/{school.course.id}/submissions"

    everything = teacher.get(path).json["items"]
    page = teacher.get(f"{path}?limit=1&after={works[0].id}").json
    one = teacher.get(f"{path}?user_id={works[2].user_id}&assignment_id={school.assignment.id}").json["items"]
    wrong = teacher.get(f"{path}?user_id=x")

    assert [item["id"] for item in everything] == [work.id for work in works]
    assert ([item["id"] for item in page["items"]], page["next"]) == ([works[1].id], works[1].id)
    assert [item["id"] for item in one] == [works[2].id]
    assert (wrong.status_code, wrong.json["field"]) == (422, "user_id")


def test_a_learner_of_two_courses_has_work_in_each_apart(school, as_):
    other = make_school(0)
    school.learners[0].add_role("learner", other.course.id)
    caller = as_(school.learners[0])

    ids = {caller.put(f"/api/assignments/{s.assignment.id}/submissions/me").json["id"] for s in (school, other)}

    assert len(ids) == 2
    assert as_(other.teacher).get(f"/api/submissions/{min(ids)}").status_code == 404
    assert as_(other.teacher).get(f"/api/submissions/{max(ids)}").status_code == 200


def test_a_learner_who_comes_later_is_a_learner_like_the_others(school, as_):
    late = make_learner(school.course, "Late")

    assert as_(late).put(f"/api/assignments/{school.assignment.id}/submissions/me").status_code == 200
