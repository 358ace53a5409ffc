"""What events do to rows that many learners share, gathered so that each row is written once a batch (domain 6).

A difference says by its name how it joins what is there: of `date_` and `last_` moments the later is taken, the gaps of
`edit` and `attempt` are merged, everything else is added. All of that commutes.
"""

from dataclasses import dataclass, field

from models.db import from_ms, to_ms
from models.formulas.durations import latest
from models.formulas.gaps import KINDS, Gaps
from models.user import INSTRUCTOR, LEARNER

DAY_MS = 86_400_000


@dataclass
class Moves:
    """Differences of shared rows: `rows` {(table, key): {column: difference}}, `days` {(entity, id, day, metric): n}.

    A key is a number, or (report_type, course_id); a day is counted from 1970; moments are in ms since 1970.
    """

    rows: dict = field(default_factory=dict)
    days: dict = field(default_factory=dict)

    def touch(self, table, key):
        """The row's differences; a row that is touched exists afterwards, even where nothing moves."""
        return self.rows.setdefault((table, key), {})

    def take(self, table, key, **differences):
        """Join differences into one shared row's."""
        join(self.touch(table, key), differences)

    def day(self, entity, key, moment_ms, metric, number):
        """Add to one number of one entity's day."""
        add_to_day(self.days, (entity, key, moment_ms // DAY_MS, metric), number)


def add_to_day(days, place, number):
    """Add a number to a day; days on which nothing moved have no entry."""
    if number:
        days[place] = days.get(place, 0) + number


def join(numbers, differences):
    """Join differences into a mapping of them, each in its own way."""
    for name, difference in differences.items():
        if name in KINDS:
            numbers.setdefault(name, Gaps()).merge(difference)
        elif is_moment(name):
            numbers[name] = latest(numbers.get(name), difference)
        else:
            numbers[name] = numbers.get(name, 0) + difference


def is_moment(name):
    """Whether a shared column holds a moment, of which the latest counts."""
    return name.startswith(("date_", "last_"))


def moved(row, differences):
    """The changed columns of a stored row after differences; its moments are aware instants."""
    changes = {}
    for name, difference in differences.items():
        if name in KINDS:
            gaps = Gaps.of(row, name)
            gaps.merge(difference)
            changes |= gaps.columns(name)
        elif is_moment(name):
            was = row[name]
            changes[name] = from_ms(latest(to_ms(was) if was else None, difference))
        else:
            changes[name] = row[name] + difference
    return changes


def _submission_created(moves, event, moment_ms):
    places = [("assignment", event.assignment_id), ("course", event.course_id)]
    places += [("assignment_group", group_id) for group_id in event.properties.get("group_ids", [])]
    for entity, key in places:
        moves.take(f"{entity}_counts", key, total_submissions=1, date_last_submission=moment_ms)
        moves.day(entity, key, moment_ms, "submissions", 1)


def _submitted(moves, event, moment_ms):
    if event.submission_id is not None:
        moves.take("assignment_counts", event.assignment_id, date_last_submission=moment_ms)
        moves.take("course_counts", event.course_id, date_last_submission=moment_ms)


def _course_created(moves, event, _moment_ms):
    moves.touch("course_counts", event.course_id)


def _assignment_created(moves, event, moment_ms):
    moves.touch("assignment_counts", event.assignment_id)
    _course_gains(moves, event.course_id, moment_ms, "assignments")
    group_id = event.properties.get("assignment_group_id")
    if group_id is not None:
        moves.take("assignment_group_counts", group_id, total_assignments=1)
        moves.day("assignment_group", group_id, moment_ms, "assignments", 1)


def _group_created(moves, event, moment_ms):
    moves.touch("assignment_group_counts", event.properties["assignment_group_id"])
    _course_gains(moves, event.course_id, moment_ms, "assignment_groups")


def _course_gains(moves, course_id, moment_ms, metric):
    moves.take("course_counts", course_id, **{f"total_{metric}": 1})
    moves.day("course", course_id, moment_ms, metric, 1)
    if metric == "assignments":
        moves.take("course_counts", course_id, date_last_assignment=moment_ms)


def _role_changed(moves, event, moment_ms):
    """Count the difference of the sets: a role that stays moves nothing, two roles of one person are one user."""
    before, after = role_sets(event)
    users = bool(after) - bool(before)
    _people_move(
        moves,
        event.course_id,
        moment_ms,
        users=users,
        students=(LEARNER in after) - (LEARNER in before),
        instructors=(INSTRUCTOR in after) - (INSTRUCTOR in before),
    )
    if users > 0:
        moves.take("course_counts", event.course_id, date_last_user=moment_ms)


def _people_move(moves, course_id, moment_ms, **numbers):
    moves.take("course_counts", course_id, **{f"total_{name}": number for name, number in numbers.items()})
    for name, number in numbers.items():
        moves.day("course", course_id, moment_ms, name, number)


def _report_created(moves, event, moment_ms):
    _report(moves, event, moment_ms, "generated")
    moves.take("report_counts", report_key(event), last_generated=moment_ms)


def _report_viewed(moves, event, moment_ms):
    _report(moves, event, moment_ms, "viewed")


def _report(moves, event, moment_ms, what):
    moves.take("report_counts", report_key(event), **{f"total_{what}": 1})
    if event.course_id is not None:
        moves.touch("course_counts", event.course_id)
        moves.day("course", event.course_id, moment_ms, f"reports_{what}", 1)


def _count_recorded(moves, event, moment_ms):
    """What a helper was told directly, without a row that it would follow from."""
    what = event.properties["what"]
    if what in ("assignments", "assignment_groups"):
        _course_gains(moves, event.course_id, moment_ms, what)
    elif what == "users":
        role = event.properties["role"]
        numbers = {"users": 1, "students": int(role == LEARNER), "instructors": int(role == INSTRUCTOR)}
        _people_move(moves, event.course_id, moment_ms, **numbers)
        moves.take("course_counts", event.course_id, date_last_user=moment_ms)


def role_sets(event):
    """The role names before and after a `role_changed`."""
    return set(event.properties["before"]), set(event.properties["after"])


def report_key(event):
    """The row of `report_counts` that an event moves; 0 stands for no course."""
    return (event.properties["report_type"], event.course_id or 0)


# What one event by itself does to shared rows; a shared row's recalculation sums exactly this.
CONTRIBUTIONS = {
    "Submission.Create": _submission_created,
    "Submit": _submitted,
    "assignment_created": _assignment_created,
    "assignment_group_created": _group_created,
    "count_recorded": _count_recorded,
    "course_created": _course_created,
    "report_created": _report_created,
    "report_viewed": _report_viewed,
    "role_changed": _role_changed,
}
