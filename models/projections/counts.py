"""The projection `counts` (S0): what one event does to a learner's own counters, and to the rows that many share.

`step(state, event)` is pure: no clock, no query, no randomness, integers inside. Live and recalculated are this fold.
After the last step of a batch `settle(state)` sums up what steps only collect: a step must cost little.
"""

from dataclasses import dataclass, field

from models.db import to_ms
from models.events import error_kind, feedback, is_outcome_of_error, normalised_name
from models.formulas.durations import IDLE_CAP_MS, gap, latest, working_time
from models.formulas.gaps import KINDS, Gaps
from models.projections.moves import CONTRIBUTIONS, DAY_MS, Moves, add_to_day, role_sets

NAME = "counts"
VERSION = 1
# What a submission's days tell; the days of its learner, its assignment and its course are the sums of them.
METRICS = ("runs", "edits", "syntax_errors", "runtime_errors", "failed_instructor_tests", "time_spent_ms")


@dataclass
class Work:
    """The state of one submission; moments in ms since 1970. What begins with `new_` or `day_` is not stored."""

    runs: int = 0
    edits: int = 0
    failed_instructor_tests: int = 0
    syntax_outcomes: int = 0
    syntax_feedbacks: int = 0
    runtime_outcomes: int = 0
    runtime_feedbacks: int = 0
    time_spent_ms: int = 0
    edit: Gaps = field(default_factory=Gaps)
    attempt: Gaps = field(default_factory=Gaps)
    last_event_ms: int | None = None
    last_edit_ms: int | None = None
    last_run_ms: int | None = None
    folded_seq: int = 0
    new_edit: list = field(default_factory=list)
    new_attempt: list = field(default_factory=list)
    day: int | None = None
    day_tally: tuple = ()
    place: tuple = (None, None)

    @property
    def syntax_errors(self):
        """Outcomes and feedback report the same failures, and either may be missing (domain 16)."""
        return max(self.syntax_outcomes, self.syntax_feedbacks)

    @property
    def runtime_errors(self):
        """As `syntax_errors`."""
        return max(self.runtime_outcomes, self.runtime_feedbacks)

    def tally(self):
        """The numbers of `METRICS` so far."""
        return tuple(getattr(self, metric) for metric in METRICS)


@dataclass
class Person:
    """The state of one learner over all submissions; moments in ms since 1970."""

    total_courses_in: int = 0
    total_assignments: int = 0
    total_assignment_groups: int = 0
    total_submissions: int = 0
    total_reports: int = 0
    time_spent_ms: int = 0
    last_logged_in_ms: int | None = None
    last_edited_ms: int | None = None
    folded_seq: int = 0


@dataclass
class Learner:
    """What one learner's stream has come to.

    `days` are the differences of the learner's own days since it was loaded, and `moves` what it has done to shared
    rows since then; both are whole once the state is settled.
    """

    user_id: int
    person: Person = field(default_factory=Person)
    works: dict = field(default_factory=dict)
    days: dict = field(default_factory=dict)
    moves: Moves = field(default_factory=Moves)

    def work(self, submission_id):
        """The state of one submission, empty before its first event."""
        work = self.works.get(submission_id)
        if work is None:
            work = self.works[submission_id] = Work()
        return work


