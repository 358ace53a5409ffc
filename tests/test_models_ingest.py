"""The one write path: numbers without gaps, idempotence, all or nothing, clocks, what stands beside the log."""

import threading
import time
import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, select

from models import ingest
from models.analytics_events import StudyEvent
from models.assignment import Assignment
from models.course import Course
from models.db import after_commit, db, release, to_ms, transaction, utcnow
from models.errors import Conflict, Invalid
from models.events import Event, code_state_id
from models.streams import EventKey, UserStream
from models.submission import CodeState, Submission
from tests.factories import make_event, now_ms, store

AN_ID = "0b0e9c4e-6b0f-4a51-8d9f-2f1c1f0a7c11"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def numbers_of(user_id):
    release()
    query = select(StudyEvent.user_seq).where(StudyEvent.user_id == user_id).order_by(StudyEvent.user_seq)
    return list(db.session.scalars(query))


def logged(event):
    release()
    return db.session.scalar(select(StudyEvent).where(StudyEvent.event_id == event.event_id))


def log_size():
    release()
    return db.session.scalar(select(func.count()).select_from(StudyEvent))


def abandon(act):
    """A transaction that does something and fails."""
    with transaction():
        act()
        raise ZeroDivisionError


def share_a_batch(app, units):
    """Append each of `units` = (events, write) from a thread of its own, all in one group commit.

    Answers for each its answers, or the error that its caller got.
    """
    group = app.extensions["ingest"]
    results = [None] * len(units)

    def deliver(index, events, write):
        with app.app_context():
            try:
                results[index] = ingest.append(events, write=write)
            except Exception as error:
                results[index] = error
            db.session.remove()

    threads = [threading.Thread(target=deliver, args=(i, *unit), daemon=True) for i, unit in enumerate(units)]
    group.has_leader = True
    for number, thread in enumerate(threads, 1):
        thread.start()
        while len(group.waiting) < number:
            time.sleep(0.001)
    group.hand_over()
    for thread in threads:
        thread.join(timeout=30)
    assert not any(thread.is_alive() for thread in threads)
    return results


