"""`/admin/jobs` and `/api/jobs`: what the workers do, and the failed jobs, which can run again or be removed."""

import redis
from flask import Blueprint, flash, g, jsonify, redirect, render_template, url_for

from blockpy.reading import ITEMS, MOST_ITEMS, whole_argument
from models import access
from models.db import iso, utcnow
from workers import jobs

bp = Blueprint("jobs", __name__)

MOST_AFTER = 1_000_000


@bp.before_request
def only_admins():
    """All of this is for admins."""
    access.admin(g.viewer)


@bp.get("/admin/jobs")
def page():
    """Queues, workers and failed jobs; or, while Redis is away, what that means."""
    try:
        shown = _picture()
    except redis.RedisError:
        shown = None
    return render_template("admin/jobs.html", shown=shown, now=utcnow())


def _picture():
    after = whole_argument("after", 0, most=MOST_AFTER)
    limit = whole_argument("limit", ITEMS, least=1, most=MOST_ITEMS)
    queues, workers = jobs.list_queues(), jobs.list_workers()
    failed, more = jobs.list_failed(after=after, limit=limit)
    return {
        "queues": queues,
        "workers": workers,
        # The list and its heading are one look: a job may fail between two.
        "failed_count": jobs.failed_count() if after or more else len(failed),
        "failed": failed,
        "next": after + limit if more else None,
    }


@bp.post("/admin/jobs/retry")
def retry_all_on_page():
    """Every failed job runs again."""
    count = jobs.retry_all()
    flash("No job had failed." if count == 0 else f"{count_words(count)} will run again.")
    return redirect(url_for(".page"))


def count_words(count):
    """`1 job`, `12 jobs`."""
    return "1 job" if count == 1 else f"{count} jobs"


@bp.post("/admin/jobs/<job_id>/retry")
def retry_on_page(job_id):
    """One failed job runs again."""
    flash(f"“{jobs.retry(job_id)['name']}” will run again.")
    return redirect(url_for(".page"))


@bp.post("/admin/jobs/<job_id>/remove")
def remove_on_page(job_id):
    """One failed job is forgotten."""
    jobs.remove(job_id)
    flash("The job is removed from the list.")
    return redirect(url_for(".page"))


@bp.get("/api/jobs")
def list_jobs():
    """The same for programs: `{queues, workers, failed_count, failed: {items, next}}`."""
    shown = _picture()
    shown["failed"] = {"items": shown["failed"], "next": shown.pop("next")}
    return jsonify(_with_times(shown))


def _with_times(value):
    """The same with its instants as text."""
    if isinstance(value, dict):
        return {name: _with_times(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_times(item) for item in value]
    return iso(value) if hasattr(value, "astimezone") else value


@bp.post("/api/jobs/<job_id>/retry")
def retry(job_id):
    """A failed job runs again; answers it as it waits now."""
    return jsonify(_with_times(jobs.retry(job_id))), 202


@bp.delete("/api/jobs/<job_id>")
def remove(job_id):
    """A failed job is forgotten."""
    jobs.remove(job_id)
    return "", 204
