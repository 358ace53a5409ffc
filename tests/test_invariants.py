"""The invariants of domain 7 under random streams: an oracle that knows the log alone, on both databases."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import SimpleNamespace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from sqlalchemy import select

from models import assigned, ingest, projections, storing
from models.analytics_events import StudyEvent
from models.assignment import Assignment, AssignmentGroup
from models.counters import (
    AssignmentCounts,
    AssignmentGroupCounts,
    CountsDaily,
    CourseCounts,
    SubmissionCounts,
    UserCounts,
    helpers,
)
from models.db import db, from_ms, release, to_ms, utcnow
from models.formulas.gaps import Gaps
from models.projections import counts, rows
from models.projections.moves import Moves, moved
from models.streams import EventKey, ProjectionHead, UserStream
from models.submission import Submission
from models.user import INSTRUCTOR, LEARNER, TEACHING_ASSISTANT, Role, set_roles
from tests.factories import make_event, make_school, now_ms

CAP_MS = 300_000
DAY_MS = 86_400_000
KINDS = st.sampled_from(
    [
        ("File.Edit", {"code": "x = 1\n"}),
        ("Run.Program", {}),
        ("Run.Program", {"category": "ProgramErrorOutput", "message": "SyntaxError: x"}),
        ("Run.Program", {"category": "ProgramErrorOutput", "message": "NameError: x"}),
        ("Compile.Error", {"message": "NameError: x"}),
        ("Compile.Error", {"message": "SyntaxError: x"}),
        ("Compile.Error", {"message": "NameError: x", "file_path": "evaluations"}),
        ("Compile", {}),
        ("Intervention", {"category": "syntax"}),
        ("Intervention", {"category": "Runtime"}),
        ("Intervention", {"category": "instructor", "message": "passed 1/4 tests"}),
        ("Submit", {}),
        ("X-Rating", {}),
        ("role_changed", {"claimed": True, "before": [], "after": ["learner"]}),
    ]
)
# The client's clock, relative to now: mostly recent, some late, some in the future, some dead.
CLOCKS = st.one_of(
    st.integers(-600_000, 0),
    st.integers(-600_000, 0),
    st.sampled_from([-6 * DAY_MS, -8 * DAY_MS, 60_000, 40 * 365 * DAY_MS]),
    st.integers(-CAP_MS * 3, -CAP_MS),
)
TOLD = st.one_of(
    st.tuples(st.just("update_edit_time"), st.tuples(st.floats(0, 400))),
    st.tuples(st.just("update_attempt_time"), st.tuples(st.integers(0, 301))),
    st.tuples(st.just("update_time_spent"), st.tuples(st.integers(0, 400))),
    st.tuples(st.just("update_run_count"), st.just(())),
    st.tuples(st.just("update_error_counts"), st.tuples(st.sampled_from(helpers.ERROR_TYPES))),
)
ROLE_SETS = st.sets(st.sampled_from([LEARNER, INSTRUCTOR, TEACHING_ASSISTANT]))
LIMITS = st.sampled_from([1, 2, 3, 5, 500])


@dataclass
class Tally:
    """What the oracle has counted of one submission, from the list of its events alone."""

    runs: int = 0
    edits: int = 0
    failed_instructor_tests: int = 0
    time_spent_ms: int = 0
    gaps: dict = field(default_factory=lambda: {"edit": [], "attempt": []})
    errors: dict = field(default_factory=lambda: dict.fromkeys(("so", "sf", "ro", "rf"), 0))


def outcome_of(event):
    """Which of the oracle's own short list of kinds an event is; written from the contract, not from the code."""
    said = event.properties
    text, category = said.get("message", ""), said.get("category", "").lower()
    if said.get("claimed") or said.get("file_path") == "evaluations":
        return "nothing"
    if event.event_type in ("gap_recorded", "error_recorded"):
        return event.event_type
    if event.event_type == "Compile.Error" or category == "programerroroutput":
        return "syntax error" if text.startswith("SyntaxError:") else "failed run"
    if event.event_type == "Intervention":
        return {"syntax": "told syntax", "runtime": "told runtime"}.get(category, "told tests")
    return {"Run.Program": "run", "File.Edit": "edit"}.get(event.event_type, "nothing")


