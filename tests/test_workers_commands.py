"""The command line: recalculate and verify counts in every scope, look without touching, stop and go on."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from sqlalchemy import select, text, update

from models.assignment import Assignment, AssignmentGroup
from models.counters import (
    AssignmentCounts,
    AssignmentGroupCounts,
    CountsDaily,
    CourseCounts,
    ReportCounts,
    SubmissionCounts,
    UserCounts,
)
from models.db import db, release, transaction, utcnow
from models.report import SUBMISSIONS, Report
from models.streams import CANCELLED, DONE, FAILED, RUNNING, JobRun, ProjectionHead, UserStream
from models.submission import Submission
from models.user import LEARNER, set_roles
from tests.factories import make_event, make_school, make_user, store
from tests.processes import ROOT
from tests.test_models_counters_helpers import recalculated, tables
from tests.test_models_projections import fold_all
from workers import recalculation

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
SCOPES = ("submission", "assignment", "group", "user", "course", "all")
MANY = 40


@pytest.fixture
def run(app):
    """`run("verify-counts", "--all")`: what a person sees who types that."""
    runner = app.test_cli_runner()

    def call(*arguments):
        release()
        return runner.invoke(args=[str(argument) for argument in arguments])

    return call


@pytest.fixture
def place(school):
    """A school with work in a group and a report, all of it counted; {scope: its option}."""
    group = AssignmentGroup.new(school.course.id, school.teacher.id, "Loops")
    exercise = Assignment.new(school.course.id, school.teacher.id, "In a group", group_id=group.id)
    works = [Submission.from_assignment(exercise, user.id) for user in school.learners]
    for work in works:
        store(*(make_event(work, kind) for kind in ("Run.Program", "File.Edit", "Run.Program")))
    Report.new(SUBMISSIONS, school.teacher.id, school.course.id)
    fold_all()
    ids = (works[0].id, exercise.id, group.id, school.learners[0].id, school.course.id)
    return {scope: (f"--{scope}", key) for scope, key in zip(SCOPES, ids, strict=False)} | {"all": ("--all",)}


def spoil(table, **values):
    with transaction() as session:
        session.execute(update(table).values(values))


def everything():
    """Every row of every table, but the runs of jobs."""
    release()
    return tables(sorted(set(db.metadata.tables) - {"job_runs"}))


def latest_run():
    release()
    return db.session.scalar(select(JobRun).order_by(JobRun.id.desc()).limit(1))


# what of a scope can be spoiled: its own rows and the rows of whoever works in it
OWN = {
    "submission": (SubmissionCounts, {"runs": 70}),
    "assignment": (AssignmentCounts, {"total_submissions": 70}),
    "group": (AssignmentGroupCounts, {"total_assignments": 70}),
    "user": (UserCounts, {"total_submissions": 70}),
    "course": (CourseCounts, {"total_users": 70}),
    "all": (ReportCounts, {"total_generated": 70}),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_scope_is_mended_and_then_right(school, place, run, scope):
    table, values = OWN[scope]
    right = everything()
    spoil(table, **values)

    first, second, seen = (run(name, *place[scope]) for name in ("recalculate-counts",) * 2 + ("verify-counts",))

    assert [answer.exit_code for answer in (first, second, seen)] == [0, 0, 0], first.output
    assert " 0 differences" in second.output
    assert " 0 differences" not in first.output
    assert first.stdout.startswith("table ")
    assert run("recalculate-counts", "--all").exit_code == 0
    assert everything() == right
    assert recalculated(school) == []


@pytest.mark.parametrize("scope", SCOPES)
def test_a_dry_run_shows_the_same_and_writes_nothing(place, run, scope):
    table, values = OWN[scope]
    spoil(table, **values)
    before = everything()

    looked = run("recalculate-counts", *place[scope], "--dry-run")
    verified = run("verify-counts", *place[scope])
    after = everything()
    mended = run("recalculate-counts", *place[scope])

    assert after == before
    assert (looked.exit_code, verified.exit_code, mended.exit_code) == (0, 1, 0)
    assert table_of(looked) == table_of(verified) == table_of(mended)
    assert table_of(looked)
    assert latest_run().status == DONE


def table_of(answer):
    """The lines of the differences that a command printed."""
    return [
        line for line in answer.stdout.splitlines() if line.startswith(("counts_", *(f"{s}_counts" for s in WORDS)))
    ]


WORDS = ("submission", "assignment", "assignment_group", "user", "course", "report")


@pytest.mark.parametrize("lost", [SubmissionCounts, UserCounts, CourseCounts, AssignmentCounts, CountsDaily])
def test_lost_rows_are_seen_and_a_dry_run_does_not_bring_them_back(place, run, lost):
    right = everything()
    with transaction() as session:
        session.query(lost).delete()
    before = everything()

    assert run("verify-counts").exit_code == 1
    assert run("recalculate-counts", "--all", "--dry-run").exit_code == 0
    assert everything() == before
    assert run("recalculate-counts", "--all").exit_code == 0

    assert everything() == right


@pytest.mark.parametrize("batch", [1, 2, 500])
def test_batches_of_any_size_come_to_the_same(place, run, batch):
    right = everything()
    spoil(SubmissionCounts, runs=70)
    spoil(CourseCounts, total_users=0)

    answer = run("recalculate-counts", "--all", "--batch", batch)

    assert answer.exit_code == 0
    assert len(table_of(answer)) == 4
    assert everything() == right
    row = latest_run()
    assert (row.done, row.changed) == (row.total, 4)


def test_counts_that_are_right_are_verified_with_exit_code_0(place, run):
    before = everything()

    answer = run("verify-counts")

    assert (answer.exit_code, table_of(answer)) == (0, [])
    assert "0 differences" in answer.stdout
    assert everything() == before
    assert latest_run().dry_run is True


def test_counts_that_differ_are_a_table_with_exit_code_1(place, run):
    spoil(SubmissionCounts, runs=70)

    answer = run("verify-counts")

    assert answer.exit_code == 1
    lines = [line.split() for line in table_of(answer)]
    ids = sorted(db.session.scalars(select(SubmissionCounts.submission_id)))
    assert sorted(lines) == [["submission_counts", str(key), "runs", "70", "2"] for key in ids]
    assert "3 differences" in answer.stdout


@SQLITE
def test_many_differences_are_counted_and_the_first_shown(place, run):
    rows = [
        {"entity_type": "user", "entity_id": user_id, "stat_date": day, "metric": metric, "value": 7}
        for user_id in db.session.scalars(select(UserStream.user_id))
        for day in db.session.scalars(select(CountsDaily.stat_date).distinct())
        for metric in (f"x{n}" for n in range(40))
    ]
    with transaction() as session:
        session.execute(CountsDaily.__table__.insert(), rows)

    answer = run("verify-counts")

    assert answer.exit_code == 1
    assert len(table_of(answer)) == 100
    assert f"... and {len(rows) - 100} more" in answer.stdout


# a broken stream cannot be folded: it is told, and nothing is called right


def test_a_broken_stream_is_told_by_its_user_with_exit_code_1(school, place, run):
    user_id = school.learners[0].id
    spoil_one = update(ProjectionHead).where(ProjectionHead.user_id == user_id)
    with transaction() as session:
        session.execute(spoil_one.values(folded_seq=ProjectionHead.folded_seq + 1))

    answer = run("verify-counts")

    assert answer.exit_code == 1
    assert f"user_id={user_id}" in answer.output
    assert "Traceback" not in answer.output
    assert latest_run().status == FAILED


def test_a_stream_without_its_last_key_is_told_by_its_user(school, place, run):
    user_id = school.learners[0].id
    with transaction() as session:
        session.execute(text(f"DELETE FROM event_keys WHERE user_id = {user_id} AND user_seq = 1"))

    answer = run("verify-counts")

    assert answer.exit_code == 1
    assert f"The stream of user {user_id} is broken" in answer.stdout


@SQLITE
@pytest.mark.parametrize("command", ["recalculate-counts", "verify-counts"])
@pytest.mark.parametrize("scope", SCOPES[:-1])
def test_what_does_not_exist_is_said_in_a_sentence(place, run, command, scope):
    for key in (999_999, 0, -1, 2**31, 2**70):
        answer = run(command, f"--{scope}", key)

        assert answer.exit_code == 1
        assert answer.stderr.strip() == f"Error: There is no {scope} {key}."
    assert latest_run() is None


@SQLITE
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name exactly one of"),
        (["--all", "--course", 1], "Name exactly one of"),
        (["--course", 1, "--user", 1], "Name exactly one of"),
        (["--course", "x"], "is not a valid integer"),
        (["--batch", 0, "--all"], "--batch"),
        (["--universe", 1], "--universe"),
    ],
)
def test_a_scope_that_is_none_is_refused_in_a_sentence(place, run, arguments, sentence):
    answer = run("recalculate-counts", *arguments)

    assert answer.exit_code == 2
    assert sentence in answer.stderr
    assert latest_run() is None


@SQLITE
def test_two_scopes_cannot_be_verified_at_once(place, run):
    answer = run("verify-counts", "--all", "--user", 1)

    assert answer.exit_code == 2
    assert "Name exactly one of" in answer.stderr


def test_the_same_that_is_running_is_refused_and_comes_next(school, place, run):
    spoil(SubmissionCounts, runs=70)
    other = recalculation.request_recalculation(
        scope="course", scope_id=school.course.id, dry_run=False, requested_by=None, enqueue=False
    )
    with transaction() as session:
        values = {"status": RUNNING, "started_at": utcnow(), "heartbeat_at": utcnow()}
        session.execute(update(JobRun).where(JobRun.id == other.id).values(values))

    answer = run("recalculate-counts", *place["course"])

    assert answer.exit_code == 1
    assert "recalculated already" in answer.stderr
    assert {row.runs for row in db.session.scalars(select(SubmissionCounts))} == {70}


@SQLITE
def test_there_is_nothing_to_go_on_with_where_nothing_has_stopped(place, run):
    run("recalculate-counts", "--all")

    for scope in SCOPES:
        answer = run("recalculate-counts", *place[scope], "--resume")
        assert answer.exit_code == 1
        assert "No run of this scope has stopped half-way." in answer.stderr


# --- Ctrl-C ---


class Typed:
    """A command in a process of its own, as somebody typed it."""

    def __init__(self, database_url, redis_url, folder):
        self.environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "INSTANCE_PATH": str(folder),
            "BLOCKPY_SECRET_KEY": "only for tests",
        }

    def start(self, *arguments):
        command = [sys.executable, "-m", "flask", "--app", "app", *map(str, arguments)]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen(command, cwd=ROOT, env=self.environment, **pipes)


@pytest.fixture
def typed(database_url, redis_url, tmp_path):
    """`typed.start("verify-counts")`: that command in a process of its own, on this test's database."""
    return Typed(database_url, redis_url, tmp_path)


