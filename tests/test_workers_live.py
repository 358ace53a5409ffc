"""Jobs of the live rooms: sessions open and close by time, presence is flushed into their rows."""

from datetime import timedelta

import pytest

from models import live
from models.db import db, release, transaction, utcnow
from models.live import SessionModel
from monitoring import presence, sessions
from monitoring.repositories import sql_class_repository as classes
from tests.factories import viewer
from workers.live import close_overdue, flush_presence, open_planned


@pytest.fixture
def lesson(school):
    """Makes a session of the school's class; answers its row."""
    teacher = viewer(school.teacher)
    group = classes.new_class(teacher, name="Class", student_ids=[learner.id for learner in school.learners])

    def make(*actions, **planned):
        row = sessions.new_session(teacher, class_id=group.id, assignment_id=school.assignment.id, **planned)
        for action in actions:
            row = sessions.move(teacher, row, action)
        return row

    make.people = [viewer(learner) for learner in school.learners]
    return make


def status_of(row):
    release()
    return db.session.get(SessionModel, row.id).status


def turn_back(row, **times):
    """It was that much longer ago."""
    with transaction() as session:
        found = session.get(SessionModel, row.id)
        for name, ago in times.items():
            setattr(found, name, utcnow() - ago)


def test_what_was_planned_opens_when_its_time_has_come(lesson):
    due, later = (lesson(scheduled_at=utcnow() + timedelta(minutes=minutes)) for minutes in (5, 50))
    turn_back(due, scheduled_at=timedelta(seconds=1))

    open_planned()

    assert (status_of(due), status_of(later)) == (live.WAITING_FOR_STUDENTS, live.SCHEDULED)


def test_what_was_planned_for_no_time_waits_for_its_teacher(lesson):
    row = lesson()
    turn_back(row, scheduled_at=timedelta(days=1))

    open_planned()

    assert status_of(row) == live.SCHEDULED


def test_opened_before_its_time_what_learners_do_is_part_of_it(lesson):
    row = lesson("open", scheduled_at=utcnow() + timedelta(minutes=5))

    assert row.scheduled_at <= utcnow()


def test_a_session_over_its_limit_is_completed_and_one_within_is_not(lesson):
    over, within, endless = (lesson("open", "start", time_limit_minutes=limit) for limit in (10, 20, None))
    for row in (over, within, endless):
        turn_back(row, started_at=timedelta(minutes=15))

    close_overdue()

    assert [status_of(row) for row in (over, within, endless)] == [
        live.COMPLETED,
        live.IN_PROGRESS,
        live.IN_PROGRESS,
    ]


def test_who_is_here_is_flushed_by_one_update_and_only_where_something_changed(lesson):
    row = lesson("open", "start")
    learner = lesson.people[0]
    sessions.join(learner, row)
    presence.hold_lease("p1")
    presence.connect(row.id, "a", presence.new_line(user_id=learner.user_id, process_id="p1", tab_id="a"))
    flush_presence()
    presence.disconnect(row.id, "a", user_id=learner.user_id, goodbye=False)
    before = db.session.get(SessionModel, row.id, populate_existing=True)
    was, version = before.participants[0]["connection_status"], before.version

    flush_presence()
    release()
    unstable = db.session.get(SessionModel, row.id)

    assert (was, unstable.participants[0]["connection_status"], unstable.version) == (
        live.CONNECTED,
        live.CONNECTED,
        version,
    )


def test_who_is_lost_is_flushed_as_disconnected(lesson, monkeypatch):
    row = lesson("open", "start")
    learner = lesson.people[0]
    sessions.join(learner, row)
    presence.hold_lease("p1")
    presence.connect(row.id, "a", presence.new_line(user_id=learner.user_id, process_id="p1", tab_id="a"))
    presence.disconnect(row.id, "a", user_id=learner.user_id, goodbye=False)
    now_ms = presence.clock_ms()
    monkeypatch.setattr(presence, "clock_ms", lambda: now_ms + presence.LOST_AFTER_MS)

    flush_presence()

    release()
    stored = db.session.get(SessionModel, row.id).participants[0]
    assert stored["connection_status"] == live.DISCONNECTED
