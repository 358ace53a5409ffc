"""The main job in a browser: a student's run reaches the teacher's screen, and an admin sees that numbers are right."""

from playwright.sync_api import expect

from tests.browser.conftest import WIDE_AND_NARROW, overflows, violations

PYTHON_LOADS_MS = 90_000


def open_room(page, school):
    page.goto(f"{school.url}/sessions/{school.demo['session_id']}")
    expect(page.locator("#age")).to_contain_text("live")
    return page


def open_editor(page, school):
    page.goto(f"{school.url}/sessions/{school.demo['session_id']}")
    expect(page.locator("#python-state")).not_to_contain_text("loading", timeout=PYTHON_LOADS_MS)
    return page


def write(page, code):
    page.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(code)


def row_of(page, name):
    return page.locator("#rows tr", has_text=name)


def test_a_students_run_changes_the_row_in_the_teachers_room(school, log_in):
    teacher = open_room(log_in(school.demo["logins"]["teacher"]), school)
    student = open_editor(log_in(school.demo["logins"]["students"][0]), school)
    expect(row_of(teacher, "Pupil 01")).to_contain_text("here")

    write(student, "print(undefined_name)")
    student.keyboard.press("Control+Enter")

    expect(student.locator("#results")).to_contain_text("NameError")
    expect(row_of(teacher, "Pupil 01").locator(".c-runs")).to_have_text("1")
    expect(row_of(teacher, "Pupil 01").locator(".c-errors")).to_contain_text("1 r")


def test_a_right_solution_passes_the_checks_and_is_done(school, log_in):
    teacher = open_room(log_in(school.demo["logins"]["teacher"]), school)
    student = open_editor(log_in(school.demo["logins"]["students"][1]), school)

    write(student, "def total(numbers):\n    return 6")
    student.get_by_role("button", name="Run").click()
    expect(student.locator("#results")).to_contain_text("expected", timeout=20_000)
    write(student, "total = lambda numbers: 0 if not numbers else numbers[0] + total(numbers[1:])")
    student.get_by_role("button", name="Run").click()

    expect(student.locator("#hand-in-state")).to_contain_text("Complete", timeout=20_000)
    expect(row_of(teacher, "Pupil 02")).to_contain_text("done")


def test_a_loop_without_end_is_stopped(school, log_in):
    student = open_editor(log_in(school.demo["logins"]["students"][2]), school)

    write(student, "while True: pass")
    student.keyboard.press("Control+Enter")
    expect(student.get_by_role("button", name="Stop")).to_be_visible()
    student.get_by_role("button", name="Stop").click()
    expect(student.get_by_role("button", name="Run")).to_be_visible()
    write(student, "print('alive')")
    student.keyboard.press("Control+Enter")

    expect(student.locator("#output-text")).to_contain_text("alive", timeout=PYTHON_LOADS_MS)


def test_what_is_typed_is_saved_after_a_pause_and_there_after_a_reload(school, log_in):
    student = open_editor(log_in(school.demo["logins"]["students"][3]), school)

    write(student, "print('kept')")
    expect(student.locator("#save-line")).to_contain_text("saved")
    student.reload()

    expect(student.locator(".cm-content")).to_contain_text("print('kept')")


def test_what_is_typed_offline_is_called_unsaved_and_kept(school, log_in):
    student = open_editor(log_in(school.demo["logins"]["students"][4]), school)
    student.context.set_offline(True)

    write(student, "print('offline')")
    expect(student.locator("#save-line")).to_contain_text("not saved", timeout=15_000)
    student.context.set_offline(False)

    expect(student.locator("#save-line")).to_contain_text("saved", timeout=15_000)
    expect(student.locator("#save-line")).not_to_contain_text("not saved", timeout=15_000)


def test_a_raised_hand_comes_first_in_the_room(school, log_in):
    teacher = open_room(log_in(school.demo["logins"]["teacher"]), school)
    student = log_in(school.demo["logins"]["students"][0])
    student.goto(f"{school.url}/sessions/{school.demo['session_id']}")

    student.get_by_role("button", name="Raise hand").click()
    student.locator("#hand-message").fill("what does range do?")
    student.locator("#hand-dialog button[value=raise]").click()

    expect(teacher.locator("#needs-list li").first).to_contain_text("what does range do?")
    student.get_by_role("button", name="Lower hand").click()
    expect(teacher.locator("#needs-list")).not_to_contain_text("what does range do?")


def test_the_room_says_that_its_picture_is_old_when_the_server_is_gone(school, log_in):
    teacher = open_room(log_in(school.demo["logins"]["teacher"]), school)

    school.kill("web")
    expect(teacher.locator("#room")).to_have_attribute("data-stale", "true", timeout=20_000)
    school.start("web")

    expect(teacher.locator("#room")).to_have_attribute("data-stale", "false", timeout=20_000)


def test_an_admin_recalculates_and_nothing_changes(school, log_in):
    admin = log_in(school.demo["logins"]["admin"])
    admin.goto(f"{school.url}/admin/")

    admin.get_by_role("button", name="Recalculate everything").click()
    admin.get_by_role("dialog").get_by_role("button", name="Recalculate", exact=True).click()

    expect(admin.locator("#jobs li").first).to_contain_text("nothing changed", timeout=30_000)


def test_the_room_is_worked_by_keyboard(school, log_in):
    teacher = open_room(log_in(school.demo["logins"]["teacher"]), school)

    teacher.locator("#rows tr").first.locator("button, a, [tabindex='0']").first.focus()
    teacher.keyboard.press("Enter")

    expect(teacher.locator("#pane")).to_be_visible()


@WIDE_AND_NARROW
def test_no_page_overflows_or_shuts_anybody_out(school, log_in, width, dark):
    logins, demo = school.demo["logins"], school.demo
    pages = {
        "teacher": ["/", f"/sessions/{demo['session_id']}"],
        "student": ["/", f"/assignments/{demo['assignment_id']}"],
        "admin": ["/admin/", "/admin/recalculations", "/admin/jobs"],
        "parent": ["/"],
    }
    found = []
    for person, paths in pages.items():
        page = log_in(logins[person] if person != "student" else logins["students"][5], size=(width, 800), dark=dark)
        for path in paths:
            page.goto(school.url + path)
            page.wait_for_load_state("networkidle")
            found += [f"{path} as {person}: {line}" for line in violations(page)]
            found += [f"{path} as {person} overflows"] if overflows(page) else []

    assert found == []