@contextmanager
def nobody_folds(user_id):
    """Nobody gets past this learner: its head is locked; SQLite has one lock for everything."""
    with db.engine.connect() as connection:
        if db.engine.dialect.name == "sqlite":
            wait_until(is_running)
            connection.execution_options(writes=True).begin()
        else:
            connection.execute(select(ProjectionHead).where(ProjectionHead.user_id == user_id).with_for_update())
        yield
        connection.rollback()


def is_running():
    row = latest_run()
    return row is not None and row.status == RUNNING


def wait_until(true, seconds=60):
    give_up = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.002)


@pytest.fixture
def crowd(school):
    """Many learners with a run each, counted and then spoiled; their works, by learner."""
    learners = [make_user(f"P{n}") for n in range(MANY)]
    set_roles({user.id: {LEARNER} for user in learners}, school.course.id, actor_id=None)
    works = [Submission.from_assignment(school.assignment, user.id) for user in learners]
    store(*(make_event(work) for work in works))
    fold_all()
    spoil(SubmissionCounts, runs=70)
    return works


def assert_only_the_rest_is_done(run, works):
    """The newest run goes on from where it stopped: what it had done it leaves, as wrong as it has become since."""
    stopped = latest_run()
    reached = stopped.checkpoint["after"] if stopped.checkpoint else 0
    spoil(SubmissionCounts, runs=71)

    resumed = run("recalculate-counts", "--all", "--resume")

    ended = latest_run()
    assert (resumed.exit_code, ended.id, ended.status, ended.done) == (0, stopped.id, DONE, ended.total)
    after = {row.submission_id: row.runs for row in db.session.scalars(select(SubmissionCounts))}
    assert after == {work.id: 71 if work.user_id <= reached else 1 for work in works}


