"""What the page of a course's numbers shows: totals, bars over time, gaps by assignment, and kept reports, in words."""

from datetime import timedelta

from sqlalchemy import select

from blockpy.admin import duration_words
from models.assignment import Assignment
from models.counters import series
from models.counters.courses import assignment_numbers, count_waiting, course_totals
from models.report import ACTIVITY, SUBMISSIONS, list_reports
from models.user import User

PLACES = 90
MOST_REPORTS = 50
MOST_ROWS = 500
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
LEAST_HEIGHT = 1.5
# (title, {metric: (its word, its tone)}, whether it is a duration)
CHARTS = (
    ("Runs", {"runs": ("runs", "accent")}, False),
    ("Errors", {"syntax_errors": ("syntax", "warn"), "runtime_errors": ("at run time", "bad")}, False),
    ("Active time", {"time_spent_ms": ("active", "ok")}, True),
    ("Submissions begun", {"submissions": ("begun", "info")}, False),
)
REPORT_WORDS = {SUBMISSIONS: "Every submission's counts", ACTIVITY: "Activity by week"}
GAP_COLUMNS = ("mean", "standard_deviation", "p50", "p90")


def course_numbers(session, course, *, period, now):
    """Everything the page shows of a course."""
    places = _places(period, now.date())
    found = dict(series.READ[period](session, "course", course.id, first=places[0], last=now.date()))
    return {
        "period": period,
        "totals": _totals(course_totals(session, course.id)),
        "charts": [_chart(places, found, period, *chart) for chart in CHARTS],
        "rows": [_row(place, found[place], period) for place in reversed(places) if found.get(place)],
        "gaps": [_gaps(*numbers) for numbers in assignment_numbers(session, course.id)],
        "waiting": count_waiting(session, course.id),
        "reports": _reports(session, course.id),
        "report_words": REPORT_WORDS,
    }


def _places(period, today):
    """The last 90 days or Mondays, oldest first."""
    step = timedelta(days=1 if period == "day" else 7)
    last = today if period == "day" else series.monday(today)
    return [last - step * n for n in reversed(range(PLACES))]


def _totals(totals):
    def number(*names):
        return f"{sum(totals.get(name, 0) for name in names):,}"

    return (
        ("learners", number("students")),
        ("assignments", number("assignments")),
        ("submissions", number("submissions")),
        ("runs", number("runs")),
        ("errors", number("syntax_errors", "runtime_errors")),
        ("failed checks", number("failed_instructor_tests")),
        ("active time", duration_words(totals.get("time_spent_ms", 0) / 1000)),
    )


