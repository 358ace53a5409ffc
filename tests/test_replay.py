"""Twenty real students' work, event by event through HTTP: every counter comes out exactly as reckoned beforehand.

The data lie beside the repository; where they do not, a small trace of our own with the same traps stands in.
"""

import csv
import queue
import random
import threading
import time
import uuid
from pathlib import Path

import pytest
import sqlalchemy

from tests.clients import Person, Pupil, eventually
from tests.processes import ROOT

pytest_plugins = ("tests.houses",)

SHARED = ROOT.parent / "shared" / "replay"
MAIN_TABLE = SHARED / "fitech_a81_MainTable.csv"
EXPECTED = SHARED / "expected_projection.csv"
OWN = Path(__file__).parent / "vectors" / "trace.csv"
SEED = 20260731
AT_ONCE = 3
THREADS = 3
LONGEST_GAP_SECONDS = 301
CAP_MS = 300_000
BEGAN_SECONDS_AGO = 3 * 3600
NOT_COUNTERS = {"student", "problem", "events", "interventions", "first_ms", "last_ms", "last_edit_ms"}
PASSWORD = "a good password"
NAMES = {
    "File.Edit": "File.Edit",
    "File.Run": "Run.Program",
    "File.Submit": "Submit",
    "File.Init": "Session.Start",
    "File.RequestHelp": "X-HelpRequest",
}


def read(path):
    """The rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def events_of(rows):
    """{student: [(second, fields)]} as the data's README maps its rows, long gaps squeezed."""
    students, last, now = {}, {}, {}
    for row in rows:
        student, elapsed = row["SubjectID"], int(row["X-ElapsedTime"])
        gap = elapsed - last.get(student, 0)
        assert gap >= 0
        now[student] = now.get(student, 0) + min(gap, LONGEST_GAP_SECONDS)
        last[student] = elapsed
        for fields in row_events(row):
            students.setdefault(student, []).append((now[student], fields))
    return students


def row_events(row):
    """The events of one row: a paste before its edit, an intervention after its row."""
    if row["EventType"] == "File.Edit" and row["EditType"] == "paste":
        yield {"event_type": "X-Editor.Paste"}
    yield {"event_type": NAMES[row["EventType"]]} | (
        {"message": row["X-CodeState"]} if row["EventType"] == "File.Edit" else {}
    )
    if row["X-Intervene"] in ("Y", "D"):
        said = {"category": row["X-Why"], "label": row["X-Intervene"], "message": row["X-How"]}
        yield {"event_type": "Intervention"} | said


def reckoned(events):
    """What the events of one student come to, by the words of the data's README and none of our code."""
    result = {"events": len(events), "interventions": 0, "runs": 0, "edits": 0, "time_spent_ms": 0}
    result |= {"syntax_errors": 0, "runtime_errors": 0}
    result |= {f"{kind}_{part}": 0 for kind in ("edit", "attempt") for part in ("count", "sum_ms", "sumsq_ms2")}
    seen = {}
    for second, fields in events:
        at, name = second * 1000, fields["event_type"]
        result["time_spent_ms"] += min(max(at - seen.get("any", at), 0), CAP_MS)
        seen["any"] = max(at, seen.get("any", at))
        result["interventions"] += name == "Intervention"
        result["syntax_errors"] += fields.get("category") == "syntax"
        result["runtime_errors"] += fields.get("category") == "runtime"
        for wanted, kind, number in (("File.Edit", "edit", "edits"), ("Run.Program", "attempt", "runs")):
            if name != wanted:
                continue
            result[number] += 1
            gap = at - seen.get(kind, at + 1)
            if 0 <= gap <= CAP_MS:
                result[f"{kind}_count"] += 1
                result[f"{kind}_sum_ms"] += gap
                result[f"{kind}_sumsq_ms2"] += gap * gap
            seen[kind] = max(at, seen.get(kind, at))
    return result


def expected(students):
    """{student: integers}: those that came with the data, else our own reckoning."""
    if not EXPECTED.exists():
        return {student: reckoned(events) for student, events in students.items()}
    wanted = set(reckoned([]))
    return {row["student"]: {name: int(row[name]) for name in wanted} for row in read(EXPECTED)}


def trace():
    """The events to replay."""
    return events_of(read(MAIN_TABLE if MAIN_TABLE.exists() else OWN))


def test_what_we_expect_is_what_the_data_say():
    students = trace()

    ours = {student: reckoned(events) for student, events in students.items()}

    assert ours == expected(students)
    if EXPECTED.exists():
        assert sum(len(events) for events in students.values()) == 2581
        assert set(read(EXPECTED)[0]) - NOT_COUNTERS <= set(ours["S148"])


