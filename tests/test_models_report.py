"""Reports: made and kept, read, taken along as a table, counted, for staff alone."""

import csv
import io

import pytest
from sqlalchemy import select, update

from models import projections
from models.counters import SUBMISSION_NUMBERS, CountsDaily, ReportCounts, UserCounts, helpers
from models.db import db, release, transaction
from models.errors import Invalid
from models.report import ACTIVITY, REPORT_TYPES, SUBMISSION_COLUMNS, SUBMISSIONS, Report, list_reports
from models.user import TEACHING_ASSISTANT
from tests.factories import make_event, make_school, make_user, store
from tests.test_models_projections import fold_all, log_size

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def busy(school):
    """A school in which two learners have worked."""
    for index in range(2):
        work = school.submission(index)
        store(*(make_event(work) for _ in range(index + 2)))
    fold_all()
    return school


def counted(school, report_type=SUBMISSIONS):
    """(made, viewed, the maker's reports) as they are counted now."""
    fold_all()
    row = db.session.get(ReportCounts, (report_type, school.course.id))
    maker = db.session.get(UserCounts, school.teacher.id)
    return (row.total_generated, row.total_viewed, maker.total_reports) if row else (0, 0, maker.total_reports)


def test_a_report_keeps_what_the_counters_were(busy):
    report = Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id)
    store(make_event(busy.submission()))
    fold_all()

    kept = db.session.get(Report, report.id).content
    assert kept["columns"] == [*SUBMISSION_COLUMNS, *SUBMISSION_NUMBERS]
    told = [dict(zip(kept["columns"], row, strict=True)) for row in kept["rows"]]
    assert [(row["user_id"], row["runs"]) for row in told] == [(user.id, n) for n, user in enumerate(busy.learners, 2)][
        :2
    ]
    assert all(row["assignment_id"] == busy.assignment.id for row in told)


def test_a_report_of_the_weeks_adds_up_to_the_course(busy):
    report = Report.new(ACTIVITY, busy.teacher.id, busy.course.id)

    kept = report.content
    columns = kept["columns"]
    totals = {name: sum(row[columns.index(name)] for row in kept["rows"]) for name in columns[1:]}
    assert columns[0] == "week"
    assert (totals["runs"], totals["submissions"], totals["students"]) == (5, 2, 3)


@SQLITE
@pytest.mark.parametrize("report_type", REPORT_TYPES)
def test_a_course_in_which_nothing_happened_has_an_empty_report(app, report_type):
    school = make_school(0)

    report = Report.new(report_type, school.teacher.id, school.course.id)

    assert report.content["rows"] == []
    assert report.content["columns"]


@SQLITE
@pytest.mark.parametrize("report_type", ["", "everything", None, 5])
def test_an_unknown_kind_is_refused_and_nothing_is_kept(school, report_type):
    before = log_size()

    with pytest.raises(Invalid) as refusal:
        Report.new(report_type, school.teacher.id, school.course.id)

    assert refusal.value.field == "report_type"
    assert (db.session.scalars(select(Report)).all(), log_size()) == ([], before)


def test_making_and_viewing_are_counted_for_the_kind_the_course_and_the_maker(busy):
    first = Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id)
    Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id)
    Report.new(ACTIVITY, busy.teacher.id, busy.course.id)
    first.viewed(busy.learners[0].id)

    assert counted(busy) == (2, 1, 3)
    assert counted(busy, ACTIVITY) == (1, 0, 3)
    days = select(CountsDaily.metric, CountsDaily.value).where(CountsDaily.metric.like("reports%"))
    found = {(*row,) for row in db.session.execute(days.where(CountsDaily.entity_type == "course"))}
    assert found == {("reports_generated", 3), ("reports_viewed", 1)}
    assert helpers.recalculate_course_counts(busy.course.id) == []
    assert projections.recalculate_reports(busy.course.id) == []
    assert helpers.recalculate_user_counts(busy.teacher.id) == []


def test_a_report_that_is_rolled_back_was_never_made(busy):
    before = counted(busy), log_size()

    def roll_back():
        with transaction():
            Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll_back()

    assert (counted(busy), log_size()) == before
    assert list_reports(busy.course.id, most=5) == []


def test_corrupted_report_counts_are_found_and_mended(busy):
    Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id).viewed(busy.teacher.id)
    right = counted(busy)
    with transaction() as session:
        session.execute(update(ReportCounts).values(total_generated=70, total_viewed=0, last_generated=None))
        session.execute(update(UserCounts).values(total_reports=9))

    found = projections.recalculate_reports(busy.course.id, dry_run=True)
    assert {(d["field"].split()[-1], d["was"]) for d in found} >= {("total_generated", 70), ("total_viewed", 0)}
    assert helpers.recalculate_report_counts(SUBMISSIONS, busy.course.id) == found
    helpers.recalculate_user_counts(busy.teacher.id)

    assert counted(busy) == right
    assert projections.recalculate_reports(busy.course.id) == []


def test_lost_report_counts_are_made_again(busy):
    Report.new(ACTIVITY, busy.teacher.id, busy.course.id)
    right = counted(busy, ACTIVITY)
    with transaction() as session:
        session.query(ReportCounts).delete()

    assert projections.recalculate_reports(busy.course.id)

    assert counted(busy, ACTIVITY) == right


