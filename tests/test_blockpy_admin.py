"""What admins see of the workers and can do with failed jobs, on the page and over HTTP."""

import re

import pytest

from monitoring import memory
from tests import jobs as some
from tests.factories import make_user
from tests.test_blockpy_auth import Browser
from workers import queue

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FAIL = "tests.jobs.fail"


@pytest.fixture
def admin():
    return make_user("Admin", is_admin=True)


@pytest.fixture
def program(app, admin, as_):
    """A program with an admin's token."""
    return as_(admin)


@pytest.fixture
def browser(app, admin):
    """An admin's browser, logged in."""
    browser = Browser(app)
    with browser.client.session_transaction() as cookie:
        cookie["_user_id"] = f"{admin.id}.{admin.login_version}"
    return browser


@pytest.fixture
def drain(app):
    """`drain()` works all queues off; jobs may fail."""
    return lambda: queue.work(app, queue.NAMES, burst=True, forks=False)


def fail(drain, *ways):
    """Jobs that have failed, by their ids."""
    ids = [queue.enqueue(queue.UPKEEP, FAIL, way).id for way in ways]
    drain()
    return ids


def post(browser, path):
    return browser.post(path, data={"csrf_token": browser.form_token("/admin/jobs")}, follow_redirects=True)


def test_the_jobs_are_told_to_programs(program, drain):
    (job_id,) = fail(drain, "not found")
    waiting = queue.enqueue(queue.RECALCULATE, FAIL, "key")

    told = program.get("/api/jobs").json

    assert [row["name"] for row in told["queues"]] == list(queue.NAMES)
    assert [job["id"] for job in told["queues"][1]["waiting"]] == [waiting.id]
    assert (told["failed_count"], told["workers"], told["failed"]["next"]) == (1, [], None)
    (failed,) = told["failed"]["items"]
    assert (failed["id"], failed["job"], failed["name"], failed["tries"]) == (job_id, FAIL, "Fail", 1)
    assert failed["error"] == "NotFound: There is no course 5."
    assert failed["failed_at"].endswith("Z")


def test_failed_jobs_come_by_pages(program, drain):
    ids = fail(drain, "key", "number", "not found")

    first = program.get("/api/jobs?limit=2").json["failed"]
    second = program.get(f"/api/jobs?limit=2&after={first['next']}").json["failed"]

    assert {job["id"] for job in first["items"] + second["items"]} == set(ids)
    assert (first["next"], second["next"]) == (2, None)
    assert program.get("/api/jobs?after=-1").status_code == 422


def test_a_job_is_retried_and_removed_by_programs(program, drain):
    first, second = fail(drain, "key", "number")

    answers = [program.post(f"/api/jobs/{first}/retry"), program.delete(f"/api/jobs/{second}")]

    assert [answer.status_code for answer in answers] == [202, 204]
    assert answers[0].json["id"] == first
    told = program.get("/api/jobs").json
    assert (told["failed_count"], [job["id"] for job in told["queues"][3]["waiting"]]) == (0, [first])


def test_an_unknown_job_is_not_found_and_one_that_has_not_failed_is_left_alone(program):
    waiting = queue.enqueue(queue.UPKEEP, FAIL, "key")

    for job_id, status, code in ((waiting.id, 409, "conflict"), ("no-such-job", 404, "not_found"), ("%20", 404, "")):
        for answer in (program.post(f"/api/jobs/{job_id}/retry"), program.delete(f"/api/jobs/{job_id}")):
            assert answer.status_code == status
            assert answer.json["error"] == (code or "not_found")
    assert queue.queue(queue.UPKEEP).job_ids == [waiting.id]


def test_the_page_says_what_failed_and_nobodys_data(browser, drain):
    fail(drain, *some.WAYS)

    text = browser.get("/admin/jobs").text

    assert "jobs have failed" in text
    assert "There is no course 5." in text
    assert "Traceback (most recent call last)" in text
    assert "the answer of" not in text
    assert "Pupil 07" not in text


