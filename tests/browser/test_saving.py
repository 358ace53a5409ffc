"""What the line under the editor says of saving is true: compared with the server's log, through every kind of cut."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from tests.clients import Person

PYTHON_LOADS_MS = 90_000
NO_STORAGE = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
# The page and the log have the same machine's clock; between reading it and noting it may be a tick.
TICK_MS = 5
OBSERVE = """() => {
  const line = document.getElementById('save-line');
  const code = () => Array.from(document.querySelectorAll('.cm-line')).map((one) => one.textContent).join('\\n');
  window.said = [];
  const note = () => window.said.push({ at: Date.now(), text: line.textContent, code: code() });
  new MutationObserver(note).observe(line, { childList: true, characterData: true, subtree: true });
  new MutationObserver(note).observe(document.querySelector('.cm-content'),
    { childList: true, characterData: true, subtree: true });
  window.code = code;
  note();
}"""


@pytest.fixture
def desk(school, log_in):
    """`desk(number)`: a student's page in the running session, with every word of its line written down."""

    def sit_down(number, *, script=None):
        page = log_in(school.demo["logins"]["students"][number])
        if script:
            page.add_init_script(script)
        return visit(page, school)

    return sit_down


def visit(page, school):
    """Open the session's page and begin to write down what it says."""
    page.goto(f"{school.url}/sessions/{school.demo['session_id']}")
    return watch(page)


def watch(page):
    """Once program and Python are there, write down every word of the line."""
    expect(page.locator("#save-line")).not_to_have_text("")
    expect(page.locator("#python-state")).not_to_contain_text("loading", timeout=PYTHON_LOADS_MS)
    page.evaluate(OBSERVE)
    return page


def type_in(page, text):
    """At the end of the program, key by key."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+End")
    page.keyboard.type(text, delay=20)


def is_saved(page):
    """Until everything is on the server, by the page's own word."""
    page.wait_for_function("() => /^saved/.test(document.getElementById('save-line').textContent)", timeout=30_000)


def log_of(school, number):
    """([(event's id, type, moment in ms, code)], the submission's code) of a student, as the database has them."""
    user_id = school.demo["logins"]["students"][number]["user_id"]
    with closing(sqlite3.connect(school.folder / "blockpy.sqlite")) as database:
        codes = dict(database.execute("SELECT id, code FROM code_states"))
        query = (
            "SELECT event_id, event_type, created_at, properties FROM study_events WHERE user_id = ? ORDER BY user_seq"
        )
        events = [
            (event_id, kind, _ms(at), codes.get(json.loads(properties).get("code_state_id")))
            for event_id, kind, at, properties in database.execute(query, (user_id,))
        ]
        (code,) = database.execute("SELECT code FROM submissions WHERE user_id = ?", (user_id,)).fetchone()
    return events, code