def step(state, event):
    """Fold one event of the learner's stream into its state."""
    occurred_at, submission_id = event.occurred_at, event.submission_id
    timed_ms = to_ms(occurred_at) if occurred_at else None
    moment_ms = to_ms(event.created_at) if timed_ms is None else timed_ms
    name = normalised_name(event.event_type, event.properties)
    person = state.person
    person.folded_seq = event.user_seq
    if name in _PERSON_STEPS:
        _PERSON_STEPS[name](state, event, moment_ms)
    if name in CONTRIBUTIONS:
        CONTRIBUTIONS[name](state.moves, event, moment_ms)
    if submission_id is None:
        return
    work = state.work(submission_id)
    if work.day != moment_ms // DAY_MS:
        _begin_day(state, work, event, moment_ms // DAY_MS)
    work.folded_seq = event.user_seq
    if name in _WORK_STEPS:
        _WORK_STEPS[name](state, work, event, timed_ms)
    if timed_ms is not None:
        latest_ms = work.last_event_ms
        if latest_ms is None or timed_ms > latest_ms:
            spent_ms = working_time(latest_ms, timed_ms)
            work.time_spent_ms += spent_ms
            person.time_spent_ms += spent_ms
            work.last_event_ms = timed_ms


def settle(state):
    """Sum up what the steps since the last time have collected: days, and the gaps of works and assignments."""
    for submission_id, work in state.works.items():
        if work.day is not None:
            _end_day(state, submission_id, work)
            work.day = None
        for kind, new in (("edit", work.new_edit), ("attempt", work.new_attempt)):
            if new:
                gaps = Gaps.of_values(new)
                getattr(work, kind).merge(gaps)
                state.moves.take("assignment_counts", work.place[0], **{kind: gaps})
                new.clear()


def _begin_day(state, work, event, day):
    """What moves from here on belongs to this day; an event may be late, so days can come again."""
    if work.day is not None:
        _end_day(state, event.submission_id, work)
    work.day, work.day_tally, work.place = day, work.tally(), (event.assignment_id, event.course_id)


def _end_day(state, submission_id, work):
    """What has moved belongs to the day of the submission and of all that it is part of."""
    day, days, shared = work.day, state.days, state.moves
    assignment_id, course_id = work.place
    for metric, was, now in zip(METRICS, work.day_tally, work.tally(), strict=True):
        if now != was:
            add_to_day(days, ("submission", submission_id, day, metric), now - was)
            add_to_day(days, ("user", state.user_id, day, metric), now - was)
            add_to_day(shared.days, ("assignment", assignment_id, day, metric), now - was)
            add_to_day(shared.days, ("course", course_id, day, metric), now - was)
            shared.touch("assignment_counts", assignment_id)
            shared.touch("course_counts", course_id)


def _edited_somewhere(state, event, moment_ms):
    if not is_echo(event.properties):
        state.person.last_edited_ms = latest(state.person.last_edited_ms, moment_ms)


def _logged_in(state, _event, moment_ms):
    state.person.last_logged_in_ms = latest(state.person.last_logged_in_ms, moment_ms)
    _own_day(state, moment_ms, "logins")


def _submission_created(state, _event, moment_ms):
    state.person.total_submissions += 1
    _own_day(state, moment_ms, "submissions")


def _report_created(state, _event, moment_ms):
    state.person.total_reports += 1
    _own_day(state, moment_ms, "reports_generated")


def _role_changed(state, event, _moment_ms):
    before, after = role_sets(event)
    state.person.total_courses_in += bool(after) - bool(before)


def _assigned_changed(state, event, _moment_ms):
    """More or less is assigned to the learner: differences, told under the lock of the stream."""
    state.person.total_assignments += event.properties["assignments"]
    state.person.total_assignment_groups += event.properties["assignment_groups"]


def _own_day(state, moment_ms, metric):
    add_to_day(state.days, ("user", state.user_id, moment_ms // DAY_MS, metric), 1)


_PERSON_STEPS = {
    "File.Edit": _edited_somewhere,
    "assigned_changed": _assigned_changed,
    "report_created": _report_created,
    "role_changed": _role_changed,
    "Submission.Create": _submission_created,
    "user_login": _logged_in,
}


def _edited(_state, work, event, timed_ms):
    if not is_echo(event.properties):
        work.edits += 1
        work.last_edit_ms = _gap_step(work.new_edit, work.last_edit_ms, timed_ms)


def _ran(_state, work, event, timed_ms):
    work.runs += 1
    work.last_run_ms = _gap_step(work.new_attempt, work.last_run_ms, timed_ms)
    _failed(_state, work, event, timed_ms)


def _gap_step(new, latest_ms, timed_ms):
    """Collect the gap to the latest one seen (domain 9.2); answers the latest now. Breaks count nowhere.

    What no client timed adds no gap.
    """
    if timed_ms is None:
        return latest_ms
    value_ms = gap(latest_ms, timed_ms)
    if value_ms is not None:
        new.append(value_ms)
    return latest(latest_ms, timed_ms)


def _failed(_state, work, event, _timed_ms):
    """An error as the outcome of a run: feedback about it is counted apart (domain 16)."""
    if is_outcome_of_error(event.event_type, event.properties):
        kind = error_kind(event.properties.get("message"))
        work.syntax_outcomes += kind == "syntax"
        work.runtime_outcomes += kind == "runtime"


def _told(_state, work, event, _timed_ms):
    """Feedback: an error as it says, and the cases that failed."""
    said = feedback(event.properties)
    work.syntax_feedbacks += said.syntax
    work.runtime_feedbacks += said.runtime
    work.failed_instructor_tests += said.failed_tests


def _error_recorded(_state, work, event, _timed_ms):
    """Errors that a helper was told: it moves the number that pages show, whichever of the two is the larger."""
    error_type, count = event.properties["type"], event.properties["count"]
    if error_type == "instructor_tests":
        work.failed_instructor_tests += count
        return
    for source in ("outcomes", "feedbacks"):
        column = f"{error_type}_{source}"
        setattr(work, column, getattr(work, column) + count)


def _gap_recorded(state, work, event, _timed_ms):
    """A gap that a helper was told, without two events around it: over the cap it is a break, as any other."""
    kind, value_ms = event.properties["kind"], event.properties["ms"]
    if kind in KINDS:
        if value_ms <= IDLE_CAP_MS:
            (work.new_edit if kind == "edit" else work.new_attempt).append(value_ms)
        return
    work.time_spent_ms += min(value_ms, IDLE_CAP_MS)
    state.person.time_spent_ms += min(value_ms, IDLE_CAP_MS)


_WORK_STEPS = {
    "Compile.Error": _failed,
    "File.Edit": _edited,
    "Intervention": _told,
    "Run.Program": _ran,
    "error_recorded": _error_recorded,
    "gap_recorded": _gap_recorded,
}


def is_echo(properties):
    """Whether a `File.Edit` only echoes a save that made its own event: no text, marked `save` (client G3)."""
    if "code_state_id" in properties:
        return False
    return "save" in (properties.get("category"), properties.get("label"))