def tally(events):
    """Count a submission's events, in the order of its stream."""
    result = Tally()
    moments = [to_ms(event.occurred_at) for event in events if event.occurred_at]
    for number, moment in enumerate(moments[1:], 1):
        result.time_spent_ms += min(max(moment - max(moments[:number]), 0), CAP_MS)
    kinds = [(outcome_of(event), event) for event in events]
    for name, wanted in (("edit", ("edit",)), ("attempt", ("run", "failed run"))):
        points = [to_ms(event.occurred_at) for kind, event in kinds if kind in wanted and event.occurred_at]
        gaps = [moment - max(points[:number]) for number, moment in enumerate(points) if number]
        result.gaps[name] = [gap for gap in gaps if 0 <= gap <= CAP_MS]
    for kind, event in kinds:
        _take_recorded(result, kind, event.properties)
    only = [kind for kind, _ in kinds]
    result.runs = only.count("run") + only.count("failed run")
    result.edits = only.count("edit")
    result.failed_instructor_tests += 3 * only.count("told tests")
    for key, kind in (("so", "syntax error"), ("sf", "told syntax"), ("ro", "failed run"), ("rf", "told runtime")):
        result.errors[key] += only.count(kind)
    return result


def _take_recorded(result, kind, said):
    """What a helper was told: a gap, working time, errors."""
    if kind == "gap_recorded" and said["kind"] == "spent":
        result.time_spent_ms += min(said["ms"], CAP_MS)
    elif kind == "gap_recorded" and said["ms"] <= CAP_MS:
        result.gaps[said["kind"]].append(said["ms"])
    elif kind == "error_recorded" and said["type"] == "instructor_tests":
        result.failed_instructor_tests += said["count"]
    elif kind == "error_recorded":
        for source in "of":
            result.errors[said["type"][0] + source] += said["count"]


def day_of(event):
    return (event.occurred_at or event.created_at).date()


def expected_days(works):
    """{(entity, id, day, metric): number}: what each event of a submission has moved, on the day of that event."""
    days = Counter()
    for submission_id, events in works.items():
        was = dict.fromkeys(counts.METRICS, 0)
        for number, event in enumerate(events, 1):
            now = expected_work(events[:number])
            for metric in counts.METRICS:
                for place in (
                    ("submission", submission_id),
                    ("user", event.user_id),
                    ("assignment", event.assignment_id),
                    ("course", event.course_id),
                ):
                    days[*place, day_of(event), metric] += now[metric] - was[metric]
            was = now
    return {place: number for place, number in days.items() if number}


def expected_work(events):
    result = tally(events)
    errors = result.errors
    return {
        "runs": result.runs,
        "edits": result.edits,
        "failed_instructor_tests": result.failed_instructor_tests,
        "syntax_errors": max(errors["so"], errors["sf"]),
        "runtime_errors": max(errors["ro"], errors["rf"]),
        "time_spent_ms": result.time_spent_ms,
        "edit_count": len(result.gaps["edit"]),
        "edit_sum_ms": sum(result.gaps["edit"]),
        "edit_sumsq_ms2": sum(gap**2 for gap in result.gaps["edit"]),
        "attempt_count": len(result.gaps["attempt"]),
        "attempt_sum_ms": sum(result.gaps["attempt"]),
        "attempt_sumsq_ms2": sum(gap**2 for gap in result.gaps["attempt"]),
        "edit_min_ms": min(result.gaps["edit"], default=None),
        "edit_max_ms": max(result.gaps["edit"], default=None),
        "attempt_min_ms": min(result.gaps["attempt"], default=None),
        "attempt_max_ms": max(result.gaps["attempt"], default=None),
    }


def named(row, names):
    return {name: getattr(row, name) for name in names}


