"""What a teacher sees of a live session and does in it, over HTTP (contract monitoring 2)."""

import csv
import io
import threading

import pytest
from sqlalchemy import delete, select

from models.analytics_events import StudyEvent
from models.db import db, release, transaction
from models.live import HintReceipt, WatchMark
from models.streams import AnalyticsAccessAudit
from models.user import TEACHING_ASSISTANT, Role
from monitoring.highlights import add_highlight
from monitoring.repositories import sql_attempt_repository as attempts
from tests.factories import make_event, make_user, now_ms, payload, store, viewer

MINUTE_MS = 60_000
HIGHLIGHT = {
    "text": "x = 0",
    "passage_id": "answer.py",
    "position_start": 0,
    "position_end": 5,
    "color_code": "#FFcc00",
    "comment": "why 0?",
}


class Room:
    """A running session of two learners, a third one outside, a teacher and a co-teacher."""

    def __init__(self, school, as_):
        self.school = school
        self.teacher = as_(school.teacher)
        self.people = school.learners
        self.students = [as_(learner) for learner in self.people]
        assistant = make_user("Co")
        with transaction() as session:
            session.add(Role(user_id=assistant.id, course_id=school.course.id, name=TEACHING_ASSISTANT))
        self.assistant_id, self.assistant = assistant.id, as_(assistant)
        ids = [learner.id for learner in self.people[:2]]
        group = self.teacher.post("/api/classes", json={"name": "=7b", "student_ids": ids}).json["id"]
        body = {"class_id": group, "assignment_id": school.assignment.id}
        self.session_id = self.teacher.post("/api/sessions", json=body).json["id"]
        self.url = f"/api/sessions/{self.session_id}"
        for action in ("open", "start"):
            assert self.teacher.post(f"{self.url}/{action}").status_code == 200
        self.attempts = [student.post(f"{self.url}/join").json["attempt_id"] for student in self.students[:2]]

    def student(self, index=0, rest=""):
        return f"{self.url}/students/{self.people[index].id}{rest}"

    def row(self, index=0):
        rows = self.teacher.get(f"{self.url}/snapshot").json["rows"]
        return next(row for row in rows if row["user_id"] == self.people[index].id)

    def needs_you(self):
        return self.teacher.get(f"{self.url}/snapshot").json["totals"]["needs_you"]


@pytest.fixture
def room(school, as_):
    return Room(school, as_)


class TestMarks:
    """Claims and snoozes are shared between the teachers."""

    def test_a_claim_is_shown_to_all_teachers_and_a_colleague_is_refused(self, room):
        claimed = room.teacher.post(room.student(rest="/claim"))
        again = room.teacher.post(room.student(rest="/claim"))
        second = room.assistant.post(room.student(rest="/claim"))

        assert (claimed.status_code, claimed.json["claimed_by"]) == (200, room.school.teacher.id)
        assert again.status_code == 200
        assert (second.status_code, second.json["message"]) == (409, "Teacher is on it already.")
        assert room.row()["claimed_by"] == room.school.teacher.id

    def test_a_claim_that_was_released_is_free_for_others(self, room):
        room.teacher.post(room.student(rest="/claim"))

        released = room.assistant.delete(room.student(rest="/claim"))
        taken = room.assistant.post(room.student(rest="/claim"))

        assert (released.json["claimed_by"], taken.json["claimed_by"]) == (None, room.assistant_id)

    def test_of_two_who_claim_at_once_one_is_refused(self, room, app):
        codes = []
        callers = [room.teacher, room.assistant] * 4
        threads = [
            threading.Thread(
                target=lambda caller=caller: codes.append(caller.post(room.student(rest="/claim")).status_code)
            )
            for caller in callers
        ]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        assert sorted(codes) == [200] * 4 + [409] * 4
        release()
        assert len(db.session.scalars(select(WatchMark)).all()) == 1

    def test_a_new_question_needs_somebody_anew(self, room):
        room.students[0].post(f"{room.url}/help")
        room.teacher.post(room.student(rest="/claim"))
        room.students[0].delete(f"{room.url}/help")

        room.students[0].post(f"{room.url}/help", json={"message": "and now?"})

        assert room.row()["claimed_by"] is None

    def test_a_snoozed_need_waits_and_a_new_hand_does_not(self, room):
        room.students[0].post(f"{room.url}/help")
        before = room.needs_you()
        snoozed = room.teacher.post(room.student(rest="/snooze"), json={"minutes": 5})
        while_snoozed = room.needs_you()
        room.students[0].delete(f"{room.url}/help")
        room.students[0].post(f"{room.url}/help")

        assert (before, while_snoozed, room.needs_you()) == (1, 0, 1)
        assert snoozed.json["snoozed_until"] is not None
        assert room.row()["snoozed_until"] is None

    def test_a_snooze_of_no_minutes_ends_it(self, room):
        room.teacher.post(room.student(rest="/snooze"), json={"minutes": 5})

        assert room.teacher.post(room.student(rest="/snooze"), json={"minutes": 0}).json["snoozed_until"] is None

    @pytest.mark.parametrize("minutes", [-1, 121, "soon", None, 1.5])
    def test_a_wrong_number_of_minutes_is_named(self, room, minutes):
        answer = room.teacher.post(room.student(rest="/snooze"), json={"minutes": minutes})

        assert (answer.status_code, answer.json["field"]) == (422, "minutes")

    def test_a_teacher_lowers_a_hand_and_the_log_knows_who_did(self, room):
        room.students[0].post(f"{room.url}/help", json={"message": "how?"})

        answer = room.teacher.delete(room.student(rest="/help"))

        assert (answer.status_code, answer.json["work"]) == (200, "OK")
        release()
        lowered = db.session.scalar(select(StudyEvent).where(StudyEvent.event_type == "help_lowered"))
        assert (lowered.user_id, lowered.actor_id) == (room.people[0].id, room.school.teacher.id)

    def test_after_the_end_nothing_is_claimed(self, room):
        room.teacher.post(f"{room.url}/complete")

        assert room.teacher.post(room.student(rest="/claim")).status_code == 409
        assert room.teacher.post(room.student(rest="/snooze"), json={"minutes": 5}).status_code == 409


