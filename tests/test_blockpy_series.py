"""Numbers over time: days add up to the totals, weeks are sums of days and begin on Monday, for those who may look."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import func, select

from models.assignment import Assignment, AssignmentGroup
from models.counters import (
    AssignmentCounts,
    AssignmentGroupCounts,
    CountsDaily,
    CourseCounts,
    SubmissionCounts,
    UserCounts,
    helpers,
    series,
)
from models.db import db, release, to_ms, transaction, utcnow
from models.errors import Invalid
from models.projections.counts import METRICS
from models.submission import Submission
from models.user import TEACHING_ASSISTANT, change_roles
from tests.factories import make_event, make_school, make_user, store
from tests.test_models_projections import fold_all

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
DAY_MS = 86_400_000


class Week:
    """A class at work on three days: over midnight, late, with a group, a report, a login and a leaving learner."""

    def __init__(self, school):
        self.school = school
        self.group = AssignmentGroup.new(school.course.id, school.teacher.id, "Loops")
        self.exercise = Assignment.new(school.course.id, school.teacher.id, "In a group", group_id=self.group.id)
        self.works = [Submission.from_assignment(self.exercise, user.id) for user in school.learners]
        self.works.append(school.submission())
        self.today_ms = to_ms(utcnow()) // DAY_MS * DAY_MS
        for number, work in enumerate(self.works):
            self.play(work, number)
        helpers.update_user_activity(school.learners[0].id, "login")
        helpers.increment_report_count("progress", school.course.id, school.learners[0].id)
        change_roles(school.course.id, [school.learners[2].id], "learner", add=False, actor_id=None)
        fold_all()

    def play(self, work, number):
        evening = self.today_ms - 2 * DAY_MS - 100_000 * (number + 1)
        said = [("File.Edit", {}), ("Run.Program", {}), ("Intervention", {"tests": 4, "successes": 1})]
        said += [("Compile.Error", {"message": "SyntaxError: bad"}), ("Run.Program", ERROR), ("Intervention", RUNTIME)]
        moments = range(evening, evening + 60_000 * len(said) * 3, 60_000)
        events = [make_event(work, kind, at_ms=at, **p) for at, (kind, p) in zip(moments, said * 3, strict=True)]
        late = [
            make_event(work, "File.Edit", at_ms=evening - DAY_MS),
            make_event(work, at_ms=self.today_ms - 4 * DAY_MS),
        ]
        store(*events, *late)
        helpers.update_time_spent(work.id, 40)


ERROR = {"category": "ProgramErrorOutput", "message": "NameError: name 'x' is not defined"}
RUNTIME = {"category": "runtime", "message": "An error"}


@pytest.fixture
def week(school):
    return Week(school)


def summed(entity_type, entity_id):
    """{metric: sum over all days} of one entity."""
    release()
    query = select(CountsDaily.metric, func.sum(CountsDaily.value)).group_by(CountsDaily.metric)
    rows = db.session.execute(query.where(CountsDaily.entity_type == entity_type, CountsDaily.entity_id == entity_id))
    return {metric: int(value) for metric, value in rows if value}


def figures(row, **names):
    """The numbers of a row under their metrics' names, without those that are 0."""
    found = {metric: getattr(row, name) for metric, name in names.items()}
    return {metric: value for metric, value in found.items() if value}


def test_days_of_a_submission_add_up_to_its_counts(week):
    for work in week.works:
        row = db.session.get(SubmissionCounts, work.id)
        days = set(
            db.session.scalars(select(CountsDaily.stat_date).filter_by(entity_type="submission", entity_id=work.id))
        )

        assert summed("submission", work.id) == figures(row, **{name: name for name in METRICS})
        assert len(days) >= 3


def test_days_of_a_person_add_up_to_the_persons_counts_and_works(week):
    for user in week.school.learners:
        row, days = db.session.get(UserCounts, user.id), summed("user", user.id)
        works = [work.id for work in week.works if work.user_id == user.id]
        parts = [summed("submission", work_id) for work_id in works]

        assert {name: days.get(name, 0) for name in METRICS} == {
            name: sum(part.get(name, 0) for part in parts) for name in METRICS
        }
        names = {
            "submissions": "total_submissions",
            "reports_generated": "total_reports",
            "time_spent_ms": "time_spent_ms",
        }
        assert {name: days[name] for name in names if name in days} == figures(row, **names)
        assert ("logins" in days) == bool(row.last_logged_in)