def test_our_own_trace_comes_to_what_was_counted_by_hand():
    own = {student: reckoned(events) for student, events in events_of(read(OWN)).items()}

    names = ("events", "runs", "edits", "edit_count", "edit_sum_ms", "attempt_count", "attempt_sum_ms", "time_spent_ms")
    assert [own["T1"][name] for name in names] == [12, 4, 3, 2, 36_000, 2, 332_000, 649_000]
    assert [own["T2"][name] for name in names] == [8, 1, 4, 2, 300_000, 0, 0, 604_000]
    assert [own["T3"][name] for name in names] == [6, 2, 0, 0, 0, 1, 0, 90_000]
    assert (own["T1"]["edit_sumsq_ms2"], own["T1"]["interventions"]) == (25_000_000 + 31_000**2, 2)


class Replay:
    """A class of its own on an exercise of its own, whose students post what the trace says."""

    def __init__(self, house, students, duplicates):
        self.house, self.students, self.duplicates = house, students, duplicates
        self.random = random.Random(SEED)
        self.began_ms = int((time.time() - BEGAN_SECONDS_AGO) * 1000)
        self.pupils, self.teacher, self.session_id = {}, None, None
        self.posted = self.repeated = 0
        self.wrong = []

    def enroll(self):
        """The admin makes people and course, the teacher the exercise, the class and the session; all begin."""
        admin = self.house.admin
        people = [{"name": name, "email": f"{name.lower()}@replay.test"} for name in ("Teacher", *self.students)]
        for person in people:
            person["password"] = PASSWORD
        few = [people[start : start + AT_ONCE] for start in range(0, len(people), AT_ONCE)]
        made = [item for items in few for item in admin.api("POST", "/api/users", {"items": items})["items"]]
        assert [item["status"] for item in made] == ["created"] * len(people)
        logins = [item | {"password": PASSWORD, "user_id": item["id"]} for item in made]
        ids = [item["id"] for item in made[1:]]
        course_id = admin.api("POST", "/api/courses", {"name": "Replay"})["id"]
        admin.api("PUT", f"/api/courses/{course_id}/roles", {"role": "learner", "user_ids": ids})
        admin.api("PUT", f"/api/courses/{course_id}/roles", {"role": "instructor", "user_ids": [made[0]["id"]]})
        self.teacher = Person(self.house.url, logins[0])
        teacher = self.teacher
        assignment_id = teacher.api("POST", f"/api/courses/{course_id}/assignments", {"name": "A81"})["id"]
        group = teacher.api("POST", "/api/classes", {"name": "A81", "student_ids": ids, "course_id": course_id})
        planned = {"class_id": group["id"], "assignment_id": assignment_id}
        self.session_id = teacher.api("POST", "/api/sessions", planned)["id"]
        for action in ("open", "start"):
            teacher.api("POST", f"/api/sessions/{self.session_id}/{action}")
        for student, login in zip(self.students, logins[1:], strict=True):
            self.pupils[student] = Pupil(self.house.url, login)
            self.pupils[student].open(assignment_id)

    def play(self):
        """Post everything, three students at a time in each thread, interleaved at random."""
        names = self.random.sample(list(self.students), len(self.students))
        trios = queue.SimpleQueue()
        for start in range(0, len(names), AT_ONCE):
            trios.put((names[start : start + AT_ONCE], random.Random(self.random.random())))

        def work():
            while not trios.empty():
                try:
                    self._interleave(*trios.get(timeout=1))
                except queue.Empty:
                    return
                except Exception as error:
                    self.wrong.append(repr(error))
                    raise

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    def _interleave(self, names, chance):
        todo = {name: list(reversed(self.students[name])) for name in names}
        sent = {name: [] for name in names}
        while todo:
            name = chance.choice(sorted(todo))
            second, fields = todo[name].pop()
            self._post(name, second, fields, sent[name])
            if chance.random() < self.duplicates:
                self._post_again(name, chance.choice(sent[name][-20:]))
            if not todo[name]:
                del todo[name]

    def _post(self, name, second, fields, sent):
        pupil = self.pupils[name]
        event_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{name}/{len(sent)}"))
        payload = pupil.fields(timestamp=self.began_ms + second * 1000, event_id=event_id, **fields)
        answer = pupil.post(payload)
        assert answer["success"], answer
        self.posted += 1
        sent.append((payload, answer["log_id"]))

    def _post_again(self, name, delivered):
        payload, log_id = delivered
        again = self.pupils[name].post(payload)
        self.repeated += 1
        assert (again["success"], again["log_id"]) == (True, log_id)

    def counters(self):
        """{student: counters over HTTP}, as soon as nothing waits to be counted."""

        def counted():
            told = {}
            for student, pupil in self.pupils.items():
                told[student] = pupil.api("GET", f"/api/submissions/{pupil.submission['id']}/counts")
            return told if all(row["behind"] == 0 for row in told.values()) else None

        return eventually(counted, 30, "everything counted")

    def close(self):
        """Everybody hangs up."""
        for person in (self.teacher, *self.pupils.values()):
            if person is not None:
                person.close()


