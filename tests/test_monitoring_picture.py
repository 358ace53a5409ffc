"""A room's picture: versions, numbers, frames from anywhere on, and who may be told."""

import random

import pytest
from sqlalchemy import delete

from models.db import transaction, utcnow
from models.submission import Submission
from models.user import Role
from monitoring import presence, sessions
from monitoring.picture import Picture
from monitoring.repositories import sql_class_repository as classes
from monitoring.watchers import OUTSTANDING, Room, Watcher
from tests.factories import make_event, make_school, store, viewer

STUDENTS = 4


@pytest.fixture
def house(app):
    """A school with a running live session, whose learners have joined, and its picture."""
    school = make_school(learners=STUDENTS)
    teacher = viewer(school.teacher)
    group = classes.new_class(teacher, name="Class", student_ids=[learner.id for learner in school.learners])
    row = sessions.new_session(teacher, class_id=group.id, assignment_id=school.assignment.id)
    for action in ("open", "start"):
        row = sessions.move(teacher, row, action)
    for learner in school.learners:
        sessions.join(viewer(learner), row)
    school.picture = Picture(row.id)
    school.session_row = row
    school.picture.load()
    school.picture.publish(school.picture.look())
    return school


def change(house, *learners):
    """Something happens to these learners; answers the ids of the rows that changed with it."""
    for learner in learners:
        store(make_event(Submission.from_assignment(house.assignment, learner.id), "File.Edit"))
    ids = [learner.id for learner in learners]
    house.picture.load(ids)
    return house.picture.look(ids)


def applied(snapshot, frames):
    """What a client has that began with this snapshot and got these frames."""
    rows = {row["user_id"]: row for row in snapshot["rows"]}
    told = {"session": snapshot["session"], "notices": snapshot["notices"], "seq": snapshot["seq"]}
    for frame in frames:
        assert frame["from"] == told["seq"] + 1
        rows |= {row["user_id"]: row for row in frame["rows"]}
        told |= {name: frame[name] for name in ("session", "notices") if name in frame} | {"seq": frame["to"]}
    return {**told, "rows": [rows[user_id] for user_id in sorted(rows)]}


def wanted(picture):
    return {name: picture.snapshot()[name] for name in ("session", "notices", "seq", "rows")}


def test_a_frame_from_any_number_on_makes_every_older_picture_the_newest(house):
    chance, picture = random.Random(7), house.picture
    olds = [picture.snapshot()]
    for _ in range(12):
        changed = change(house, *chance.sample(house.learners, chance.randint(1, STUDENTS)))
        if chance.random() < 0.3:
            picture.session_dirty = True
        assert picture.publish(changed)
        olds.append(picture.snapshot())

    for old in olds[:-1]:
        assert applied(old, [picture.frame(old["seq"])]) == wanted(picture)
    one_by_one = applied(olds[0], [picture.frame(olds[0]["seq"])])
    assert one_by_one == wanted(picture)


def test_what_did_not_change_has_no_number_and_no_version(house):
    picture = house.picture
    before = picture.snapshot()

    assert not picture.publish(picture.look())

    after = picture.snapshot()
    assert (after["seq"], after["rows"]) == (before["seq"], before["rows"])


def test_a_version_rises_with_each_change_of_its_row_only(house):
    first, second, *_ = house.learners
    before = {row["user_id"]: row["version"] for row in house.picture.snapshot()["rows"]}

    house.picture.publish(change(house, first))

    after = {row["user_id"]: row["version"] for row in house.picture.snapshot()["rows"]}
    assert after[first.id] == before[first.id] + 1
    assert after[second.id] == before[second.id]


def test_a_hand_is_told_before_the_tick(house):
    room, told = Room(house.session_row.id), []
    room.picture = house.picture
    room.tell = told.append
    room.last_frame, room.next_frame = 100.0, 102.0

    room.tell_if_due(100.2)
    room.hurries = True
    room.tell_if_due(100.05)
    room.tell_if_due(100.2)

    assert told == [100.2]


def test_what_this_process_stored_is_in_the_row_before_sql_is_asked(house):
    learner, picture = house.learners[0], house.picture
    event = {"event_type": "File.Edit", "user_id": learner.id, "actor_id": learner.id, "created_at": utcnow()}

    picture.note({**event, "submission_id": picture.facts[learner.id].submission.id})

    assert picture.show_noted() == [learner.id]
    assert picture.rows[learner.id]["last_event_type"] == "File.Edit"
    assert picture.show_noted() == []


def test_a_note_leaves_who_has_a_line_with_his_line(house):
    learner, picture = house.learners[0], house.picture
    presence.hold_lease("p1")
    presence.connect(picture.session_id, "a", presence.new_line(user_id=learner.id, process_id="p1", tab_id="a"))
    picture.look()
    event = {"event_type": "File.Edit", "user_id": learner.id, "actor_id": learner.id, "created_at": utcnow()}
    before = picture.rows[learner.id]

    picture.note({**event, "submission_id": picture.facts[learner.id].submission.id})
    picture.show_noted()

    after = picture.rows[learner.id]
    assert (before["state"], before["tabs"]) == (after["state"], after["tabs"]) == ("CONNECTED", 1)
    assert after["last_event_type"] == "File.Edit"


def test_what_others_do_or_is_done_elsewhere_makes_nobody_present(house):
    first, second = house.learners[:2]
    picture = house.picture
    event = {"event_type": "File.Edit", "user_id": first.id, "actor_id": first.id, "created_at": utcnow()}
    work_id = picture.facts[first.id].submission.id

    picture.note({**event, "submission_id": work_id, "actor_id": second.id})
    picture.note({**event, "submission_id": work_id + 1000})
    picture.note({**event, "submission_id": None})

    assert picture.show_noted() == []


def test_the_picture_turns_by_itself_when_somebody_will_be_lost(house, monkeypatch):
    learner, picture = house.learners[0], house.picture
    presence.hold_lease("p1")
    record = presence.new_line(user_id=learner.id, process_id="p1", tab_id="a")
    presence.connect(picture.session_id, "a", record)
    presence.disconnect(picture.session_id, "a", user_id=learner.id, goodbye=False)
    picture.look()
    now_ms = presence.clock_ms()
    before = picture.turns()

    monkeypatch.setattr(presence, "clock_ms", lambda: now_ms + presence.LOST_AFTER_MS)

    assert (before, picture.turns()) == (False, True)
    picture.look()
    assert picture.rows[learner.id]["state"] == "LOST"


def test_who_lost_the_right_to_be_there_is_shown_removed(house):
    learner = house.learners[0]
    with transaction() as session:
        session.execute(delete(Role).where(Role.user_id == learner.id))

    house.picture.load()
    house.picture.look()

    assert house.picture.rows[learner.id]["state"] == "REMOVED"


def test_at_most_three_frames_are_under_way_to_who_acknowledges():
    watcher = Watcher(sent=0)
    watcher.applied(0)
    for seq in range(1, OUTSTANDING + 1):
        assert watcher.may_be_told()
        watcher.outstanding.append(seq)

    full = watcher.may_be_told()
    watcher.applied(1)

    assert (full, watcher.may_be_told()) == (False, True)


def test_who_never_acknowledges_is_always_told_and_costs_no_memory():
    watcher = Watcher(sent=0)
    for seq in range(1, 1000):
        watcher.outstanding.append(seq)

    assert watcher.may_be_told()
    assert len(watcher.outstanding) == OUTSTANDING