class TestHints:
    """Told, delivered, seen."""

    def test_a_hint_to_one_is_his_alone(self, room):
        sent = room.teacher.post(
            f"{room.url}/hints", json={"user_id": room.people[0].id, "message": " Look at line 2 "}
        )

        assert sent.status_code == 201
        told = {"message": "Look at line 2", "from": "Teacher", "of": 1, "delivered": 0, "seen": 0, "seen_at": None}
        assert told.items() <= sent.json.items()
        own, others = (student.get(f"{room.url}/hints").json["items"] for student in room.students[:2])
        assert [(hint["hint_id"], hint["message"]) for hint in own] == [(sent.json["hint_id"], "Look at line 2")]
        assert others == []

    def test_a_hint_to_all_has_a_receipt_for_each(self, room):
        sent = room.assistant.post(f"{room.url}/hints", json={"user_id": None, "message": "Use range"}).json

        assert (sent["of"], sent["user_id"], sent["from"]) == (2, None, "Co")
        release()
        assert len(db.session.scalars(select(HintReceipt)).all()) == 2
        logged = db.session.scalars(select(StudyEvent).where(StudyEvent.event_type == "hint_sent")).all()
        assert {(event.user_id, event.actor_id) for event in logged} == {
            (person.id, room.assistant_id) for person in room.people[:2]
        }
        assert {event.properties["hint_id"] for event in logged} == {sent["hint_id"]}

    def test_the_pane_shows_what_was_told(self, room):
        room.teacher.post(f"{room.url}/hints", json={"message": "to all"})
        room.teacher.post(f"{room.url}/hints", json={"user_id": room.people[0].id, "message": "to you"})

        mine, other = (room.teacher.get(room.student(index)).json["hints"] for index in range(2))

        assert [hint["message"] for hint in mine] == ["to you", "to all"]
        assert [hint["message"] for hint in other] == ["to all"]

    @pytest.mark.parametrize("message", ["", "   ", "x" * 2001, None, 7])
    def test_a_hint_without_words_or_too_long_names_the_field(self, room, message):
        answer = room.teacher.post(f"{room.url}/hints", json={"message": message})

        assert (answer.status_code, answer.json["field"]) == (422, "message")
        assert room.teacher.get(f"{room.url}/hints").json["items"] == []

    def test_nobody_else_can_be_told(self, room):
        outsider = room.people[2].id

        assert room.teacher.post(f"{room.url}/hints", json={"user_id": outsider, "message": "?"}).status_code == 404
        assert room.students[0].post(f"{room.url}/hints", json={"message": "?"}).status_code == 404
        assert room.students[2].get(f"{room.url}/hints").status_code == 404

    def test_after_the_end_no_hint_is_told_and_all_can_be_read(self, room):
        room.teacher.post(f"{room.url}/hints", json={"message": "before"})
        room.teacher.post(f"{room.url}/complete")

        assert room.teacher.post(f"{room.url}/hints", json={"message": "after"}).status_code == 409
        assert [hint["message"] for hint in room.students[0].get(f"{room.url}/hints").json["items"]] == ["before"]