def logged(url, pupils):
    """{student: number of events by type} straight from the log."""
    query = "SELECT submission_id, event_type, count(*) FROM study_events GROUP BY submission_id, event_type"
    engine = sqlalchemy.create_engine(url)
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(query)).all()
    engine.dispose()
    names = {pupil.submission["id"]: student for student, pupil in pupils.items()}
    found = {student: {} for student in pupils}
    for submission_id, event_type, number in rows:
        if submission_id in names:
            found[names[submission_id]][event_type] = number
    return found


def spoil(url, submission_id):
    """One counter goes wrong behind everybody's back."""
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        wrong = "UPDATE submission_counts SET runs = runs + 1 WHERE submission_id = :id"
        connection.execute(sqlalchemy.text(wrong), {"id": submission_id})
    engine.dispose()


@pytest.mark.parametrize(("database", "duplicates"), [("sqlite", 0.0), ("postgresql", 0.15)])
def test_the_work_of_real_students_is_counted_exactly(builder, tmp_path, database, duplicates):
    students = trace()
    with builder.house(tmp_path, database) as house:
        replay = Replay(house, students, duplicates)
        try:
            check_replay(replay, house)
        finally:
            replay.close()


def check_replay(replay, house):
    """Play it while a teacher watches; then compare all that there is to compare."""
    replay.enroll()
    watcher = house.watcher(replay.session_id, person=replay.teacher)
    began = time.monotonic()

    replay.play()

    seconds = time.monotonic() - began
    print(f"{replay.posted} events and {replay.repeated} repeats in {seconds:.1f} s: {replay.posted / seconds:.0f}/s")
    assert replay.wrong == []
    wanted = expected(replay.students)
    assert replay.posted == sum(row["events"] for row in wanted.values())
    assert bool(replay.repeated) == bool(replay.duplicates)
    counters = replay.counters()
    for student, row in wanted.items():
        ours = {name: counters[student][name] for name in row if name not in NOT_COUNTERS}
        assert ours == {name: value for name, value in row.items() if name not in NOT_COUNTERS}, student
    for student, by_type in logged(house.installation.environment["DATABASE_URL"], replay.pupils).items():
        assert (by_type.pop("Submission.Create"), by_type.pop("File.Create")) == (1, 1)
        assert sum(by_type.values()) == wanted[student]["events"]
        assert by_type.get("Intervention", 0) == wanted[student]["interventions"]
    check_picture(watcher, replay, counters)
    check_recalculation(replay, house, counters)


def check_picture(watcher, replay, counters):
    """The page that watched all the while shows what a fresh snapshot shows, and the counters that were told."""
    watcher.until_same_as(replay.teacher, 10)
    assert watcher.violations == []
    assert watcher.resyncs == []
    assert len(watcher.frames) > min(20, replay.posted // 10)
    for student, pupil in replay.pupils.items():
        row = watcher.row(pupil.user_id)
        assert row["counts"] == {name: counters[student][name] for name in row["counts"]}
        assert row["counted_seq"] == counters[student]["folded_seq"]
        assert "LOST" not in watcher.states[pupil.user_id]


def check_recalculation(replay, house, counters):
    """Recalculating everything finds and changes nothing; and it would find what is wrong."""
    run = house.admin.recalculate(scope="all")
    assert (run["status"], run["differences"], run["changed"]) == ("done", [], 0)
    assert run["total"] == run["done"] > len(replay.pupils)
    assert replay.counters() == counters
    student, pupil = next(iter(replay.pupils.items()))
    submission_id, runs = pupil.submission["id"], counters[student]["runs"]
    spoil(house.installation.environment["DATABASE_URL"], submission_id)
    found = house.admin.recalculate(scope="all")["differences"]
    wrong = {"table": "submission_counts", "id": submission_id, "field": "runs", "was": runs + 1, "is": runs}
    assert found == [wrong]
    assert replay.counters() == counters
