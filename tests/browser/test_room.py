"""The teacher's live room in a browser: who needs me first, what is this student trying?"""

import re
import uuid

from playwright.sync_api import expect


def raise_hand(pupil, session_id, question):
    pupil.api("POST", f"/api/sessions/{session_id}/help", {"message": question})


def save(pupil, code):
    fields = pupil.fields("", filename="answer.py", code=code)
    response = pupil.http.post(f"{pupil.url}/blockpy/save_file", data=fields, timeout=10)
    assert response.json()["success"], response.text


def run(pupil, error=None):
    said = {"category": "ProgramErrorOutput", "message": f"{error}: oh on line 1"} if error else {"message": "fine"}
    pupil.log("Run.Program", **said)


def lines(page):
    return page.locator("#needs-list li:not(.over)")


def leave_the_mouse(page):
    page.mouse.move(2, 2)


def test_a_claim_and_a_snooze_are_shared_between_two_teachers(house, open_room):
    session_id, (first, second) = house.room(0, 1)
    raise_hand(first, session_id, "first question")
    raise_hand(second, session_id, "second question")
    teacher, colleague = open_room(session_id), open_room(session_id, "admin")
    expect(lines(teacher).first).to_contain_text("first question")

    lines(teacher).first.get_by_role("button", name="I'm on it").click()
    leave_the_mouse(teacher)

    expect(lines(teacher).last).to_contain_text("You are on it")
    expect(lines(colleague).last).to_contain_text("Tom Teacher is on it")
    expect(lines(colleague).first).to_contain_text("second question")
    expect(colleague.locator("#needs-number")).to_have_text("1")
    lines(colleague).first.get_by_role("button", name="5 min").click()
    leave_the_mouse(colleague)
    expect(teacher.locator("#needs-snoozed")).to_contain_text("Pupil 02 snoozed till")
    expect(lines(teacher)).to_have_count(1)
    teacher.get_by_role("button", name="Wake: Pupil 02").click()
    leave_the_mouse(teacher)
    expect(lines(colleague)).to_have_count(2)
    lines(colleague).last.get_by_role("button", name="Release").click()
    leave_the_mouse(colleague)
    expect(lines(teacher).get_by_role("button", name="I'm on it")).to_have_count(2)


def test_a_teacher_lowers_a_hand_and_the_title_says_how_many_are_up(house, open_room):
    session_id, (pupil, _) = house.room(0, 1)
    teacher = open_room(session_id)

    raise_hand(pupil, session_id, "what does range do?")
    expect(lines(teacher)).to_contain_text("what does range do?")
    assert teacher.title().startswith("✋ 1 · (1) Exercise")
    lines(teacher).get_by_role("button", name="Answered").click()
    leave_the_mouse(teacher)

    expect(teacher.locator("#needs-you")).to_have_attribute("data-calm", "true")
    assert not teacher.title().startswith("✋")


def test_a_hint_to_one_student_is_delivered_and_seen(school, house, open_room, log_in):
    session_id, _ = house.room(0, 1)
    teacher = open_room(session_id)
    row = teacher.locator("#rows tr", has_text="Pupil 01")
    row.click()
    teacher.get_by_label("Hint to Pupil 01").fill("Look at line 3")
    teacher.keyboard.press("Control+Enter")
    expect(teacher.locator(".told")).to_contain_text("not delivered")
    teacher.get_by_label("Hint to Pupil 01").fill("a draft")

    student = log_in(school.demo["logins"]["students"][0])
    student.goto(f"{school.url}/sessions/{session_id}")

    expect(student.locator("#hints")).to_contain_text("Look at line 3")
    expect(teacher.locator(".told")).to_contain_text("seen ")
    teacher.get_by_role("button", name="Close").click()
    row.click()
    expect(teacher.get_by_label("Hint to Pupil 01")).to_have_value("a draft")


def test_a_hint_to_all_says_how_far_it_got(school, house, open_room, log_in):
    session_id, _ = house.room(0, 1)
    teacher = open_room(session_id)
    student = log_in(school.demo["logins"]["students"][0])
    student.goto(f"{school.url}/sessions/{session_id}")
    expect(student.locator("#room-state")).to_contain_text("In progress")

    teacher.keyboard.press("Shift+H")
    teacher.keyboard.insert_text("Ten more minutes.")
    teacher.keyboard.press("Control+Enter")

    expect(student.locator("#hints")).to_contain_text("Ten more minutes.")
    expect(teacher.locator("#to-all")).to_contain_text("delivered 1 of 2, seen 1")
    teacher.reload()
    expect(teacher.locator("#to-all")).to_contain_text("Ten more minutes.")


