"""Numbers over time: what `counts_daily` holds of one entity, by day or by week."""

from datetime import date, timedelta

from sqlalchemy import select

from models.counters import CountsDaily
from models.errors import Invalid

DAYS = 90
MOST_DAYS = 3 * 366
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9000, 1, 1)


def daily_series(session, entity_type, entity_id, *, first=None, last=None):
    """[(day, {metric: number})], ascending, of one entity; days on which nothing moved are left out.

    `first` and `last` are dates, both included; None leaves that side open.
    """
    query = select(CountsDaily.stat_date, CountsDaily.metric, CountsDaily.value).where(
        CountsDaily.entity_type == entity_type, CountsDaily.entity_id == entity_id, CountsDaily.value != 0
    )
    if first:
        query = query.where(CountsDaily.stat_date >= first)
    if last:
        query = query.where(CountsDaily.stat_date <= last)
    days = {}
    for row in session.execute(query.order_by(CountsDaily.stat_date, CountsDaily.metric)):
        days.setdefault(row.stat_date, {})[row.metric] = row.value
    return list(days.items())


def weekly_series(session, entity_type, entity_id, *, first=None, last=None):
    """As `daily_series`, by weeks: a week is the sum of its days and is named by its Monday (ISO 8601)."""
    weeks = {}
    first = first and monday(first)
    last = last and monday(last) + timedelta(days=6)
    for day, numbers in daily_series(session, entity_type, entity_id, first=first, last=last):
        week = weeks.setdefault(monday(day), {})
        for metric, number in numbers.items():
            week[metric] = week.get(metric, 0) + number
    return list(weeks.items())


READ = {"day": daily_series, "week": weekly_series}


def monday(day):
    """The Monday of a day's week."""
    return day - timedelta(days=day.weekday())


def wanted_days(first, last, *, today):
    """The dates that two texts ask for, both included: by default the last 90 days. Raises `Invalid`."""
    last = _date(last, "to") or today
    first = _date(first, "from") or last - timedelta(days=DAYS - 1)
    if not timedelta(0) <= last - first <= timedelta(days=MOST_DAYS):
        raise Invalid(f"From comes before to, and at most {MOST_DAYS} days lie between.", field="from")
    return first, last


def _date(text, field):
    try:
        day = date.fromisoformat(text) if text else None
    except ValueError:
        day = date.min
    if day and not FIRST_DAY <= day <= LAST_DAY:
        raise Invalid(f"{field} is a date from 1970 on, as in 2026-01-31.", field=field)
    return day