class TestHistory:
    """A student's work as one scrubs through it."""

    def tell(self, room, *events):
        work = room.school.submission(0)
        for name, fields in events:
            sent = room.students[0].post("/blockpy/log_event", data=payload(work, name, **fields))
            assert sent.json["success"], sent.json
        return work

    def test_history_has_codes_runs_and_tests_in_order(self, room):
        self.tell(
            room,
            ("File.Edit", {"message": "x = 1"}),
            ("Run.Program", {"message": '{"inputs": [], "outputs": ["1", "2"]}'}),
            ("File.Edit", {"message": "x = y"}),
            ("Run.Program", {"category": "ProgramErrorOutput", "message": "NameError: name 'y' is not defined"}),
            ("Intervention", {"message": '{"unitTests": {"tests": 4, "successes": 1}}'}),
        )

        told = room.teacher.get(room.student(rest="/history")).json

        items = [item for item in told["items"] if item["event_type"] in ("File.Edit", "Run.Program", "Intervention")]
        assert [item["run"] and item["run"]["ok"] for item in items] == [None, True, None, False, None]
        assert items[1]["run"]["text"] == "1\n2"
        assert items[3]["run"]["error"] == "NameError"
        assert items[4]["tests"] == {"tests": 4, "successes": 1}
        ids = [items[0]["code_state_id"], items[2]["code_state_id"]]
        codes = room.teacher.get(room.student(rest=f"/code?ids={','.join(ids)}")).json["items"]
        assert [item["code"] for item in codes] == ["x = 1", "x = y"]
        last_run = room.teacher.get(room.student()).json["last_run"]
        assert (last_run["ok"], last_run["error"]) == (False, "NameError")

    def test_program_texts_of_others_are_not_given(self, room):
        work = self.tell(room, ("File.Edit", {"message": "secret = 1"}))
        release()
        event = db.session.scalar(
            select(StudyEvent).where(StudyEvent.submission_id == work.id, StudyEvent.event_type == "File.Edit")
        )
        code_id = event.properties["code_state_id"]

        assert room.teacher.get(room.student(0, f"/code?ids={code_id}")).status_code == 200
        assert room.teacher.get(room.student(1, f"/code?ids={code_id}")).status_code == 404
        assert room.teacher.get(room.student(0, "/code?ids=")).status_code == 422
        assert room.students[0].get(room.student(0, f"/code?ids={code_id}")).status_code == 404

    def test_who_has_not_begun_has_no_runs(self, room):
        told = room.teacher.get(room.student(1, "/history")).json

        assert [item["run"] for item in told["items"] if item["run"]] == []

    def test_a_look_at_a_history_is_written_down(self, room):
        room.teacher.get(room.student(rest="/history"))

        release()
        looks = db.session.scalars(select(AnalyticsAccessAudit).where(AnalyticsAccessAudit.what == "pane")).all()
        assert [look.subject_id for look in looks] == [room.people[0].id]


class TestFigures:
    """Minutes, summary, table."""

    def work(self, room):
        """The first learner fails twice and then succeeds, the second only edits."""
        began = now_ms() - 3 * MINUTE_MS
        first, second = room.school.submission(0), room.school.submission(1)
        error = {"category": "ProgramErrorOutput", "message": "NameError: name 'y' is not defined"}
        store(
            make_event(first, "File.Edit", at_ms=began),
            make_event(first, "Run.Program", at_ms=began, **error),
            make_event(first, "Run.Program", at_ms=began + MINUTE_MS, **error),
            make_event(first, "Run.Program", at_ms=began + 2 * MINUTE_MS),
        )
        store(make_event(second, "File.Edit", at_ms=began))

    def test_activity_is_told_by_minute(self, room):
        self.work(room)

        told = room.teacher.get(f"{room.url}/activity?minutes=10").json

        first, second = (told["students"][str(person.id)] for person in room.people[:2])
        assert (len(first), sum(step[0] for step in first), sum(step[1] for step in first)) == (10, 1, 3)
        assert [step[2] for step in first if step[1]] == [1, 1, 0]
        assert [sum(column) for column in zip(*second, strict=True)] == [1, 0, 0]

    def test_the_summary_adds_up(self, room):
        self.work(room)
        room.students[1].post(f"{room.url}/help")
        room.teacher.post(f"{room.url}/hints", json={"message": "to all"})
        room.teacher.post(f"{room.url}/complete")

        told = room.teacher.get(f"{room.url}/summary").json

        assert told["totals"] == {
            "expected": 2,
            "took_part": 2,
            "done": 0,
            "hands": 1,
            "hints": 1,
            "runs": 3,
            "failed_runs": 2,
            "mean_score": 0.0,
        }
        assert told["errors"] == [{"name": "NameError", "runs": 2, "students": 1, "user_ids": [room.people[0].id]}]
        assert sum(step["edits"] for step in told["minutes"]) == 2
        first, second = told["students"]
        assert (first["runs"], first["failed_runs"], first["errors"]) == (3, 2, {"NameError": 2})
        assert first["longest_failing_seconds"] == 120.0
        assert (second["hands"], second["hints"], second["edits"]) == (1, 1, 1)

    def test_homework_after_the_end_does_not_change_what_the_lesson_came_to(self, room):
        work = room.school.submission(0)
        score = payload(work, None, score="0.5", correct="false")
        assert room.students[0].post("/blockpy/update_submission", data=score).json["success"]
        room.teacher.post(f"{room.url}/complete")
        before = room.teacher.get(f"{room.url}/summary").json
        best = payload(work, None, score="1", correct="true")
        assert room.students[0].post("/blockpy/update_submission", data=best).json["success"]

        after = room.teacher.get(f"{room.url}/summary").json

        assert (before["totals"]["mean_score"], before["students"][0]["score"]) == (0.25, 0.5)
        assert after["totals"] == before["totals"]
        assert after["students"] == before["students"]

    def test_a_session_that_never_started_has_an_empty_summary(self, room):
        body = {"class_id": 1, "assignment_id": room.school.assignment.id}
        planned = room.teacher.post("/api/sessions", json=body).json["id"]
        room.teacher.post(f"/api/sessions/{planned}/cancel")

        told = room.teacher.get(f"/api/sessions/{planned}/summary").json

        assert (told["totals"]["took_part"], told["errors"], len(told["minutes"])) == (0, [], 1)

    def test_the_table_has_a_line_for_each_and_no_formulas(self, room):
        with transaction():
            room.school.learners[0].name = "=HYPERLINK(1)"

        answer = room.teacher.get(f"{room.url}/export.csv")

        assert (answer.status_code, answer.mimetype) == (200, "text/csv")
        lines = list(csv.DictReader(io.StringIO(answer.text)))
        assert len(lines) == 2
        assert all(not line["name"].startswith(("=", "+", "-", "@")) for line in lines)

    @pytest.mark.parametrize("rest", ["activity", "summary", "export.csv"])
    def test_only_who_watches_may_see_them(self, room, rest):
        assert room.students[0].get(f"{room.url}/{rest}").status_code == 404
        assert room.assistant.get(f"{room.url}/{rest}").status_code == 200


