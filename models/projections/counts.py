"""The projection `counts` (S0): what one event does to a learner's own counters, and to the rows that many share.

`step(state, event)` is pure: no clock, no query, no randomness, integers inside. Live and recalculated are this fold.
"""

from dataclasses import dataclass, field, fields

from models.db import from_ms, to_ms
from models.events import error_kind, feedback, is_outcome_of_error, normalised_name
from models.formulas.averages import mean_seconds
from models.formulas.durations import add_to_histogram, gap, latest, merge_histograms, working_time
from models.user import INSTRUCTOR, LEARNER

NAME = "counts"
VERSION = 1


@dataclass
class Work:
    """The state of one submission; moments in ms since 1970."""

    runs: int = 0
    edits: int = 0
    failed_instructor_tests: int = 0
    syntax_outcomes: int = 0
    syntax_feedbacks: int = 0
    runtime_outcomes: int = 0
    runtime_feedbacks: int = 0
    edit_count: int = 0
    edit_sum_ms: int = 0
    edit_sumsq_ms2: int = 0
    attempt_count: int = 0
    attempt_sum_ms: int = 0
    attempt_sumsq_ms2: int = 0
    time_spent_ms: int = 0
    edit_hist: dict = field(default_factory=dict)
    attempt_hist: dict = field(default_factory=dict)
    last_event_ms: int | None = None
    last_edit_ms: int | None = None
    last_run_ms: int | None = None
    folded_seq: int = 0


@dataclass
class Person:
    """The state of one learner over all submissions; moments in ms since 1970."""

    total_courses_in: int = 0
    total_submissions: int = 0
    time_spent_ms: int = 0
    last_logged_in_ms: int | None = None
    last_edited_ms: int | None = None
    folded_seq: int = 0


@dataclass
class Learner:
    """What one learner's stream has come to; `moves` is what it has done to shared rows since it was loaded."""

    user_id: int
    person: Person = field(default_factory=Person)
    works: dict = field(default_factory=dict)
    moves: "Moves" = field(default_factory=lambda: Moves())

    def work(self, submission_id):
        """The state of one submission, empty before its first event."""
        return self.works.setdefault(submission_id, Work())


class Moves(dict):
    """Differences of shared rows: {(table, key): {column: number to add, ms to take if later, buckets to merge}}."""

    def touch(self, table, key):
        """The row's differences; a row that is touched exists afterwards, even where nothing moves."""
        return self.setdefault((table, key), {})

    def add(self, table, key, **numbers):
        """Add to columns of one shared row."""
        row = self.touch(table, key)
        for column, number in numbers.items():
            row[column] = row.get(column, 0) + number

    def later(self, table, key, **moments_ms):
        """Take moments where they are later."""
        row = self.touch(table, key)
        for column, moment_ms in moments_ms.items():
            row[column] = latest(row.get(column), moment_ms)

    def observe(self, table, key, kind, value_ms):
        """Count one gap of `kind` (edit, attempt) in the merged sums and histogram."""
        self.add(table, key, **{f"{kind}_count": 1, f"{kind}_sum_ms": value_ms, f"{kind}_sumsq_ms2": value_ms**2})
        add_to_histogram(self.touch(table, key).setdefault(f"{kind}_hist", {}), value_ms)


def step(state, event):
    """Fold one event of the learner's stream into its state."""
    moment_ms = to_ms(event.occurred_at or event.created_at)
    timed_ms = to_ms(event.occurred_at) if event.occurred_at else None
    name = normalised_name(event.event_type, event.properties)
    state.person.folded_seq = event.user_seq
    _person_step(state.person, name, event, moment_ms)
    contribute(state.moves, event, name, moment_ms)
    if event.submission_id is not None:
        work = state.work(event.submission_id)
        work.folded_seq = event.user_seq
        _work_step(state, work, name, event, timed_ms)


def _person_step(person, name, event, moment_ms):
    if name == "user_login":
        person.last_logged_in_ms = latest(person.last_logged_in_ms, moment_ms)
    elif name == "File.Edit" and not is_echo(event.properties):
        person.last_edited_ms = latest(person.last_edited_ms, moment_ms)
    elif name == "Submission.Create":
        person.total_submissions += 1
    elif name == "role_changed":
        before, after = _role_sets(event)
        person.total_courses_in += bool(after) - bool(before)