def test_a_stream_has_numbers_without_gaps_whatever_comes_at_once(app, school):
    works = [school.submission(i) for i in range(3)]
    before = {work.user_id: len(numbers_of(work.user_id)) for work in works}

    def write(work):
        with app.app_context():
            for _ in range(20):
                ingest.append([make_event(work)])

    threads = [threading.Thread(target=write, args=(work,)) for work in works for _ in range(3)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    for work in works:
        assert numbers_of(work.user_id) == list(range(1, before[work.user_id] + 61))


def test_the_same_event_again_changes_nothing_and_gets_the_same_place(school):
    event = make_event(school.submission(), event_id=AN_ID)

    first = store(event)[0]
    again = store(event, event)

    assert [a.status for a in (first, *again)] == ["stored", "duplicate", "duplicate"]
    assert {a.as_dict()["log_id"] for a in (first, *again)} == {first.log_id}


def test_repeats_inside_one_batch_get_the_place_of_the_first(school):
    work = school.submission()
    event, other = make_event(work), make_event(work)
    before = log_size()

    answers = store(event, other, event, event)

    assert [a.status for a in answers] == ["stored", "stored", "duplicate", "duplicate"]
    assert [a.log_id for a in answers] == [answers[0].log_id, answers[1].log_id, answers[0].log_id, answers[0].log_id]
    assert [a.user_seq for a in answers[2:]] == [answers[0].user_seq] * 2
    assert log_size() == before + 2


def test_one_id_for_two_contents_inside_one_batch_stores_the_first_alone(school):
    work = school.submission()
    first, other = make_event(work, event_id=AN_ID), make_event(work, "Submit", event_id=AN_ID)
    before = numbers_of(work.user_id)

    answers = store(first, other, make_event(work))

    assert [a.status for a in answers] == ["stored", "rejected", "stored"]
    assert (answers[1].log_id, bool(answers[1].message)) == (None, True)
    assert numbers_of(work.user_id) == [*before, len(before) + 1, len(before) + 2]


def test_the_same_id_with_other_content_is_refused(school):
    work = school.submission()
    one = make_event(work, event_id=AN_ID, at_ms=5)
    other = make_event(work, "Submit", event_id=one.event_id, at_ms=5)
    store(one)
    before = log_size()

    with pytest.raises(Conflict):
        ingest.append_one(other)

    assert log_size() == before


def test_an_id_that_another_learner_used_is_refused(school):
    at_ms = now_ms()
    mine = make_event(school.submission(0), event_id=AN_ID, at_ms=at_ms)
    theirs = make_event(school.submission(1), event_id=AN_ID, at_ms=at_ms)
    store(mine)
    before = numbers_of(theirs.user_id)

    answers = store(theirs, make_event(school.submission(1)))

    assert [a.status for a in answers] == ["rejected", "stored"]
    assert numbers_of(theirs.user_id) == [*before, len(before) + 1]
    assert logged(mine).user_id == mine.user_id


def test_one_callers_refusal_costs_the_others_nothing_and_leaves_nothing_behind(school):
    work = school.submission()
    event = make_event(work)

    def refuse(session):
        session.get(UserStream, work.user_id)
        raise Invalid("no", field="x")

    with pytest.raises(Invalid):
        ingest.append([event], write=refuse)

    assert db.session.get(EventKey, event.event_id) is None
    assert store(event)[0].status == "stored"


def test_a_refused_caller_leaves_a_shared_batch_and_the_others_are_stored_without_a_gap(app, school):
    works = [school.submission(i) for i in range(3)]
    before = numbers_of(works[0].user_id)
    events = [make_event(works[0]), make_event(works[0]), make_event(works[0]), make_event(works[1])]
    foreign = make_event(works[2])
    foreign.submission_id = works[1].id

    def refuse(session):
        session.add(Course(name="never there", owner_id=school.teacher.id))
        session.flush()
        raise Invalid("no", field="x")

    def break_down(session):
        raise ZeroDivisionError

    units = [([events[0]], None), ([events[1]], refuse), ([events[2]], None), ([foreign], None), ([events[3]], None)]

    results = share_a_batch(app, [*units, ([make_event(works[2])], break_down)])

    assert [getattr(r, "field", None) or [a.status for a in r] for r in results[:-1]] == [
        ["stored"],
        "x",
        ["stored"],
        "submission_id",
        ["stored"],
    ]
    assert isinstance(results[-1], ZeroDivisionError)
    assert numbers_of(works[0].user_id) == [*before, len(before) + 1, len(before) + 2]
    assert db.session.scalar(select(func.count()).select_from(Course).where(Course.name == "never there")) == 0


def test_a_retry_in_the_same_batch_gets_the_log_id_of_the_first_delivery(app, school):
    event = make_event(school.submission())

    first, retry = share_a_batch(app, [([event], None), ([event], None)])

    assert [first[0].status, retry[0].status] == ["stored", "duplicate"]
    assert retry[0].log_id == first[0].log_id == logged(event).id


def test_what_a_caller_writes_happens_once_however_often_the_event_comes(app, school):
    work = school.submission()
    event = make_event(work)

    def write(session):
        session.get(Submission, work.id).attempts += 1

    share_a_batch(app, [([event], write), ([event], write)])
    ingest.append([event], write=write)

    release()
    assert db.session.get(Submission, work.id).attempts == 1


def test_events_that_follow_from_a_write_stand_behind_its_own(school):
    work = school.submission()
    cause, follower = make_event(work), make_event(work, "Submit")

    answer = ingest.append_one(cause, write=lambda session: [follower])

    assert logged(follower).user_seq == answer.user_seq + 1


def test_a_refused_follower_refuses_its_caller_and_nobody_else(app, school):
    works = [school.submission(i) for i in range(2)]
    cause, neighbour = make_event(works[0]), make_event(works[1])
    follower = make_event(works[0])
    follower.submission_id = works[1].id

    refused, kept = share_a_batch(app, [([cause], lambda session: [follower]), ([neighbour], None)])

    assert refused.field == "submission_id"
    assert kept[0].status == "stored"
    assert logged(cause) is None


def test_created_at_never_runs_back_in_a_stream(school, clock):
    work, other = school.submission(0), school.submission(1)
    clock(NOON + timedelta(days=365))
    first = make_event(work)
    store(first)
    clock(NOON + timedelta(days=364))
    later, others = make_event(work), make_event(other)

    store(later, others)

    assert logged(later).created_at == logged(first).created_at == NOON + timedelta(days=365)
    assert logged(others).created_at == NOON + timedelta(days=364)


DAY_MS = 86_400_000
CLOCKS = {
    "1970": (0, True),
    "before 1970": (-1, True),
    "2100": (4_102_444_800_000, True),
    "beyond every calendar": (2**62, True),
    "one millisecond ahead": (to_ms(NOON) + 1, True),
    "over seven days late": (to_ms(NOON) - 7 * DAY_MS - 1, True),
    "seven days late": (to_ms(NOON) - 7 * DAY_MS, False),
    "right now": (to_ms(NOON), False),
}


def test_a_dead_clock_counts_as_the_arrival_and_is_kept(school, clock):
    work = school.submission()
    with transaction() as session:
        session.get(UserStream, work.user_id).last_at = None
    clock(NOON)
    events = {why: make_event(work, at_ms=at_ms) for why, (at_ms, _) in CLOCKS.items()}

    store(*events.values())

    for why, (at_ms, dead) in CLOCKS.items():
        row = logged(events[why])
        assert row.created_at == NOON, why
        assert to_ms(row.occurred_at) == (to_ms(NOON) if dead else at_ms), why
        assert row.properties["client_ms"] == at_ms, why


def test_what_no_client_timed_has_no_time_of_its_own(school):
    work = school.submission()
    untimed = Event("X-Grade.Instructor", work.user_id, submission_id=work.id, actor_id=school.teacher.id)
    clockless = Event("Run.Program", work.user_id, submission_id=work.id, timed=True)

    store(untimed, clockless)

    assert logged(untimed).occurred_at is None
    assert logged(untimed).actor_id == school.teacher.id
    assert logged(clockless).occurred_at == logged(clockless).created_at
    assert logged(clockless).actor_id == work.user_id


def test_assignment_and_course_are_the_submissions_whatever_the_client_says(school):
    work = school.submission()
    elsewhere = Course.new("Elsewhere", school.teacher.id)
    event = make_event(work)
    event.course_id = elsewhere.id
    event.assignment_id = Assignment.new(elsewhere.id, school.teacher.id, "Other").id

    store(event)

    row = logged(event)
    assert (row.assignment_id, row.course_id) == (work.assignment_id, work.course_id)


@pytest.mark.parametrize("whose", ["another learner's", "nobody's"])
def test_an_event_cannot_stand_in_a_submission_that_is_not_its_learners(school, whose):
    event = make_event(school.submission(0))
    event.submission_id = school.submission(1).id if whose == "another learner's" else 10**6
    before = log_size()

    with pytest.raises(Invalid):
        store(event)

    assert log_size() == before


def test_inside_a_transaction_events_live_and_die_with_it(school):
    work = school.submission()
    kept, lost = make_event(work), make_event(work)
    before = numbers_of(work.user_id)

    with pytest.raises(ZeroDivisionError):
        abandon(lambda: store(lost))
    with transaction():
        answer = store(kept)[0]

    assert answer.user_seq == len(before) + 1
    assert numbers_of(work.user_id) == [*before, len(before) + 1]
    assert db.session.get(EventKey, lost.event_id) is None
    assert store(lost)[0].status == "stored"


def test_what_is_stored_is_told_once_after_the_commit_and_never_before(app, school):
    work = school.submission()
    told = []

    def hear(sender, events):
        told.append([event["event_id"] for event in events])

    ingest.stored.connect(hear, app)
    event, lost = make_event(work), make_event(work)

    with transaction():
        store(event)
        told_inside = list(told)
    store(event)
    with pytest.raises(ZeroDivisionError):
        abandon(lambda: store(lost))

    ingest.stored.disconnect(hear, app)
    assert told_inside == []
    assert told == [[event.event_id]]


def test_what_was_put_off_runs_after_the_outermost_commit_only(school):
    order = []

    with transaction():
        with transaction():
            after_commit(lambda: order.append("told"))
        order.append("inner ended")
    with pytest.raises(ZeroDivisionError):
        abandon(lambda: after_commit(lambda: order.append("told of what is not there")))

    assert order == ["inner ended", "told"]


def test_rows_changed_outside_a_transaction_are_refused_instead_of_lost(school):
    course = db.session.get(Course, school.course.id)
    course.name = "changed"

    with pytest.raises(RuntimeError):
        release()

    db.session.rollback()


def test_code_stands_once_beside_the_log_and_never_in_it(school):
    works = [school.submission(i) for i in range(2)]
    code = "print('gr\u00fc\u00df dich')\n"
    events = [make_event(work, "File.Edit") for work in works for _ in range(2)]
    for event in events:
        event.code = code

    store(*events)

    rows = [logged(event) for event in events]
    assert {row.properties["code_state_id"] for row in rows} == {code_state_id(code)}
    assert {row.properties["size"] for row in rows} == {len(code)}
    assert all("print" not in str(row.properties) for row in rows)
    assert db.session.get(CodeState, code_state_id(code)).code == code


def test_an_empty_append_does_nothing(school):
    before = log_size()

    assert ingest.append([]) == []

    assert log_size() == before


def test_an_event_without_an_id_gets_one(school):
    event = make_event(school.submission())
    event.event_id = None

    answer = store(event)[0]

    assert uuid.UUID(answer.event_id).version == 4
    assert logged(event).id == answer.log_id


def test_more_events_than_one_transaction_takes_are_stored_in_order(school):
    work = school.submission()
    before = numbers_of(work.user_id)
    events = [make_event(work, n=n) for n in range(ingest.MOST_EVENTS + 1)]

    answers = store(*events)

    assert [a.user_seq for a in answers] == list(range(len(before) + 1, len(before) + len(events) + 1))
    rows = db.session.execute(select(StudyEvent.user_seq, StudyEvent.properties).order_by(StudyEvent.user_seq))
    assert [row.properties["n"] for row in rows if "n" in row.properties] == list(range(len(events)))


def test_the_key_of_every_event_tells_its_place(school):
    work = school.submission()
    store(make_event(work), make_event(work))

    release()
    keys = db.session.execute(select(EventKey.event_id, EventKey.user_id, EventKey.user_seq)).all()
    rows = db.session.execute(select(StudyEvent.event_id, StudyEvent.user_id, StudyEvent.user_seq)).all()

    assert sorted(map(tuple, keys)) == sorted(map(tuple, rows))
    streams = db.session.execute(select(UserStream.user_id, UserStream.last_seq)).all()
    assert all(len(numbers_of(user_id)) == last_seq for user_id, last_seq in streams)


def test_the_clock_is_read_when_the_event_is_stored(school):
    before = utcnow()
    event = make_event(school.submission())

    store(event)

    assert before <= logged(event).created_at <= utcnow()