class TestHighlights:
    """Marks in a program text."""

    def test_a_highlight_has_the_eight_keys_and_is_in_the_log(self, room):
        made = room.students[0].post(f"/api/attempts/{room.attempts[0]}/highlights", json=HIGHLIGHT)

        assert made.status_code == 201
        (kept,) = made.json["highlighted_text"]
        assert set(kept) == {"id", "timestamp", *HIGHLIGHT}
        assert HIGHLIGHT.items() <= kept.items()
        release()
        logged = db.session.scalar(select(StudyEvent).where(StudyEvent.event_type == "highlight_added"))
        assert logged.properties["highlight"] == kept

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("position_end", -1),
            ("position_start", -1),
            ("position_start", 6),
            ("color_code", "red"),
            ("color_code", "#FFF"),
            ("text", None),
            ("passage_id", "x" * 256),
        ],
    )
    def test_what_is_wrong_is_named_and_nothing_is_kept(self, room, field, value):
        answer = room.students[0].post(f"/api/attempts/{room.attempts[0]}/highlights", json={**HIGHLIGHT, field: value})

        assert answer.status_code == 422
        assert answer.json["field"] in (field, "position_end")
        assert room.students[0].get(f"/api/attempts/{room.attempts[0]}").json["highlighted_text"] == []

    def test_another_student_may_neither_mark_nor_read(self, room):
        url = f"/api/attempts/{room.attempts[0]}"

        assert room.students[1].post(f"{url}/highlights", json=HIGHLIGHT).status_code == 404
        assert room.students[1].get(url).status_code == 404
        assert room.teacher.post(f"{url}/highlights", json=HIGHLIGHT).status_code == 201

    def test_of_highlights_at_once_none_is_lost(self, room, app):
        attempt_id, person = room.attempts[0], viewer(room.people[0])

        def mark_ten(number):
            with app.app_context():
                attempt = attempts.find_attempt(db.session(), room.session_id, person.user_id)
                for place in range(10):
                    add_highlight(person, attempt, {**HIGHLIGHT, "position_end": number * 10 + place})

        threads = [threading.Thread(target=mark_ten, args=(number,)) for number in range(6)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

        release()
        kept = room.students[0].get(f"/api/attempts/{attempt_id}").json["highlighted_text"]
        assert sorted(item["position_end"] for item in kept) == list(range(60))


def test_a_student_who_left_the_course_is_out_of_the_room(room):
    with transaction() as session:
        session.execute(delete(Role).where(Role.user_id == room.people[0].id))

    assert room.students[0].post(f"{room.url}/join").status_code == 404
    assert room.students[0].get(room.url).status_code == 404
    assert room.row()["state"] == "REMOVED"