def test_days_of_an_assignment_a_group_and_a_course_add_up_to_theirs(week):
    course, group = week.school.course, week.group
    parts = [summed("submission", work.id) for work in week.works]
    total = {name: sum(part.get(name, 0) for part in parts) for name in METRICS}

    row = db.session.get(CourseCounts, course.id)
    names = ("submissions", "assignments", "assignment_groups", "users", "students", "instructors")
    whole = summed("course", course.id)
    assert {name: whole.get(name, 0) for name in METRICS} == total
    assert {name: whole[name] for name in names} == {name: getattr(row, f"total_{name}") for name in names}
    assert (row.total_students, whole["reports_generated"]) == (2, 1)
    row = db.session.get(AssignmentGroupCounts, group.id)
    assert summed("assignment_group", group.id) == figures(
        row, assignments="total_assignments", submissions="total_submissions"
    )
    exercise = summed("assignment", week.exercise.id)
    assert exercise["submissions"] == db.session.get(AssignmentCounts, week.exercise.id).total_submissions == 3
    assert exercise["runs"] == sum(part["runs"] for part in parts[:3])


def test_an_event_belongs_to_the_day_of_its_own_clock(week):
    found = dict(series.daily_series(db.session, "submission", week.works[0].id))

    today = datetime.fromtimestamp(week.today_ms / 1000, UTC).date()
    before, after, old = (found[today - timedelta(days=n)] for n in (3, 2, 4))
    assert before["edits"] + after["edits"] == 3
    assert before["runs"] > 0 < after["runs"]
    assert (old["edits"], old["runs"]) == (1, 1)


def test_every_day_is_found_again_by_a_recalculation(week):
    course_id = week.school.course.id

    assert helpers.recalculate_course_counts(course_id) == []
    assert helpers.recalculate_assignment_counts(week.exercise.id) == []
    assert helpers.recalculate_assignment_group_counts(week.group.id) == []


@pytest.mark.parametrize("entity", ["submission", "user", "assignment", "assignment_group", "course"])
def test_weeks_are_sums_of_days_and_begin_on_monday(week, entity):
    ids = {
        "submission": week.works[0].id,
        "user": week.school.learners[0].id,
        "assignment": week.exercise.id,
        "assignment_group": week.group.id,
        "course": week.school.course.id,
    }
    days = series.daily_series(db.session, entity, ids[entity])

    weeks = series.weekly_series(db.session, entity, ids[entity])

    expected = {}
    for day, told in days:
        for metric, value in told.items():
            place = expected.setdefault(day - timedelta(days=day.weekday()), {})
            place[metric] = place.get(metric, 0) + value
    assert dict(weeks) == expected
    assert all(monday.weekday() == 0 for monday, _ in weeks)
    assert [monday for monday, _ in weeks] == sorted(monday for monday, _ in weeks)


@SQLITE
def test_a_range_of_weeks_takes_whole_weeks(school):
    work, monday = school.submission(), date(2026, 1, 5)
    place = {"entity_type": "submission", "entity_id": work.id, "metric": "runs", "value": 1}
    with transaction() as session:
        session.add_all(CountsDaily(stat_date=monday + timedelta(days=n), **place) for n in range(-1, 9))

    wednesday = monday + timedelta(days=2)
    found = series.weekly_series(db.session, "submission", work.id, first=wednesday, last=wednesday)

    assert found == [(monday, {"runs": 7})]


# --- over HTTP ---


def paths(week):
    return {
        "submission": f"/api/submissions/{week.works[0].id}/series",
        "user": f"/api/users/{week.works[0].user_id}/series",
        "assignment": f"/api/assignments/{week.exercise.id}/series",
        "group": f"/api/groups/{week.group.id}/series",
        "course": f"/api/courses/{week.school.course.id}/series",
    }


