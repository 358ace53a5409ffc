"""`/admin/`: is everything in order, and are the numbers right?"""

from flask import Blueprint, g, render_template, request, url_for
from flask_wtf.csrf import generate_csrf

from blockpy import jobs, status
from blockpy.reading import whole_argument
from models import access, projections
from models.counters.overview import count_submissions, submissions_page
from models.db import utcnow
from models.events import storable
from monitoring.repositories import sql_session_repository as repository
from workers import jobs as worked
from workers import queue, recalculation

bp = Blueprint("admin", __name__)
bp.register_blueprint(jobs.bp)

LAST_RUNS = 50
LATE_SECONDS = 5


@bp.get("/admin/")
def index():
    """The health of the parts, and every submission with its counts."""
    viewer = access.admin(g.viewer)
    text = storable(request.args.get("q", "")).strip()[:100]
    rows, goes_on = submissions_page(text, before=whole_argument("before"))
    if rows:
        access.audit(viewer, "counts", scope="admin")
    return render_template(
        "admin/index.html",
        health=health(),
        submissions=[submission_row(row) for row in rows],
        query=text,
        next_url=url_for("admin.index", q=text, before=goes_on) if goes_on else None,
        prev_url=url_for("admin.index", q=text) if request.args.get("before") else None,
        total_words=_total_words(count_submissions(text)),
        now=utcnow(),
        page_data={"csrf_token": generate_csrf(), "runs": []},
    )


def _total_words(total):
    return "1 submission" if total == 1 else f"{total:,} submissions".replace(",", "\u202f")


def submission_row(row):
    """One line of the list."""
    numbers = row.SubmissionCounts

    def number(name):
        return getattr(numbers, name) if numbers else 0

    names = ("runs", "syntax_errors", "runtime_errors", "failed_instructor_tests", "edits")
    return {name: number(name) for name in (*names, "average_edit_time", "average_attempt_time")} | {
        "submission_id": row.Submission.id,
        "user_id": row.User.id,
        "user_name": row.User.name,
        "assignment_id": row.Assignment.id,
        "assignment_name": row.Assignment.name,
        "course_id": row.Course.id,
        "course_name": row.Course.name,
        "status": row.Submission.status_words,
        "score": float(row.Submission.percentage),
        "time_spent_words": duration_words(number("estimated_time_spent")),
        "last_event_at": numbers and numbers.last_event_at,
        "behind": row.behind or 0,
    }


def duration_words(seconds):
    """A duration as people say it: `45 s`, `12 min`, `2 h 5 min`."""
    seconds = int(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def health():
    """The parts of the installation, each with a word on how it is."""
    database, redis = status.database_trouble(), status.redis_trouble()
    behind = _behind_seconds() if not database else 0
    parts = [
        {"name": "Database", "ok": not database, "words": database or "answers, at the newest revision"},
        {"name": "Redis", "ok": not redis, "words": redis or "answers"},
        {
            "name": "Counters",
            "ok": behind < LATE_SECONDS,
            "words": "all events are counted" if behind < LATE_SECONDS else _late_words(behind),
        },
    ]
    return parts + ([] if redis else _workers_health())


def _behind_seconds():
    """The age of the oldest event that is not counted yet; a second is the way of things."""
    oldest = repository.oldest_uncounted_at(projections.users_behind())
    return (utcnow() - oldest).total_seconds() if oldest else 0.0


def _late_words(seconds):
    return f"the oldest event that is not counted is {duration_words(seconds)} old"


def _workers_health():
    working, failed = worked.worked_queues(), worked.failed_count()
    missing = [name for name in queue.NAMES if name not in working]
    words = f"nobody works on {', '.join(missing)}" if missing else "every queue has its worker"
    return [
        {"name": "Workers", "ok": not missing, "words": words, "url": url_for("admin.jobs.page")},
        {"name": "Jobs", "ok": failed == 0, "words": _failed_words(failed), "url": url_for("admin.jobs.page")},
    ]


def _failed_words(failed):
    return f"{jobs.count_words(failed)} failed" if failed else "none has failed"


@bp.get("/admin/recalculations")
def recalculations():
    """Every recalculation, newest first."""
    access.admin(g.viewer)
    runs = [run.as_dict() for run in recalculation.list_recalculations(LAST_RUNS)]
    return render_template(
        "admin/recalculations.html", runs=runs, page_data={"csrf_token": generate_csrf(), "runs": runs}
    )
