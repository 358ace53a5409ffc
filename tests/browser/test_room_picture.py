"""The live room's picture in a browser: drops, age, 300 students, and that it shuts nobody out."""

import json
import uuid

from playwright.sync_api import expect

from tests.browser.conftest import WIDE_AND_NARROW, overflows, violations
from tests.browser.test_room import raise_hand, run, save

BIG_CLASS = 300
MOST_SCRIPTING_MS = 50
FRAMES = 5
DROPPED = 6
LOST_MS = 40_000


def test_many_drops_at_once_are_one_line(house, open_room):
    session_id, pupils = house.room(*range(DROPPED + 2))
    for pupil in pupils:
        assert pupil.enter(session_id)["success"]
    page = open_room(session_id)
    expect(page.locator("#here-count")).to_have_text(f"{len(pupils)} of {len(pupils)} here")

    for pupil in pupils[:DROPPED]:
        pupil.drop()

    expect(page.locator("#rows tr[data-state=LOST]")).to_have_count(DROPPED, timeout=LOST_MS)
    told = page.locator("#notice:visible, #needs-list li:visible")
    expect(told).to_have_count(1)
    expect(told).to_contain_text(f"{DROPPED} students lost the network")


def test_an_old_picture_says_its_age_and_is_said_once(school, house, open_room):
    session_id, _ = house.room(0)
    page = open_room(session_id)

    school.kill("web")
    expect(page.locator("#room")).to_have_attribute("data-stale", "true", timeout=20_000)

    expect(page.locator("#age")).to_contain_text("no news for")
    expect(page.locator("#say")).to_contain_text("The picture is old.", timeout=10_000)
    expect(page.locator("#rows tr")).to_have_count(1)
    school.start("web")
    expect(page.locator("#room")).to_have_attribute("data-stale", "false", timeout=20_000)


def new_students(house, number):
    """So many accounts of the demo course, without passwords."""
    word = uuid.uuid4().hex[:8]
    people = [{"name": f"Learner {n:03}", "email": f"{word}.{n}@test.school"} for n in range(number)]
    ids = [item["id"] for item in house.admin.api("POST", "/api/users", {"items": people})["items"]]
    course_id = house.demo["course_id"]
    house.admin.api("PUT", f"/api/courses/{course_id}/roles", {"user_ids": ids, "role": "learner"})
    return ids


def big_room(house):
    """A session of a class of 300 that is in progress."""
    members = {"name": "all", "student_ids": new_students(house, BIG_CLASS), "course_id": house.demo["course_id"]}
    class_id = house.teacher.api("POST", "/api/classes", members)["id"]
    planned = {"class_id": class_id, "assignment_id": house.exercise()}
    session_id = house.teacher.api("POST", "/api/sessions", planned)["id"]
    for action in ("open", "start"):
        house.teacher.api("POST", f"/api/sessions/{session_id}/{action}")
    return session_id


def changed(row, count):
    """A row as it is after a run and a few edits."""
    counts = {**row["counts"], "runs": count, "edits": 7 * count, "runtime_errors": count}
    seen = {
        "state": "CONNECTED",
        "attention": "ACTIVE",
        "attention_since": row["since"],
        "last_event_type": "File.Edit",
    }
    work = {"work": "ERRORS", "work_reason": "the last 3 runs failed", "score": count / 10, "submission_id": 1}
    return {**row, **seen, **work, "counts": counts, "version": row["version"] + count}


def put_frames_in(page, session_id):
    """`send(frame)`: one more frame on the page's line, between those that the server sends."""
    socket = {}

    def through(line):
        socket["line"] = line
        server = line.connect_to_server()
        line.on_message(server.send)
        server.on_message(line.send)

    page.route_web_socket(lambda url: "/socket.io/" in url, through)
    page.goto(page.url.split("/sessions/")[0].rstrip("/") + f"/sessions/{session_id}")
    return lambda frame: socket["line"].send(f"42/monitor,{json.dumps(['frame', frame])}")


def script_meter(page):
    """`meter()`: the processor time in ms that the page's scripts took so far, whatever else the machine does."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def meter():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return 1000 * next(item["value"] for item in metrics if item["name"] == "ScriptDuration")

    return meter


def test_a_class_of_300_scrolls_inside_and_stays_quick(school, house, log_in):
    session_id = big_room(house)
    page = log_in(school.demo["logins"]["teacher"])
    send = put_frames_in(page, session_id)
    expect(page.locator("#rows tr")).to_have_count(BIG_CLASS, timeout=15_000)
    page.wait_for_timeout(1500)  # until the line is a WebSocket
    meter = script_meter(page)
    taken = []

    for count in range(1, FRAMES + 1):
        picture = house.teacher.snapshot(session_id)
        to = picture["seq"] + 3 * count  # a frame for a watcher who was slow, three in one
        place = {"epoch": picture["epoch"], "from": to - 2, "to": to}
        rows = [changed(row, count) for row in picture["rows"]]
        before = meter()
        send({"session_id": session_id, "at": picture["at"], **place, "rows": rows})
        page.wait_for_timeout(400)
        taken.append(meter() - before)

    expect(page.locator("#rows .c-runs").first).to_have_text(str(FRAMES))
    assert sorted(taken)[FRAMES // 2] < MOST_SCRIPTING_MS, taken
    scroll = page.locator("#table-scroll")
    assert scroll.evaluate("node => node.scrollHeight > 5 * node.clientHeight")
    assert page.evaluate("document.documentElement.scrollHeight <= window.innerHeight")
    page.locator("#find").fill("Learner 299")
    expect(page.locator("#rows tr")).to_have_count(1)


@WIDE_AND_NARROW
def test_no_part_of_the_room_shuts_anybody_out(house, open_room, width, dark):
    session_id, (first, second, third) = house.room(0, 1, 2)
    for pupil in (first, second, third):
        raise_hand(pupil, session_id, "a question")
    save(first, "# one\nprint(1)\n")
    run(first, "NameError")
    save(first, "# one\nprint(2)\n")
    house.teacher.api("POST", f"/api/sessions/{session_id}/students/{second.user_id}/claim")
    house.teacher.api("POST", f"/api/sessions/{session_id}/students/{third.user_id}/snooze", {"minutes": 5})
    house.teacher.api("POST", f"/api/sessions/{session_id}/hints", {"message": "To all of you."})
    page = open_room(session_id, size=(width, 800), dark=dark)
    expect(page.locator("#to-all")).to_be_visible()
    found = []

    def look(part):
        page.wait_for_timeout(1100)  # a fading mark has no colour of its own
        found.extend(f"{part}: {line}" for line in violations(page))
        found.extend([f"{part} overflows"] if overflows(page) else [])

    look("room")
    page.locator("#more").click()
    look("menu")
    page.locator("#open-keys").click()
    look("keys")
    page.keyboard.press("Escape")
    page.locator("#hint-all").click()
    look("hint to all")
    page.keyboard.press("Escape")
    page.locator("#rows tr", has_text="Pupil 01").click()
    page.get_by_label("previous run").click()
    look("pane")
    page.keyboard.press("Escape")
    page.evaluate("document.activeElement.blur()")
    page.keyboard.press("p")
    look("projector")

    assert found == []