@SQLITE
def test_a_series_is_told_by_days_and_by_weeks(week, as_):
    teacher, path = as_(week.school.teacher), paths(week)["course"]

    days, weeks = (teacher.get(f"{path}?period={period}").json for period in ("day", "week"))

    assert (days["period"], weeks["period"]) == ("day", "week")
    assert days == teacher.get(path).json
    assert date.fromisoformat(days["to"]) - date.fromisoformat(days["from"]) == timedelta(days=89)
    for name in ("runs", "submissions", "time_spent_ms"):
        assert sum(item.get(name, 0) for item in days["items"]) == sum(item.get(name, 0) for item in weeks["items"])
    assert [item["date"] for item in days["items"]] == sorted(item["date"] for item in days["items"])
    assert sum(item.get("runs", 0) for item in days["items"]) == summed("course", week.school.course.id)["runs"]


@SQLITE
def test_a_series_of_some_days_has_only_those(week, as_):
    teacher, path = as_(week.school.teacher), paths(week)["course"]
    day = (datetime.fromtimestamp(week.today_ms / 1000, UTC) - timedelta(days=2)).date().isoformat()

    one = teacher.get(f"{path}?from={day}&to={day}").json
    none = teacher.get(f"{path}?from=2020-01-01&to=2020-12-31").json

    assert [item["date"] for item in one["items"]] == [day]
    assert (none["items"], none["from"], none["to"]) == ([], "2020-01-01", "2020-12-31")


@SQLITE
def test_a_series_is_for_the_owner_and_staff(week, as_):
    school, assistant = week.school, make_user("Assistant")
    assistant.add_role(TEACHING_ASSISTANT, school.course.id)
    people = {
        "owner": school.learners[0],
        "other": school.learners[1],
        "teacher": school.teacher,
        "assistant": assistant,
        "foreign": make_school(0).teacher,
        "admin": make_user("Admin", is_admin=True),
    }

    seen = {name: [as_(user).get(path).status_code for user in people.values()] for name, path in paths(week).items()}

    assert seen == {
        "submission": [200, 404, 200, 200, 404, 200],
        "user": [200, 404, 404, 404, 404, 200],
        "assignment": [403, 403, 200, 200, 404, 200],
        "group": [404, 404, 200, 200, 404, 200],
        "course": [403, 403, 200, 200, 404, 200],
    }


WRONG = {
    "period=hour": "period",
    "period=": "period",
    "from=x": "from",
    "to=2026-02-30": "to",
    "from=2026-1-1": "from",
    "from=2026-02-01&to=2026-01-31": "from",
    "from=2020-01-01&to=2026-01-01": "from",
    "to=0001-01-01": "to",
    "from=0001-01-01&to=1970-01-02&period=week": "from",
    "from=9999-12-01&to=9999-12-31&period=week": "to",
    "from=2026-01-01T00:00": "from",
    "to=%00": "to",
}


@SQLITE
@pytest.mark.parametrize("query", WRONG)
def test_a_question_that_makes_no_sense_is_refused_by_its_field(week, as_, query):
    caller = as_(week.school.teacher)

    for path in (paths(week)["course"], paths(week)["submission"]):
        answer = caller.get(f"{path}?{query}")

        assert (answer.status_code, answer.json["error"], answer.json["field"]) == (422, "invalid", WRONG[query])


def test_the_longest_range_is_three_years():
    today = date(2026, 3, 31)

    assert series.wanted_days(None, None, today=today) == (date(2026, 1, 1), today)
    assert series.wanted_days("", "", today=today) == (date(2026, 1, 1), today)
    first = today - timedelta(days=series.MOST_DAYS)
    assert series.wanted_days(first.isoformat(), None, today=today) == (first, today)
    with pytest.raises(Invalid):
        series.wanted_days((first - timedelta(days=1)).isoformat(), None, today=today)


@SQLITE
def test_statistics_of_gaps_come_with_the_counts(week, as_):
    teacher = as_(week.school.teacher)

    told = [
        teacher.get(f"/api/{kind}/{key}/counts").json
        for kind, key in (("submissions", week.works[0].id), ("assignments", week.exercise.id))
    ]

    names = {"count", "mean", "standard_deviation", "population_standard_deviation", "min", "max"}
    for one in told:
        for kind in ("edit", "attempt"):
            statistics = one[f"{kind}_statistics"]
            assert set(statistics) == names | {"p50", "p90", "p95", "p99"}
            assert statistics["count"] == one[f"{kind}_count"]
    assert told[0]["edit_statistics"]["mean"] == told[0]["average_edit_time"]
    assert told[1]["attempt_statistics"]["count"] > told[0]["attempt_statistics"]["count"] > 0
