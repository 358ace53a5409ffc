"""The main job, with real processes and real clients: what a student does reaches the teacher who watches."""

import statistics
import threading
import time

import pytest
from socketio.exceptions import ConnectionError as Refused

from monitoring.watchers import LAG_SECONDS
from tests.clients import connect, eventually, make_socket, moment

pytest_plugins = ("tests.houses",)

WITHIN_SECONDS = 1.0
RUNS = 10
on_sqlite = pytest.mark.parametrize("house", ["sqlite"], indirect=True)
on_both = pytest.mark.parametrize("house", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(scope="module", params=["sqlite", "postgresql", "threading"])
def house(request, builder, tmp_path_factory):
    """A running installation; `threading` is SQLite with the web process on threads instead of green ones."""
    options = {"async_mode": "threading"} if request.param == "threading" else {}
    database = "postgresql" if request.param == "postgresql" else "sqlite"
    with builder.house(tmp_path_factory.mktemp(request.param), database, **options) as made:
        yield made


def run_and_clock(watcher, pupil, number):
    """Post one run; answers how long the row took to show it, and to show its count, in seconds."""
    before = watcher.row(pupil.user_id)["last_activity"]
    posted = time.monotonic()
    pupil.log("Run.Program", message="print(1)")
    watcher.until_row(pupil.user_id, runs=number)

    def first(shows):
        rows = ((at, row) for at, frame in watcher.frames for row in frame["rows"])
        return next(at - posted for at, row in rows if at > posted and row["user_id"] == pupil.user_id and shows(row))

    return first(lambda row: row["last_activity"] != before), first(lambda row: row["counts"]["runs"] == number)


def test_a_run_reaches_the_watching_teacher_within_a_second(house, request):
    session_id, (pupil, *_) = house.room(0, 1, 2)
    watcher = house.watcher(session_id)
    pupil.enter(session_id)
    watcher.until_same_as(house.teacher, 5)

    clocked = [run_and_clock(watcher, pupil, number) for number in range(1, RUNS + 1)]

    seen, counted = zip(*clocked, strict=True)
    for what, seconds in (("activity", seen), ("counts", counted)):
        told = ", ".join(f"{value * 1000:.0f}" for value in sorted(seconds))
        print(f"{request.node.name} POST to frame, {what}: median {statistics.median(seconds) * 1000:.0f} ms of {told}")
    assert statistics.median(seen) < WITHIN_SECONDS
    assert statistics.median(counted) < WITHIN_SECONDS
    row = watcher.row(pupil.user_id)
    assert (row["state"], row["tabs"], row["attention"]) == ("CONNECTED", 1, "ACTIVE")
    assert (row["last_event_type"], row["counts"]["edits"]) == ("Run.Program", 0)
    watcher.until_same_as(house.teacher, 5)
    assert watcher.violations == []


@on_sqlite
def test_tabs_are_counted_a_goodbye_is_left_and_a_silence_is_lost(house):
    session_id, (leaver, dropper) = house.room(0, 1)
    watcher = house.watcher(session_id)
    dropper.enter(session_id)
    leaver.enter(session_id)
    second = make_socket(reconnection=False)
    connect(second, house.url, leaver.token)
    second.call("join", {"session_id": session_id, "tab_id": "second"}, namespace="/monitor")
    watcher.until_row(leaver.user_id, state="CONNECTED", tabs=2)
    watcher.until_row(dropper.user_id, state="CONNECTED", tabs=1)

    dropped = time.time()
    dropper.drop()
    watcher.until_row(dropper.user_id, seconds=3, state="UNSTABLE", tabs=0)
    second.shutdown()
    watcher.until_row(leaver.user_id, seconds=3, state="CONNECTED", tabs=1)
    said = time.time()
    assert leaver.say("leave", {"session_id": session_id}) == {"success": True}
    watcher.until_row(leaver.user_id, seconds=9, state="LEFT", tabs=0)
    left = time.time()
    watcher.until_row(dropper.user_id, seconds=25, state="LOST", tabs=0)
    lost = time.time()

    assert 5 <= left - said < 8
    assert 20 <= lost - dropped < 23
    assert abs(moment(watcher.row(dropper.user_id)["since"]) - dropped) < 1
    assert watcher.states[dropper.user_id][-3:] == ["CONNECTED", "UNSTABLE", "LOST"]
    assert "LOST" not in watcher.states[leaver.user_id]
    dropper.enter(session_id)
    watcher.until_row(dropper.user_id, state="CONNECTED", tabs=1)
    assert watcher.violations == []


@on_both
def test_a_hint_is_delivered_seen_and_told_again_until_then(house):
    session_id, (pupil, other) = house.room(0, 1)
    watcher = house.watcher(session_id)
    heard = []
    watcher.client.on("hint", heard.append, namespace="/monitor")
    pupil.enter(session_id)
    other.enter(session_id)
    hints = f"/api/sessions/{session_id}/hints"

    sent = house.teacher.api("POST", hints, {"user_id": pupil.user_id, "message": "Look at line 2"})
    eventually(lambda: pupil.hints, 3, "the hint")
    eventually(lambda: house.teacher.api("GET", hints)["items"][0]["delivered_at"], 3, "that it has come")
    pupil.line.shutdown()
    pupil.enter(session_id)
    eventually(lambda: len(pupil.hints) == 2, 3, "the hint that was not seen, again")
    seen = pupil.say("seen", {"hint_id": sent["hint_id"]})
    foreign = other.say("seen", {"hint_id": sent["hint_id"]})

    assert (seen, foreign["error"]) == ({"success": True}, "not_found")
    told = {"hint_id": sent["hint_id"], "message": "Look at line 2", "from": sent["from"], "at": sent["at"]}
    assert (pupil.hints, other.hints) == ([told, told], [])
    eventually(lambda: heard and heard[-1]["seen"] == 1, 3, "that it was seen")
    assert heard[0]["delivered"] == 0
    pupil.line.shutdown()
    pupil.enter(session_id)
    house.teacher.api("POST", hints, {"message": "to all"})
    eventually(lambda: other.hints, 3, "the hint to all")
    eventually(lambda: house.teacher.api("GET", hints)["items"][0]["delivered"] == 2, 3, "that it has come to all")
    assert [hint["message"] for hint in pupil.hints[2:]] == ["to all"]


@on_sqlite
def test_a_hand_that_the_teacher_lowers_is_lowered_before_the_student(house):
    session_id, (pupil,) = house.room(0)
    watcher = house.watcher(session_id)
    pupil.enter(session_id)
    pupil.api("POST", f"/api/sessions/{session_id}/help", {"message": "how?"})
    watcher.until_row(pupil.user_id, work="HAND", work_reason="how?")

    house.teacher.api("DELETE", f"/api/sessions/{session_id}/students/{pupil.user_id}/help")

    watcher.until_row(pupil.user_id, work="OK")

    def hands():
        return [told["hand_up"] for told in pupil.received if "hand_up" in told]

    eventually(lambda: hands() == [True, False], 3, "the hand goes down on the student's page")


@on_sqlite
def test_a_claim_of_one_teacher_is_seen_by_the_other_at_once(house):
    session_id, (pupil,) = house.room(0)
    watcher = house.watcher(session_id)

    house.teacher.api("POST", f"/api/sessions/{session_id}/students/{pupil.user_id}/claim")

    watcher.until_row(pupil.user_id, claimed_by=house.teacher.user_id)
    watcher.until_same_as(house.teacher, 5)


@on_both
def test_thirty_students_at_once_are_all_shown_and_a_late_watcher_sees_the_same(house):
    session_id, pupils = house.room(*range(30))
    watcher = house.watcher(session_id)
    late = []

    def work(some):
        for pupil in some:
            pupil.enter(session_id)
            pupil.log("Run.Program")
        if not late:
            late.append(house.watcher(session_id))
        for pupil in some:
            pupil.log("Run.Program")

    threads = [threading.Thread(target=work, args=(pupils[n::6],)) for n in range(6)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]

    for page in (watcher, *late):
        page.until(lambda page=page: all(row["counts"]["runs"] == 2 for row in page.rows.values()), 10, "all runs")
        page.until(lambda page=page: all(row["tabs"] == 1 for row in page.rows.values()), 5, "all tabs")
        assert len(page.rows) == 30
        assert {row["state"] for row in page.rows.values()} == {"CONNECTED"}
        page.until_same_as(house.teacher, 10)
        assert page.violations == []
    totals = house.teacher.snapshot(session_id)["totals"]
    assert (totals["expected"], totals["here"], totals["by_state"]) == (30, 30, {"CONNECTED": 30})


@on_sqlite
def test_students_and_watchers_are_told_that_a_session_moves(house):
    session_id, (pupil, *_) = house.room(0, 1, until="open")
    watcher = house.watcher(session_id)
    joined = pupil.enter(session_id)
    assert (joined["success"], joined["attempt_id"], joined["submission_id"]) == (True, None, pupil.submission["id"])

    for action in ("start", "complete"):
        house.teacher.api("POST", f"/api/sessions/{session_id}/{action}")

    states = ["IN_PROGRESS", "COMPLETED"]
    watcher.until(lambda: [s["status"] for s in watcher.changes] == states, 5, "both changes told to the watcher")
    # Once at least: what may have been lost is told again.
    eventually(lambda: list(dict.fromkeys(s["status"] for s in pupil.received)) == states, 5, "told to the student")
    assert all("participants" not in session for session in (*watcher.changes, *pupil.received, joined["session"]))
    watcher.until(lambda: watcher.session["status"] == "COMPLETED", 5, "the picture's own session")
    row = watcher.until_row(pupil.user_id, state="FINISHED")
    assert row["attempt_id"] is not None
    watcher.until_same_as(house.teacher, 5)
    assert house.teacher.ask("POST", f"/api/sessions/{session_id}/start").status_code == 409
    assert house.teacher.ask("POST", f"/api/sessions/{session_id}/complete").status_code == 200
    assert watcher.violations == []


@on_sqlite
def test_outsiders_are_answered_as_if_the_session_did_not_exist(house):
    session_id, (inside,) = house.room(0)
    outside = house.pupil(5)
    unknown = 10_000_000
    line = make_socket(reconnection=False)
    connect(line, house.url, outside.token)

    def told(person, message, wanted):
        return person.call(message, {"session_id": wanted, "tab_id": "t"}, namespace="/monitor", timeout=10)

    refused = {message: told(line, message, session_id) for message in ("watch", "join")}

    assert refused["watch"] == told(line, "watch", unknown)
    assert refused["join"] == told(line, "join", unknown)
    assert {answer["error"] for answer in refused.values()} == {"not_found"}
    inside.enter(session_id)
    assert told(inside.line, "watch", session_id) == refused["watch"]
    for path in ("snapshot", "students/3", ""):
        there, nowhere = (outside.ask("GET", f"/api/sessions/{i}/{path}".rstrip("/")) for i in (session_id, unknown))
        assert (there.status_code, there.json()) == (nowhere.status_code, nowhere.json())
        assert there.status_code == 404
    for path in ("join", "leave", "start", "complete"):
        there, nowhere = (outside.ask("POST", f"/api/sessions/{i}/{path}") for i in (session_id, unknown))
        assert (there.status_code, there.json(), nowhere.status_code) == (404, nowhere.json(), 404)
    line.shutdown()
    with pytest.raises(Refused):
        connect(make_socket(reconnection=False), house.url, "no token of anybody")


def fall_behind(house):
    """A room with a page that keeps up and one that acknowledged once and then no more: (pupil, both, seq told)."""
    session_id, (pupil,) = house.room(0)
    awake, asleep = house.watcher(session_id), house.watcher(session_id)
    asleep.acks = False
    acked = asleep.seq
    asleep.answer(acked)
    asleep.call("signal", {"session_id": session_id})
    for number in range(1, 8):
        pupil.log("Run.Program")
        awake.until_row(pupil.user_id, runs=number)
    awake.until(
        lambda: awake.beats and awake.beats[-1][1]["seq"] >= awake.seq >= acked + 7, 8, "a beat after all frames"
    )
    told = [frame for _, frame in asleep.frames if frame["to"] > acked]
    assert len(told) == 3
    assert [frame["from"] for frame in told] == [acked + 1, told[0]["to"] + 1, told[1]["to"] + 1]
    assert asleep.row(pupil.user_id)["counts"]["runs"] < 7
    return pupil, awake, asleep, told[2]["to"]


@on_sqlite
def test_a_watcher_that_is_slow_gets_three_frames_and_then_the_rest_in_one(house):
    pupil, awake, asleep, told = fall_behind(house)

    asleep.acks = True
    asleep.answer()

    asleep.until_row(pupil.user_id, runs=7)
    merged = next(frame for _, frame in asleep.frames if frame["to"] > told)
    assert (merged["from"], merged["to"]) == (told + 1, awake.seq)
    asleep.until_same_as(house.teacher, 5)
    pupil.log("Run.Program")
    asleep.until_row(pupil.user_id, runs=8)
    assert (asleep.resyncs, asleep.violations, awake.violations) == ([], [], [])


@on_sqlite
def test_a_watcher_that_slept_is_told_to_look_anew(house):
    pupil, awake, asleep, _ = fall_behind(house)
    time.sleep(LAG_SECONDS)

    asleep.answer()

    asleep.until(lambda: asleep.resyncs, 5, "told to look anew")
    asleep.acks = True
    asleep.until_same_as(house.teacher, 5)
    pupil.log("Run.Program")
    asleep.until_row(pupil.user_id, runs=8)
    assert (len(asleep.resyncs), asleep.violations, awake.violations) == (1, [], [])


@on_both
def test_events_over_the_line_are_stored_once_and_each_is_answered(house):
    session_id, (pupil, other) = house.room(0, 1)
    watcher = house.watcher(session_id)
    pupil.enter(session_id)
    events = [pupil.fields("Run.Program") for _ in range(100)]

    def send(*batch):
        return pupil.say("events", {"session_id": session_id, "events": list(batch)})

    first, again = send(*events), send(*events)
    changed = {**events[0], "message": "something else"}
    foreign = {**pupil.fields("Run.Program"), "submission_id": other.submission["id"]}
    nameless = {name: value for name, value in pupil.fields("Run.Program").items() if name != "event_id"}
    mixed = send(changed, pupil.fields("X-Never.Heard.Of"), foreign, nameless, pupil.fields(""))

    def statuses(answer):
        return [result["status"] for result in answer["results"]]

    assert statuses(first) == ["stored"] * 100
    assert statuses(again) == ["duplicate"] * 100
    assert [r["log_id"] for r in again["results"]] == [r["log_id"] for r in first["results"]]
    assert len({r["log_id"] for r in first["results"]}) == 100
    assert [r["event_id"] for r in first["results"]] == [event["event_id"] for event in events]
    assert statuses(mixed) == ["rejected", "stored", "rejected", "rejected", "rejected"]
    assert all(result["message"] for result in mixed["results"] if result["status"] == "rejected")
    for wrong in ([*events, pupil.fields("Run.Program")], []):
        refused = send(*wrong)
        assert (refused["success"], refused["error"], refused["field"]) == (False, "invalid", "events")
    watcher.until_row(pupil.user_id, runs=100)
    assert watcher.row(other.user_id)["counts"]["runs"] == 0
    assert watcher.violations == []


@on_sqlite
def test_a_student_without_a_line_is_here_by_his_calls_and_not_by_the_teachers(house):
    session_id, (pupil, watched) = house.room(0, 1)
    watcher = house.watcher(session_id)
    before = watcher.row(watched.user_id)
    work = watched.submission

    pupil.log("File.Edit", message="x = 1")
    watcher.until_row(pupil.user_id, state="CONNECTED", tabs=0, edits=1, last_event_type="File.Edit")
    form = {"assignment_id": work["assignment_id"], "course_id": work["course_id"], "user_id": watched.user_id}
    looked = house.teacher.http.post(f"{house.url}/blockpy/load_assignment", data=form, timeout=10).json()
    assert (looked["success"], looked["submission"]["id"]) == (True, work["id"])
    beats = len(watcher.beats)
    watcher.until(lambda: len(watcher.beats) > beats, 8, "a beat, with which everything is looked at again")

    names = ("state", "since", "tabs", "attention", "attention_since", "last_activity", "last_event_type")
    after = watcher.row(watched.user_id)
    assert {name: after[name] for name in names} == {name: before[name] for name in names}


@on_sqlite
def test_who_leaves_over_http_is_shown_as_left(house):
    session_id, (pupil,) = house.room(0)
    watcher = house.watcher(session_id)
    pupil.api("POST", f"/api/sessions/{session_id}/join")
    watcher.until_row(pupil.user_id, state="CONNECTED", tabs=0)

    pupil.api("POST", f"/api/sessions/{session_id}/leave")

    watcher.until_row(pupil.user_id, seconds=8, state="LEFT")
    pupil.log("Run.Program")
    watcher.until_row(pupil.user_id, state="CONNECTED", runs=1)


@on_both
def test_a_run_reaches_a_teacher_on_another_web_process(house, builder, tmp_path):
    here = house.installation
    with builder.installation(tmp_path, "sqlite", house.redis.url) as other:
        other.environment |= {"DATABASE_URL": here.environment["DATABASE_URL"]}
        other.start("web")
        session_id, (pupil,) = house.room(0)
        watcher = house.watcher(session_id, url=other.url)
        pupil.enter(session_id)
        watcher.until_row(pupil.user_id, state="CONNECTED", tabs=1)

        clocked = [run_and_clock(watcher, pupil, number) for number in range(1, 6)]
        house.teacher.api("POST", f"/api/sessions/{session_id}/complete")

        assert statistics.median(seen for seen, _ in clocked) < WITHIN_SECONDS
        assert statistics.median(counted for _, counted in clocked) < WITHIN_SECONDS
        watcher.until(lambda: watcher.changes and watcher.changes[-1]["status"] == "COMPLETED", 5, "the end told")
        watcher.until_row(pupil.user_id, state="FINISHED")
        assert watcher.violations == []
        watcher.close()


def test_every_part_that_was_started_still_runs(house):
    """Last in this module: whatever was thrown at the parts, none of them has ended."""
    parts = house.installation.running

    ended = [name for name, process in parts.items() if process.poll() is not None]

    assert (sorted(parts), ended) == (["counts", "others", "scheduler", "web"], [])