class Streams(RuleBasedStateMachine):
    """Three learners, two exercises, one of them in a group; whatever may come, in any order."""

    @initialize()
    def found_a_school(self):
        self.school = make_school()
        self.course_id = self.school.course.id
        owner_id = self.school.teacher.id
        group = AssignmentGroup.new(self.course_id, owner_id, "Loops")
        self.group_id = group.id
        grouped = Assignment.new(self.course_id, owner_id, "Grouped", group_id=group.id)
        self.assignments = [self.school.assignment, grouped]
        self.people = [user.id for user in self.school.learners]
        self.everybody = [owner_id, *self.people]
        self.delivered = []
        self.offered = 1
        self.roles = dict.fromkeys(self.people, frozenset({LEARNER})) | {owner_id: frozenset({INSTRUCTOR})}

    @rule(who=st.integers(0, 2), which=st.integers(0, 1))
    def open_work(self, who, which):
        Submission.from_assignment(self.assignments[which], self.people[who])

    @rule(who=st.integers(0, 2), said=st.lists(st.tuples(KINDS, CLOCKS, st.integers(0, 1)), min_size=1, max_size=6))
    def deliver(self, who, said):
        events = [self._event(who, *one) for one in said]
        answers = ingest.append(events)
        assert [answer.status for answer in answers] == ["stored"] * len(events)
        self.delivered += events

    @rule(said=st.lists(st.tuples(st.integers(0, 2), KINDS, CLOCKS, st.integers(0, 1)), min_size=2, max_size=6))
    def deliver_for_many_at_once(self, said):
        events = [self._event(*one) for one in said]
        answers = ingest.append([*events, *reversed(events)])
        statuses = [answer.status for answer in answers]
        assert statuses == ["stored"] * len(events) + ["duplicate"] * len(events)
        self.delivered += events

    def _event(self, who, kind, clock, which):
        work = Submission.from_assignment(self.assignments[which], self.people[who])
        event_type, properties = kind
        event = make_event(work, event_type, at_ms=now_ms() + clock, **properties)
        event.code = event.properties.pop("code", None)
        return event

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def deliver_again(self, data):
        again = data.draw(st.lists(st.sampled_from(self.delivered), min_size=1, max_size=5))
        answers = ingest.append([replace(event) for event in again])
        assert {answer.status for answer in answers} == {"duplicate"}

    @precondition(lambda self: self.delivered)
    @rule(data=st.data())
    def use_an_id_again(self, data):
        known = data.draw(st.sampled_from(self.delivered))
        answers = ingest.append([replace(known, event_type="X-Forged")])
        assert [answer.status for answer in answers] == ["rejected"]

    @rule(who=st.integers(0, 3), names=ROLE_SETS)
    def change_roles(self, who, names):
        user_id = self.everybody[who]
        set_roles({user_id: names}, self.course_id, actor_id=None)
        self.roles[user_id] = frozenset(names)

    @rule()
    def offer_one_more(self):
        """An assignment more in the group: the learners are told at some time, by a job."""
        Assignment.new(self.course_id, self.everybody[0], "More", group_id=self.group_id)
        self.offered += 1

    @rule()
    def tell_what_is_assigned(self):
        assigned.tell_learners()

    @rule(seconds=st.integers(-7200, 7200))
    def step_the_clock(self, seconds):
        storing.clock = lambda: utcnow() + timedelta(seconds=seconds)

    @rule(who=st.integers(0, 2), which=st.integers(0, 1), told=TOLD)
    def tell_a_helper(self, who, which, told):
        work = Submission.from_assignment(self.assignments[which], self.people[who])
        name, arguments = told
        getattr(helpers, name)(work.id, *arguments)

    @rule(limit=LIMITS)
    def fold(self, limit):
        projections.fold(limit=limit)

    @rule(who=st.integers(0, 3), limit=LIMITS)
    def fold_one(self, who, limit):
        projections.fold(limit=limit, user_id=self.everybody[who])

    @rule(who=st.integers(0, 3))
    def recalculate_one(self, who):
        assert projections.recalculate_learner(self.everybody[who]) == []

    @rule(dry_run=st.booleans())
    def recalculate_shared(self, dry_run):
        for table, key in self._shared_rows():
            assert projections.recalculate_shared(table, key, dry_run=dry_run) == []

    @rule()
    def look(self):
        """A snapshot at any moment: own rows up to the heads, shared rows the sums of what lies below them."""
        self._check(at_rest=False)

    def teardown(self):
        storing.clock = utcnow
        if not hasattr(self, "roles"):
            return
        assigned.tell_learners()
        while projections.fold():
            pass
        self._check(at_rest=True)
        for user_id in self.everybody:
            assert projections.recalculate_learner(user_id) == []
        self.recalculate_shared(dry_run=False)
        self._check(at_rest=True)

    def _shared_rows(self):
        rows = [("assignment_counts", assignment.id) for assignment in self.assignments]
        return [*rows, ("assignment_group_counts", self.group_id), ("course_counts", self.course_id)]

    def _check(self, *, at_rest):
        release()
        query = select(StudyEvent).where(StudyEvent.user_id.in_(self.everybody))
        log = db.session.scalars(query.order_by(StudyEvent.user_id, StudyEvent.user_seq)).all()
        heads = {
            row.user_id: row.folded_seq
            for row in db.session.scalars(select(ProjectionHead).where(ProjectionHead.user_id.in_(self.everybody)))
        }
        self._check_streams(log, heads, at_rest=at_rest)
        folded = [event for event in log if event.user_seq <= heads[event.user_id]]
        works = self._check_own_rows(folded)
        self._check_shared_rows(folded, works)
        if at_rest:
            self._check_people()
            self._check_days(folded, works)
        release()

    def _check_streams(self, log, heads, *, at_rest):
        """Numbers without gaps, one event for each key (I4), heads at the end when at rest (I1)."""
        for user_id in self.everybody:
            stream = db.session.get(UserStream, user_id)
            numbers = [event.user_seq for event in log if event.user_id == user_id]
            assert numbers == list(range(1, stream.last_seq + 1))
            times = [event.created_at for event in log if event.user_id == user_id]
            assert times == sorted(times)
            assert not at_rest or heads[user_id] == stream.last_seq
        keys = db.session.scalars(select(EventKey.event_id).where(EventKey.user_id.in_(self.everybody))).all()
        assert sorted(keys) == sorted(event.event_id for event in log)
        assert {event.event_id for event in self.delivered} <= set(keys)

    def _check_own_rows(self, folded):
        """I1: an own row is what the folded part of its stream comes to, by the oracle and by the same fold."""
        works = {}
        for event in folded:
            if event.submission_id is not None:
                works.setdefault(event.submission_id, []).append(event)
        rows = {row.submission_id: row for row in db.session.scalars(select(SubmissionCounts)) if row.folded_seq}
        for submission_id, events in works.items():
            expected = expected_work(events)
            assert named(rows[submission_id], expected) == expected
        for user_id in self.everybody:
            mine = [event for event in folded if event.user_id == user_id]
            if mine:
                self._check_person(user_id, mine, works)
        return works

    def _check_person(self, user_id, events, works):
        row = db.session.get(UserCounts, user_id)
        spent = [tally(done).time_spent_ms for done in works.values() if done[0].user_id == user_id]
        assert row.total_submissions == sum(event.event_type == "Submission.Create" for event in events)
        assert row.time_spent_ms == sum(spent)
        assert row.folded_seq == events[-1].user_seq
        state = counts.Learner(user_id)
        for event in events:
            counts.step(state, event)
        columns = rows.person_columns(state.person)
        assert named(row, columns) == columns

    def _check_shared_rows(self, folded, works):
        """I2: a shared row is the sum over all learners of what lies below their heads."""
        created = [event for event in folded if event.event_type == "Submission.Create"]
        for assignment in self.assignments:
            tallies = [tally(done) for done in works.values() if done[0].assignment_id == assignment.id]
            row = db.session.get(AssignmentCounts, assignment.id)
            for kind in ("edit", "attempt"):
                gaps = [gap for one in tallies for gap in one.gaps[kind]]
                names = (f"{kind}_count", f"{kind}_sum_ms", f"{kind}_sumsq_ms2")
                found = [getattr(row, name) for name in names] if row else [0, 0, 0]
                assert found == [len(gaps), sum(gaps), sum(gap**2 for gap in gaps)]
                assert not row or sum(getattr(row, f"{kind}_hist").values()) == len(gaps)
            assert self._total(row) == sum(event.assignment_id == assignment.id for event in created)
        group = db.session.get(AssignmentGroupCounts, self.group_id)
        assert self._total(group) == sum(self.group_id in event.properties["group_ids"] for event in created)
        course = db.session.get(CourseCounts, self.course_id)
        assert self._total(course) == len(created)
        self._check_roles(course, folded)

    @staticmethod
    def _total(row):
        return row.total_submissions if row else 0

    def _check_roles(self, course, folded):
        """I7: the course counts the sets as they are after the folded changes, whatever the way there was."""
        sets = {}
        for event in folded:
            if event.event_type == "role_changed" and not event.properties.get("claimed"):
                sets[event.user_id] = set(event.properties["after"])
        expected = {
            "total_users": sum(bool(names) for names in sets.values()),
            "total_students": sum(LEARNER in names for names in sets.values()),
            "total_instructors": sum(INSTRUCTOR in names for names in sets.values()),
        }
        assert not sets or named(course, expected) == expected

    def _check_people(self):
        """At rest the counts agree with the ground itself: the roles, and who is in how many courses."""
        held = {user_id: set() for user_id in self.everybody}
        for role in db.session.scalars(select(Role).where(Role.course_id == self.course_id)):
            held[role.user_id].add(role.name)
        assert held == {user_id: set(names) for user_id, names in self.roles.items()}
        course = db.session.get(CourseCounts, self.course_id)
        assert course.total_users == sum(bool(names) for names in held.values())
        assert course.total_students == sum(LEARNER in names for names in held.values())
        assert course.total_assignments == self.offered + 1
        for user_id, names in held.items():
            row = db.session.get(UserCounts, user_id)
            expected = (bool(names), self.offered * (LEARNER in names), int(LEARNER in names))
            assert (row.total_courses_in, row.total_assignments, row.total_assignment_groups) == expected

    def _check_days(self, folded, works):
        """Each number stands on the day on which it moved, and the days add up to the totals."""
        stored = {
            (row.entity_type, row.entity_id, row.stat_date, row.metric): row.value
            for row in db.session.scalars(select(CountsDaily).where(CountsDaily.value != 0))
        }
        here = {("course", self.course_id), *(("user", user_id) for user_id in self.everybody)}
        here |= {("submission", submission_id) for submission_id in works}
        here |= {("assignment", assignment.id) for assignment in self.assignments}
        learning = {p: number for p, number in stored.items() if p[3] in counts.METRICS and p[:2] in here}
        assert learning == expected_days(works)
        course = db.session.get(CourseCounts, self.course_id)
        for metric in ("submissions", "assignments", "assignment_groups", "users", "students", "instructors"):
            days = [n for place, n in stored.items() if place[:2] == ("course", self.course_id) and place[3] == metric]
            assert sum(days) == getattr(course, f"total_{metric}")