def _work_step(state, work, name, event, timed_ms):
    """One event of a submission; what no client timed adds neither time nor a gap."""
    if name == "File.Edit" and not is_echo(event.properties):
        work.edits += 1
        work.last_edit_ms = _gap_step(state, work, event, "edit", work.last_edit_ms, timed_ms)
    elif name == "Run.Program":
        work.runs += 1
        work.last_run_ms = _gap_step(state, work, event, "attempt", work.last_run_ms, timed_ms)
    _error_step(work, name, event)
    if name == "gap_recorded":
        _recorded_gap_step(state, work, event)
    if timed_ms is not None:
        _spend(state, work, working_time(work.last_event_ms, timed_ms))
        work.last_event_ms = latest(work.last_event_ms, timed_ms)


def _gap_step(state, work, event, kind, latest_ms, timed_ms):
    """Fold one edit or run into its gaps (domain 9.2); answers the latest moment seen. Breaks count nowhere."""
    if timed_ms is None:
        return latest_ms
    value_ms = gap(latest_ms, timed_ms)
    if value_ms is not None:
        _observe(state, work, event, kind, value_ms)
    return latest(latest_ms, timed_ms)


def _observe(state, work, event, kind, value_ms):
    setattr(work, f"{kind}_count", getattr(work, f"{kind}_count") + 1)
    setattr(work, f"{kind}_sum_ms", getattr(work, f"{kind}_sum_ms") + value_ms)
    setattr(work, f"{kind}_sumsq_ms2", getattr(work, f"{kind}_sumsq_ms2") + value_ms**2)
    add_to_histogram(getattr(work, f"{kind}_hist"), value_ms)
    state.moves.observe("assignment_counts", event.assignment_id, kind, value_ms)


def _spend(state, work, spent_ms):
    work.time_spent_ms += spent_ms
    state.person.time_spent_ms += spent_ms


def _error_step(work, name, event):
    """Errors as run outcomes and as feedback, each kind in a number of its own (domain 16)."""
    if name == "Intervention":
        said = feedback(event.properties)
        work.syntax_feedbacks += said.syntax
        work.runtime_feedbacks += said.runtime
        work.failed_instructor_tests += said.failed_tests
    elif name in ("Compile.Error", "Run.Program") and is_outcome_of_error(event.event_type, event.properties):
        kind = error_kind(event.properties.get("message"))
        work.syntax_outcomes += kind == "syntax"
        work.runtime_outcomes += kind == "runtime"
    elif name == "error_recorded":
        column = {"syntax": "syntax_outcomes", "runtime": "runtime_outcomes"}.get(event.properties["type"])
        column = column or "failed_instructor_tests"
        setattr(work, column, getattr(work, column) + event.properties["count"])


def _recorded_gap_step(state, work, event):
    """A gap that a helper was told directly, without two events around it."""
    value_ms = event.properties["ms"]
    if event.properties["kind"] == "spent":
        _spend(state, work, value_ms)
    else:
        _observe(state, work, event, event.properties["kind"], value_ms)


def is_echo(properties):
    """Whether a `File.Edit` only echoes a save that made its own event: no text, marked `save` (client G3)."""
    marks = (properties.get("category"), properties.get("label"))
    return "code_state_id" not in properties and "save" in marks


def _role_sets(event):
    return set(event.properties["before"]), set(event.properties["after"])


def contribute(moves, event, name, moment_ms):
    """What one event by itself does to shared rows; a shared row's recalculation sums exactly this."""
    if name in _CONTRIBUTIONS:
        _CONTRIBUTIONS[name](moves, event, moment_ms)


def _submission_created(moves, event, moment_ms):
    places = [("assignment_counts", event.assignment_id), ("course_counts", event.course_id)]
    places += [("assignment_group_counts", group_id) for group_id in event.properties.get("group_ids", [])]
    for table, key in places:
        moves.add(table, key, total_submissions=1)
        moves.later(table, key, date_last_submission=moment_ms)


def _submitted(moves, event, moment_ms):
    if event.submission_id is not None:
        moves.later("assignment_counts", event.assignment_id, date_last_submission=moment_ms)
        moves.later("course_counts", event.course_id, date_last_submission=moment_ms)


def _course_created(moves, event, _moment_ms):
    moves.touch("course_counts", event.course_id)