def _ms(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000


def lies(page, events):
    """What the line called saved at a moment when the log did not have it."""
    since = {}
    for _, kind, at, code in events:
        if kind in ("File.Edit", "File.Create"):
            since.setdefault(code, at)
    said = [one for one in page.evaluate("window.said") if one["text"].startswith(("saved", "program saved"))]
    return [one for one in said if since.get(one["code"], float("inf")) > one["at"] + TICK_MS]


def check_all_there(page, school, number):
    """The server has what the editor has, each event once, and the line has never lied."""
    is_saved(page)
    events, code = log_of(school, number)
    assert code == page.evaluate("window.code()")
    assert len({event_id for event_id, *_ in events}) == len(events)
    assert lies(page, events) == []


def test_typing_through_cuts_of_the_network_loses_no_key_stroke(school, desk):
    page = desk(0)

    for round_ in range(3):
        page.context.set_offline(True)
        type_in(page, f"# offline {round_} with many words\n")
        page.context.set_offline(False)
        type_in(page, f"# online {round_} again\n")

    check_all_there(page, school, 0)


def test_typing_while_the_server_dies_and_comes_back_loses_no_key_stroke(school, desk):
    page = desk(1)
    type_in(page, "# before\n")
    is_saved(page)

    school.kill("web")
    type_in(page, "# while nobody is there to save it\n")
    expect(page.locator("#save-line")).to_contain_text("not saved")
    school.spawn("web")
    type_in(page, "# while it comes up, and a little longer\n")
    school.wait_until_ready()

    check_all_there(page, school, 1)


def test_events_of_offline_runs_arrive_in_order_and_once(school, desk):
    page = desk(2)
    page.context.set_offline(True)

    for number in range(3):
        type_in(page, f"print('run {number}')\n")
        page.keyboard.press("Control+Enter")
        expect(page.locator("#output-text")).to_contain_text(f"run {number}")
        expect(page.locator("#results")).to_be_visible()
    expect(page.locator("#save-line")).to_contain_text("not saved, offline, kept in this browser", timeout=10_000)
    page.context.set_offline(False)

    check_all_there(page, school, 2)
    page.wait_for_timeout(1000)
    kinds = [kind for _, kind, _, _ in log_of(school, 2)[0] if kind in ("File.Edit", "Compile", "Run.Program")]
    assert kinds[-9:] == ["File.Edit", "Compile", "Run.Program"] * 3


def test_a_tab_closed_offline_is_sent_when_the_page_is_opened_again(school, desk):
    page = desk(3)
    page.context.set_offline(True)
    type_in(page, "# the last words before the lid closed")
    written, context = page.evaluate("window.code()"), page.context
    page.close()

    context.set_offline(False)
    again = visit(context.new_page(), school)

    assert again.evaluate("window.code()") == written
    check_all_there(again, school, 3)


def test_a_login_that_has_ended_is_said_and_a_new_one_sends_the_rest(school, desk):
    page = desk(4)
    page.context.clear_cookies()

    type_in(page, "# nobody is logged in\n")
    expect(page.locator("#save-line")).to_contain_text("not saved, you are logged out")
    other, login = page.context.new_page(), school.demo["logins"]["students"][4]
    other.goto(f"{school.url}/login")
    other.get_by_label("Email").fill(login["email"])
    other.get_by_label("Password").fill(login["password"])
    other.get_by_role("button", name="Log in").click()
    other.wait_for_url(lambda url: "/login" not in url)
    page.evaluate("window.dispatchEvent(new Event('online'))")

    check_all_there(page, school, 4)


def test_what_this_browser_cannot_keep_is_said_and_asked_about_at_closing(school, desk):
    page = desk(5, script=NO_STORAGE)
    page.context.set_offline(True)
    type_in(page, "# kept nowhere\n")

    expect(page.locator("#save-line")).to_contain_text(
        "this browser cannot keep it: leave this page open", timeout=10_000
    )
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
    page.close(run_before_unload=True)
    page.wait_for_timeout(1000)
    page.context.set_offline(False)

    assert asked == ["beforeunload"]
    check_all_there(page, school, 5)


@pytest.mark.long
def test_of_two_tabs_the_older_one_says_that_the_other_has_newer_work(school, desk):
    one = desk(6)
    two = visit(one.context.new_page(), school)

    type_in(two, "# typed in the second tab\n")
    expect(one.locator("#save-line")).to_contain_text("newer work of yours is in your other tab")
    check_all_there(two, school, 6)
    type_in(one, "# typed in the first one, later\n")

    expect(two.locator("#save-line")).to_contain_text("newer work of yours is in your other tab")
    check_all_there(one, school, 6)


def test_a_networks_own_login_page_is_not_taken_for_an_answer(school, desk):
    page = desk(9)
    page.route(
        "**/blockpy/**", lambda call: call.fulfill(status=200, content_type="text/html", body="Log in to the network")
    )

    type_in(page, "# behind a portal\n")
    expect(page.locator("#save-line")).to_contain_text("not saved, the server has a problem")
    page.unroute("**/blockpy/**")

    check_all_there(page, school, 9)


@pytest.mark.long
def test_answers_that_are_lost_after_the_commit_double_nothing(school, desk):
    page, lost = desk(10), []

    def lose(call):
        if len(lost) < 3:
            lost.append(call.fetch())
            call.abort()
        else:
            call.continue_()

    page.route("**/blockpy/**", lose)
    type_in(page, "# taken three times, answered once\n")

    check_all_there(page, school, 10)
    edits = [code for _, kind, _, code in log_of(school, 10)[0] if kind == "File.Edit"]
    assert len(lost) == 3
    assert len(edits) == len(set(edits))


@pytest.mark.long
def test_work_without_a_session_is_saved_the_same_way(school, desk):
    page = desk(7)
    page.goto(f"{school.url}/assignments/{school.demo['assignment_id']}")
    watch(page)

    type_in(page, "# at home\n")

    check_all_there(page, school, 7)


@pytest.mark.long
def test_work_after_the_end_of_the_session_is_still_saved(school, desk):
    page, teacher = desk(8), Person(school.url, school.demo["logins"]["teacher"])
    page.context.set_offline(True)
    type_in(page, "# written before it was known that it is over\n")
    teacher.api("POST", f"/api/sessions/{school.demo['session_id']}/complete")
    teacher.close()

    page.context.set_offline(False)
    expect(page.locator("#room-notice")).to_contain_text("The session is over", timeout=10_000)
    type_in(page, "# and after it\n")

    check_all_there(page, school, 8)