def test_every_invariant_holds_whatever_comes(app):
    run_state_machine_as_test(
        Streams,
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            database=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


STEPS = st.tuples(st.integers(0, 2), KINDS, st.integers(0, 900_000), st.integers(0, 1))


def synthetic(said):
    """Events as a fold reads them, numbered in each learner's stream."""
    numbers, events = [0, 0, 0], []
    for who, (event_type, properties), at_ms, which in said:
        numbers[who] += 1
        properties = {name: value for name, value in properties.items() if name != "code"}
        moment = from_ms(1_700_000_000_000 + at_ms)
        place = {"submission_id": 10 * which + who, "assignment_id": which, "course_id": 1}
        event = {"user_id": who, "user_seq": numbers[who], "occurred_at": moment, "created_at": moment, **place}
        events.append(SimpleNamespace(event_type=event_type, properties=properties, **event))
    return events


EMPTY = dict.fromkeys(("total_submissions",), 0) | {"date_last_submission": None}
EMPTY |= Gaps().columns("edit") | Gaps().columns("attempt")


def folded_moves(events, sizes):
    """All rows after folding in this order, summed up once for each batch."""
    states, found, sizes = {}, {}, iter([*sizes, len(events) + 1])
    left = next(sizes)
    total = Moves()
    for event in [*events, None]:
        if event is not None:
            counts.step(states.setdefault(event.user_id, counts.Learner(event.user_id, moves=total)), event)
            left -= 1
        if event is None or left <= 0:
            for state in states.values():
                counts.settle(state)
            left = next(sizes, len(events) + 1)
    for place, differences in total.rows.items():
        found[place] = moved(EMPTY, differences)
    people = [states[user_id] for user_id in sorted(states)]
    return found, total.days, rows.own_rows(people), [state.days for state in people]


@given(st.lists(STEPS, max_size=30), st.randoms(use_true_random=False), st.lists(st.integers(1, 5), max_size=8))
@settings(database=None, deadline=None)
def test_shared_rows_are_the_same_for_every_interleaving_of_the_streams_and_every_size_of_batches(said, random, sizes):
    events = synthetic(said)
    places = [event.user_id for event in events]
    random.shuffle(places)
    streams = {who: iter([event for event in events if event.user_id == who]) for who in range(3)}
    interleaved = [next(streams[who]) for who in places]

    one, other = folded_moves(events, []), folded_moves(interleaved, sizes)

    assert one == other


@given(st.lists(STEPS, max_size=20))
@settings(database=None, deadline=None)
def test_a_step_reads_no_clock_and_changes_no_event(said):
    events = synthetic(said)
    before = [str(event) for event in events]

    one, other = folded_moves(events, []), folded_moves(events, [])

    assert one == other
    assert [str(event) for event in events] == before


def test_the_oracle_itself_sees_a_difference():
    """The oracle counts the golden pauses by hand: 20 s, 30 s, a pause at its cap, 10 s."""
    moments = [0, 20_000, 50_000, 1_000_000, 1_010_000]
    kind = ("Run.Program", {})

    found = expected_work(synthetic([(0, kind, at_ms, 0) for at_ms in moments]))

    assert (found["time_spent_ms"], found["runs"]) == (360_000, 5)
    assert (found["attempt_count"], found["attempt_sum_ms"]) == (3, 60_000)