def _assignment_created(moves, event, moment_ms):
    moves.touch("assignment_counts", event.assignment_id)
    moves.add("course_counts", event.course_id, total_assignments=1)
    moves.later("course_counts", event.course_id, date_last_assignment=moment_ms)
    if event.properties.get("assignment_group_id") is not None:
        moves.add("assignment_group_counts", event.properties["assignment_group_id"], total_assignments=1)


def _group_created(moves, event, _moment_ms):
    moves.touch("assignment_group_counts", event.properties["assignment_group_id"])
    moves.add("course_counts", event.course_id, total_assignment_groups=1)


def _role_changed(moves, event, moment_ms):
    """Count the difference of the sets: a role that stays moves nothing, two roles of one person are one user."""
    before, after = _role_sets(event)
    moves.add(
        "course_counts",
        event.course_id,
        total_users=bool(after) - bool(before),
        total_students=(LEARNER in after) - (LEARNER in before),
        total_instructors=(INSTRUCTOR in after) - (INSTRUCTOR in before),
    )
    if after and not before:
        moves.later("course_counts", event.course_id, date_last_user=moment_ms)


_CONTRIBUTIONS = {
    "Submission.Create": _submission_created,
    "Submit": _submitted,
    "course_created": _course_created,
    "assignment_created": _assignment_created,
    "assignment_group_created": _group_created,
    "role_changed": _role_changed,
}
CONTRIBUTING = tuple(_CONTRIBUTIONS)


def work_columns(work):
    """A submission's state as the columns of `submission_counts`, the seed's averages derived from the integers."""
    row = {f.name: getattr(work, f.name) for f in fields(Work) if not f.name.endswith("_ms") or "sum" in f.name}
    return row | {
        "time_spent_ms": work.time_spent_ms,
        "syntax_errors": max(work.syntax_outcomes, work.syntax_feedbacks),
        "runtime_errors": max(work.runtime_outcomes, work.runtime_feedbacks),
        "average_edit_time": mean_seconds(work.edit_sum_ms, work.edit_count),
        "average_attempt_time": mean_seconds(work.attempt_sum_ms, work.attempt_count),
        "estimated_time_spent": work.time_spent_ms / 1000,
        "last_event_at": from_ms(work.last_event_ms),
        "last_edit_at": from_ms(work.last_edit_ms),
        "last_run_at": from_ms(work.last_run_ms),
        "calculation_version": VERSION,
    }


def work_from(row):
    """The state that a row of `submission_counts` stores."""
    stored = {f.name: getattr(row, f.name) for f in fields(Work) if hasattr(row, f.name)}
    stored["edit_hist"], stored["attempt_hist"] = dict(row.edit_hist), dict(row.attempt_hist)
    moments = {name: _ms(getattr(row, name.replace("_ms", "_at"))) for name in _WORK_MOMENTS}
    return Work(**stored | moments)


_WORK_MOMENTS = ("last_event_ms", "last_edit_ms", "last_run_ms")


def person_columns(person):
    """A learner's state as the columns of `user_counts` that this projection has."""
    return {
        "total_courses_in": person.total_courses_in,
        "total_submissions": person.total_submissions,
        "time_spent_ms": person.time_spent_ms,
        "estimated_time_spent": person.time_spent_ms / 1000,
        "last_logged_in": from_ms(person.last_logged_in_ms),
        "last_edited": from_ms(person.last_edited_ms),
        "folded_seq": person.folded_seq,
        "calculation_version": VERSION,
    }


def person_from(row):
    """The state that a row of `user_counts` stores."""
    return Person(
        total_courses_in=row.total_courses_in,
        total_submissions=row.total_submissions,
        time_spent_ms=row.time_spent_ms,
        last_logged_in_ms=_ms(row.last_logged_in),
        last_edited_ms=_ms(row.last_edited),
        folded_seq=row.folded_seq,
    )


def _ms(moment):
    return to_ms(moment) if moment else None


def moved(row, differences):
    """A shared row's columns after a move: numbers added, later moments taken, histograms merged."""
    changes = {}
    for column, difference in differences.items():
        was = row[column]
        if isinstance(difference, dict):
            changes[column] = dict(was)
            merge_histograms(changes[column], difference)
        elif column.startswith("date_"):
            changes[column] = from_ms(latest(_ms(was), difference))
        else:
            changes[column] = was + difference
    return changes