# --- over HTTP ---


def make(caller, school, report_type=SUBMISSIONS):
    return caller.post(f"/api/courses/{school.course.id}/reports", json={"report_type": report_type})


def test_a_report_is_made_listed_and_read(busy, as_):
    teacher = as_(busy.teacher)

    made = [make(teacher, busy, kind) for kind in (SUBMISSIONS, ACTIVITY)]
    listed = teacher.get(f"/api/courses/{busy.course.id}/reports").json
    read = teacher.get(f"/api/reports/{made[0].json['id']}")

    assert [answer.status_code for answer in (*made, read)] == [201, 201, 200]
    assert listed == {"items": [answer.json for answer in reversed(made)], "next": None}
    assert made[0].json | {"content": read.json["content"]} == read.json
    assert set(made[0].json) == {"id", "report_type", "user_id", "course_id", "date_created"}
    assert made[0].json["date_created"].endswith("Z")
    assert counted(busy) == (1, 1, 2)


@SQLITE
def test_the_newest_reports_are_listed_as_many_as_asked(busy, as_):
    teacher = as_(busy.teacher)
    ids = [make(teacher, busy).json["id"] for _ in range(3)]

    told = teacher.get(f"/api/courses/{busy.course.id}/reports?limit=2").json["items"]
    wrong = teacher.get(f"/api/courses/{busy.course.id}/reports?limit=0")

    assert [item["id"] for item in told] == ids[:0:-1]
    assert (wrong.status_code, wrong.json["field"]) == (422, "limit")


@SQLITE
def test_a_report_as_a_table_is_the_same_report(busy, as_):
    teacher = as_(busy.teacher)
    report_id = make(teacher, busy).json["id"]

    file = teacher.get(f"/api/reports/{report_id}?format=csv")
    content = teacher.get(f"/api/reports/{report_id}?format=json").json["content"]

    rows = list(csv.reader(io.StringIO(file.text)))
    assert rows[0] == content["columns"]
    assert rows[1:] == [[str(value) for value in row] for row in content["rows"]]
    assert file.mimetype == "text/csv"
    assert f"{SUBMISSIONS}-" in file.headers["Content-Disposition"]
    assert f"-{report_id}.csv" in file.headers["Content-Disposition"]
    assert counted(busy) == (1, 2, 1)


DANGEROUS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", '=HYPERLINK("http://x","y")']


@SQLITE
def test_no_text_of_a_table_becomes_a_formula_and_quotes_survive(busy, as_):
    texts = [*DANGEROUS, 'a "quoted", text', "two\nlines", "ü"]
    report = Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id)
    with transaction() as session:
        content = {"columns": ["text", "number"], "rows": [[text, -1.5] for text in texts]}
        session.execute(update(Report).where(Report.id == report.id).values(content=content))

    file = as_(busy.teacher).get(f"/api/reports/{report.id}?format=csv")

    rows = list(csv.reader(io.StringIO(file.text, newline="")))[1:]
    assert [row[0] for row in rows] == [f"'{text}" for text in DANGEROUS] + texts[len(DANGEROUS) :]
    assert {row[1] for row in rows} == {"-1.5"}


@SQLITE
def test_a_report_from_before_contents_were_kept_is_empty(busy, as_):
    report = Report.new(SUBMISSIONS, busy.teacher.id, busy.course.id)
    with transaction() as session:
        session.execute(update(Report).values(content=None))
    teacher = as_(busy.teacher)

    read, file = (teacher.get(f"/api/reports/{report.id}{query}") for query in ("", "?format=csv"))

    assert (read.status_code, read.json["content"]) == (200, {"columns": [], "rows": []})
    assert (file.status_code, file.text.strip()) == (200, "")


@SQLITE
def test_a_form_that_is_not_known_is_refused_and_not_counted_as_a_look(busy, as_):
    teacher = as_(busy.teacher)
    report_id = make(teacher, busy).json["id"]

    wrong = teacher.get(f"/api/reports/{report_id}?format=xlsx")
    kind = make(teacher, busy, "everything")
    missing = teacher.post(f"/api/courses/{busy.course.id}/reports", json={})

    assert [(answer.status_code, answer.json["field"]) for answer in (wrong, kind, missing)] == [
        (422, "format"),
        (422, "report_type"),
        (422, "report_type"),
    ]
    assert counted(busy) == (1, 0, 1)


@SQLITE
def test_reports_are_for_the_staff_of_their_course(busy, as_):
    assistant, other = make_user("Assistant"), make_school(1)
    assistant.add_role(TEACHING_ASSISTANT, busy.course.id)
    report_id = make(as_(busy.teacher), busy).json["id"]
    theirs = make(as_(other.teacher), other).json["id"]
    people = [busy.teacher, assistant, busy.learners[0], other.teacher, make_user("Admin", is_admin=True)]

    read = [as_(user).get(f"/api/reports/{report_id}").status_code for user in people]
    made = [make(as_(user), busy).status_code for user in people]

    assert read == [200, 200, 404, 404, 200]
    assert made == [201, 201, 403, 404, 201]
    assert as_(busy.teacher).get(f"/api/reports/{theirs}").status_code == 404
    release()
    listed = as_(busy.teacher).get(f"/api/courses/{busy.course.id}/reports").json["items"]
    assert theirs not in [item["id"] for item in listed]