def test_after_ctrl_c_a_run_goes_on_and_does_the_rest_and_only_the_rest(typed, crowd, run):
    command = typed.start("recalculate-counts", "--all")

    with nobody_folds(crowd[MANY // 2].user_id):
        wait_until(is_running)
        time.sleep(1)
        command.send_signal(signal.SIGINT)
        time.sleep(0.3)
    out, err = command.communicate(timeout=60)

    stopped = latest_run()
    assert (command.returncode, "Aborted" in err) == (1, True), (out, err)
    assert (stopped.status, stopped.done < MANY) == (CANCELLED, True)
    assert db.engine.dialect.name == "sqlite" or stopped.done > MANY // 2
    assert_only_the_rest_is_done(run, crowd)


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize("command", ["recalculate-counts", "verify-counts"])
def test_a_run_that_another_stops_does_not_look_like_one_that_is_done(typed, crowd, run, command):
    started = typed.start(command, "--all")

    with nobody_folds(crowd[MANY // 2].user_id):
        wait_until(is_running)
        time.sleep(1)
        recalculation.cancel_recalculation(latest_run())
    out, err = started.communicate(timeout=60)

    assert started.returncode == 1, (out, err)
    assert "It was cancelled after " in err
    assert latest_run().status == CANCELLED
    if command == "recalculate-counts":
        assert_only_the_rest_is_done(run, crowd)


# --- accounts ---


@SQLITE
def test_an_admin_is_made_who_can_log_in(app, run, as_):
    options = ("--email", " Admin@Test.School ", "--name", "Head", "--password", "a good password")

    answer = run("create-admin", *options)

    assert answer.exit_code == 0, answer.output
    login = as_(None).post("/api/tokens", json={"email": "admin@test.school", "password": "a good password"})
    assert login.status_code == 201
    assert login.json["user"]["is_admin"] is True


@SQLITE
def test_another_schools_counters_are_left_alone(school, place, run):
    other = make_school(1)
    other.submission()
    fold_all()
    spoil(CourseCounts, total_users=70)

    run("recalculate-counts", *place["course"])

    release()
    assert db.session.get(CourseCounts, school.course.id).total_users == 4
    assert db.session.get(CourseCounts, other.course.id).total_users == 70