def test_a_job_is_retried_and_removed_on_the_page(browser, drain):
    first, second = fail(drain, "key", "number")

    retried, removed = post(browser, f"/admin/jobs/{first}/retry"), post(browser, f"/admin/jobs/{second}/remove")

    assert "“Fail” will run again." in retried.text
    assert "The job is removed from the list." in removed.text
    assert "No job has failed" in removed.text or "Nobody works" in removed.text
    assert queue.queue(queue.UPKEEP).job_ids == [first]


def test_all_are_retried_on_the_page(browser, drain):
    ids = fail(drain, "key", "number", "not found")

    answer = post(browser, "/admin/jobs/retry")

    assert "3 jobs will run again." in answer.text
    assert set(queue.queue(queue.UPKEEP).job_ids) == set(ids)


def test_a_form_of_another_site_does_nothing(browser, drain):
    (job_id,) = fail(drain, "key")

    answers = [browser.post(f"/admin/jobs{path}") for path in ("/retry", f"/{job_id}/retry", f"/{job_id}/remove")]

    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert queue.queue(queue.UPKEEP).job_ids == []


def test_names_and_arguments_cannot_bring_markup_into_the_page(browser, drain):
    queue.enqueue(queue.UPKEEP, FAIL, "</strong><script>alert(1)</script>")
    drain()

    assert "<script>alert" not in browser.get("/admin/jobs").text


def test_nobody_but_an_admin_retries_or_removes(app, school, as_, drain):
    (job_id,) = fail(drain, "key")

    for person, status in ((None, 401), (school.teacher, 403), (school.learners[0], 403)):
        caller = as_(person)
        for path in (f"/api/jobs/{job_id}", f"/api/jobs/{job_id}/retry", "/api/jobs/unknown/retry"):
            method = "post" if path.endswith("retry") else "delete"
            assert getattr(caller, method)(path).status_code == status
        assert caller.get("/api/jobs").status_code == status
    assert queue.queue(queue.UPKEEP).job_ids == []


def test_without_redis_the_page_says_what_that_means(app, browser, program):
    client = app.extensions["redis"]
    app.extensions["redis"] = type(client).from_url("redis://127.0.0.1:1/0", socket_connect_timeout=1)
    app.extensions["queues"].clear()

    page, health = browser.get("/admin/jobs"), browser.get("/admin/")
    told = program.get("/api/jobs")
    app.extensions["redis"] = client
    app.extensions["queues"].clear()

    assert (page.status_code, health.status_code) == (200, 200)
    assert "Redis does not answer." in page.text
    assert "goes on being stored" in page.text
    assert (told.status_code, told.json["error"]) == (503, "unavailable")


def test_health_names_failed_jobs_and_leads_to_them(browser, drain):
    fail(drain, "key")

    text = browser.get("/admin/").text

    assert re.search(r'<a href="/admin/jobs">\s*1 job failed</a>', text)


def test_a_worker_is_shown_with_what_it_does(browser, program):
    now = "2026-01-01T00:00:00.000000Z"
    row = {"last_heartbeat": now, "queues": "counts", "state": "idle", "successful_job_count": 3}
    memory().hset("rq:worker:silent.one", mapping=row)
    memory().sadd("rq:workers", "rq:worker:silent.one", "rq:worker:gone")

    (told,) = program.get("/api/jobs").json["workers"]

    assert (told["name"], told["state"], told["done"], told["failed"]) == ("silent.one", "silent", 3, 0)
    text = browser.get("/admin/jobs").text
    assert "silent.one" in text
    assert "No worker has said anything lately" in text
    assert "nobody works on counts" in browser.get("/admin/").text


def test_looking_at_the_workers_leaves_the_servers_connections_as_they_are(browser):
    before = dict(memory().connection_pool.connection_kwargs)

    browser.get("/admin/jobs")
    browser.get("/admin/")

    assert memory().connection_pool.connection_kwargs.get("socket_timeout") == before.get("socket_timeout") == 5