def _chart(places, found, period, title, metrics, is_duration):
    sums = [sum(found.get(place, {}).get(metric, 0) for metric in metrics) for place in places]
    top = _nice_top(max(sums), (HOUR_MS if max(sums) > HOUR_MS else MINUTE_MS) if is_duration else 1)
    words = _duration if is_duration else "{:,}".format
    bars = []
    for index, place in enumerate(places):
        parts = [(metric, found.get(place, {}).get(metric, 0)) for metric in metrics]
        bars.append(
            {"x": index, "parts": _stack(parts, metrics, top), "words": _bar_words(place, parts, metrics, words)}
        )
    busiest = places[sums.index(max(sums))]
    return {
        "title": title,
        "legend": list(metrics.values()) if len(metrics) > 1 else [],
        "bars": [bar for bar in bars if bar["parts"]],
        "count": len(places),
        "total": words(sum(sums)),
        "top": words(top),
        "half": words(top // 2) if top > 1 else "",
        "most": f"most {'on' if period == 'day' else 'in the'} {_when(busiest, period)}: {words(max(sums))}"
        if any(sums)
        else "nothing in this time",
        "ends": (
            day_words(places[0]),
            day_words(places[len(places) // 2]),
            "today" if period == "day" else "this week",
        ),
    }


def _stack(parts, metrics, top):
    """The parts of one bar from the bottom up, in hundredths of the chart's height."""
    stacked, y = [], 100.0
    for metric, value in parts:
        if value > 0:
            height = max(100 * value / top, LEAST_HEIGHT)
            y -= height
            stacked.append({"y": round(max(y, 0), 2), "height": round(height, 2), "tone": metrics[metric][1]})
    return stacked


def _bar_words(place, parts, metrics, words):
    if len(parts) == 1:
        return f"{day_words(place)}: {words(parts[0][1])}"
    return f"{day_words(place)}: " + ", ".join(f"{words(value)} {metrics[metric][0]}" for metric, value in parts)


def _nice_top(value, unit):
    """The least of 1, 2, 5, 10, 20, 50, ... units that is not below the value."""
    top, steps = unit, (2, 2.5, 2)
    index = 0
    while top < value:
        top = int(top * steps[index % 3])
        index += 1
    return top


def _row(place, numbers, period):
    """One line of the table behind the charts."""
    names = ("runs", "syntax_errors", "runtime_errors", "failed_instructor_tests")
    told = [f"{numbers.get(name, 0):,}" for name in names]
    told += [_duration(numbers.get("time_spent_ms", 0)), f"{numbers.get('submissions', 0):,}"]
    return {"when": _when(place, period), "iso": place.isoformat(), "numbers": told}


def _gaps(assignment, counts):
    """One assignment's gaps between edits and between runs, in words; None where there is none."""
    told = counts.as_dict() if counts else {}
    kinds = [told.get(f"{kind}_statistics") for kind in ("edit", "attempt")]
    return {
        "name": assignment.name,
        "submissions": counts.total_submissions if counts else 0,
        "kinds": [
            {"count": f"{kind['count']:,}", "cells": [gap_words(kind[name]) for name in GAP_COLUMNS]}
            if kind and kind["count"]
            else None
            for kind in kinds
        ],
    }


def _reports(session, course_id):
    reports = list_reports(course_id, most=MOST_REPORTS)
    makers = _names(session, User, {report.user_id for report in reports})
    return [
        (report, REPORT_WORDS.get(report.report_type, report.report_type), makers[report.user_id]) for report in reports
    ]


def report_table(session, report):
    """A report's table for people: ids by their names as they are now; at most `MOST_ROWS` rows."""
    told = report.told()
    names = {
        "assignment_id": _names(session, Assignment, _column(told, "assignment_id")),
        "user_id": _names(session, User, _column(told, "user_id")),
    }
    rows = [[_cell(c, v, names) for c, v in zip(told["columns"], row, strict=True)] for row in told["rows"][:MOST_ROWS]]
    heads = [(COLUMN_WORDS.get(name, name.replace("_", " ")), not _is_text(name)) for name in told["columns"]]
    return {"heads": heads, "rows": rows, "left_out": max(len(told["rows"]) - MOST_ROWS, 0)}


COLUMN_WORDS = {
    "assignment_id": "assignment",
    "average_attempt_time": "between runs",
    "average_edit_time": "between edits",
    "estimated_time_spent": "active time",
    "failed_instructor_tests": "failed checks",
    "percentage": "score",
    "runtime_errors": "errors at run time",
    "submission_id": "submission",
    "submission_status": "status",
    "time_spent_ms": "active time",
    "user_id": "learner",
}
STATUS_WORDS = {"Initialized": "not started", "inProgress": "in progress", "Submitted": "submitted"}


def _column(told, name):
    index = told["columns"].index(name) if name in told["columns"] else None
    return set() if index is None else {row[index] for row in told["rows"][:MOST_ROWS]}


def _names(session, model, ids):
    return dict(session.execute(select(model.id, model.name).where(model.id.in_(ids))).all())


def _is_text(name):
    return name in ("assignment_id", "user_id", "submission_status", "week")


def _cell(name, value, names):
    if name in names:
        return names[name].get(value, f"number {value}")
    if name.startswith("average_"):
        return gap_words(value)
    if name in ("estimated_time_spent", "time_spent_ms"):
        return duration_words(value if name == "estimated_time_spent" else value / 1000)
    if name == "percentage":
        return f"{value:.0f} %"
    return STATUS_WORDS.get(value, value) if isinstance(value, str) else f"{value:,}"


def gap_words(seconds):
    """A short time as people say it: `0.4 s`, `12 s`, `2 min 5 s`; a dash where there is none."""
    if seconds is None:
        return "–"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60} s"


def day_words(day):
    """A date in short: `5 Nov 2026`."""
    return f"{day.day} {day:%b %Y}"


def _when(place, period):
    return day_words(place) if period == "day" else f"week of {day_words(place)}"


def _duration(milliseconds):
    return duration_words(milliseconds / 1000).removesuffix(" 0 min")