def test_the_history_is_scrubbed_while_the_student_goes_on(house, open_room):
    session_id, (pupil,) = house.room(2)
    for number, error in enumerate([None, "NameError", None]):
        save(pupil, f"# one\nprint({number})\n")
        run(pupil, error)
    teacher = open_room(session_id)
    teacher.locator("#rows tr").click()
    slider = teacher.get_by_label("History of the program")
    expect(teacher.locator(".pane-code")).to_contain_text("print(2)")
    expect(teacher.locator(".scrub-marks [data-outcome=failed]")).to_have_count(1)

    slider.focus()
    for _ in range(2):
        teacher.keyboard.press("ArrowLeft")

    expect(teacher.locator(".pane-code")).to_contain_text("print(1)")
    expect(teacher.locator(".scrub-words")).to_contain_text("error: NameError")
    expect(slider).to_have_attribute("aria-valuetext", teacher.locator(".scrub-words").inner_text())
    expect(teacher.locator(".pane-output").first).to_contain_text("NameError")
    save(pupil, "# one\nprint('new')\n")
    teacher.wait_for_timeout(2500)
    expect(teacher.locator(".pane-code")).to_contain_text("print(1)")
    teacher.get_by_role("button", name="Back to live").click()
    expect(teacher.locator(".pane-code")).to_contain_text("print('new')")
    save(pupil, "# one\nprint('newest')\n")
    expect(teacher.locator(".code-line.changed")).to_have_text("print('newest')\n")


def test_the_last_minutes_of_a_row_tell_failed_runs_apart(house, open_room):
    session_id, (pupil, _) = house.room(3, 4)
    for error in ("NameError", "NameError", None):
        save(pupil, f"# {uuid.uuid4()}\n")
        run(pupil, error)

    page = open_room(session_id)

    strip = page.locator("#rows tr", has_text="Pupil 04").locator(".c-strip")
    expect(strip).to_have_attribute("title", "last 20 minutes: 3 edits, 3 runs, 2 failed")
    expect(strip.locator("svg[aria-hidden=true] .failed")).to_have_attribute("d", re.compile("^M"))
    quiet = page.locator("#rows tr", has_text="Pupil 05").locator(".c-strip")
    expect(quiet).to_have_attribute("title", "last 20 minutes: nothing")


def test_the_room_is_worked_by_keyboard_alone(house, open_room):
    session_id, (first, _) = house.room(0, 1)
    raise_hand(first, session_id, "help")
    page = open_room(session_id)
    press = page.keyboard.press
    expect(lines(page)).to_have_count(1)

    press("n")
    press("c")
    expect(lines(page)).to_contain_text("You are on it")
    press("Enter")
    expect(page.locator("#pane-title")).to_be_focused()
    press("h")
    page.keyboard.type("cjs? is text here")
    expect(page.get_by_label("Hint to Pupil 01")).to_have_value("cjs? is text here")
    press("Escape")
    expect(page.locator("#pane")).to_be_hidden()
    press("s")
    expect(page.locator("#needs-snoozed")).to_contain_text("Pupil 01 snoozed")
    press("j")
    press("j")
    expect(page.locator("#rows tr button").last).to_be_focused()
    press("/")
    expect(page.locator("#find")).to_be_focused()
    page.keyboard.type("02")
    expect(page.locator("#rows tr")).to_have_count(1)
    page.locator("#find").evaluate("field => field.blur()")
    press("?")
    expect(page.locator("#keys")).to_be_visible()
    press("Escape")
    press("p")
    expect(page.locator("#projector")).to_be_visible()
    press("Escape")
    expect(page.locator("#projector")).to_be_hidden()


def test_the_projector_names_nobody(house, open_room):
    session_id, (first, _) = house.room(0, 1)
    raise_hand(first, session_id, "a private question")
    house.teacher.api("POST", f"/api/sessions/{session_id}/hints", {"message": "Ten more minutes."})
    page = open_room(session_id)
    page.locator("#rows tr").first.click()

    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Projector view").click()

    shown = page.locator("#projector")
    expect(shown).to_contain_text("0 of 2 done")
    expect(shown).to_contain_text("Ten more minutes.")
    html = shown.inner_html()
    assert not {"Pupil", "private"} & set(html.split())
    assert "Pupil" not in html + page.title()
    assert shown.evaluate("node => node.getBoundingClientRect().height >= window.innerHeight")
    assert not page.evaluate("JSON.stringify({...localStorage, ...sessionStorage})").count("Pupil")


def test_desktop_notices_are_asked_for_by_a_click_and_remembered(house, open_room):
    session_id, _ = house.room(0)
    page = open_room(session_id)
    page.context.grant_permissions(["notifications"])
    notices = page.locator("#notify")

    page.get_by_role("button", name="More").click()
    expect(notices).to_have_attribute("aria-pressed", "false")
    notices.click()
    expect(notices).to_contain_text("on")
    page.reload()
    page.get_by_role("button", name="More").click()
    expect(notices).to_have_attribute("aria-pressed", "true")
    notices.click()

    expect(notices).to_contain_text("off")


def test_the_end_is_confirmed_and_leads_to_the_summary(house, open_room):
    session_id, _ = house.room(0)
    page = open_room(session_id)

    page.get_by_role("button", name="End …").click()
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#session-status")).to_contain_text("in progress")
    page.get_by_role("button", name="End …").click()
    page.get_by_role("button", name="End it").click()

    expect(page.locator("#ended")).to_contain_text("has ended")
    expect(page.locator("#ended a")).to_have_attribute("href", f"/sessions/{session_id}/summary")
    expect(page.locator("#hint-all")).to_be_hidden()
    page.get_by_role("button", name="More").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as CSV").click()
    assert download.value.suggested_filename.endswith(".csv")
