"""Rights that are withdrawn under an open line, a session that ends during a run, names and ids that are forged."""

import time
import uuid

import pytest
import sqlalchemy

from tests.clients import NAMESPACE, Watcher, eventually
from tests.faults.school import make_learners

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

# The contract says 2 s.
CLOSED_SECONDS = 6
SETTLED_SECONDS = 1.5
# Whatever nobody was told of is seen with a beat.
BEATS_SECONDS = 10
UNKNOWN = 10_000_000


def change(house, statement, **values):
    """Something changes in the database as a command or a process of another kind would do it."""
    engine = sqlalchemy.create_engine(house.installation.environment["DATABASE_URL"])
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text(statement), values)
    engine.dispose()


def role(house, method, user_id, name):
    """The teacher gives or takes a role in the demo course."""
    house.teacher.api(method, f"/api/courses/{house.demo['course_id']}/roles", {"role": name, "user_ids": [user_id]})


class Page(Watcher):
    """A page that notes when and why the server closed it, and does not call again by itself."""

    def __init__(self, url, token):
        self.closed, self.heard = [], []
        super().__init__(url, token)
        self.client.reconnection = False
        self.client.on("closed", self._noted(self._on_closed), namespace=NAMESPACE)
        for name in ("recalculation", "hint"):
            self.client.on(name, lambda told, name=name: self.heard.append(name), namespace=NAMESPACE)

    def _on_closed(self, told):
        self.closed.append((time.monotonic(), told["reason"]))

    def until_closed(self, since, what):
        """The server says why, and hangs up; answers how long after `since` it did."""
        self.until(lambda: self.closed, CLOSED_SECONDS, f"closed: {what}")
        eventually(lambda: not self.client.connected, CLOSED_SECONDS, "hung up")
        took = self.closed[0][0] - since
        print(f"{what}: closed after {took:.1f} s, {self.closed[0][1]!r}")
        return took


def refused(person, url, session_id):
    """What the server answers to somebody who asks to watch, and that it is the same where there is no session."""
    again = Page(url, person.token)
    told = [again.call("watch", {"session_id": wanted}) for wanted in (session_id, UNKNOWN)]
    again.close()
    assert told[0] == told[1]
    return told[0]["error"]


@pytest.fixture
def page(request):
    """`page(school, person, url)`: that person's page on the session."""

    def make(school, person, url):
        made = Page(url, person.token)
        request.addfinalizer(made.close)
        return made.watch(school.session_id)

    return make


def test_who_may_not_watch_any_more_is_told_closed_and_hears_nothing(twins, room, page):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 2)
    school.watch()
    tabs = school.tabs()
    school.until_joined(tabs)
    helper, boss, expired, ended = make_learners(twins, 4)
    for person in (helper, expired, ended):
        role(twins, "PUT", person.user_id, "teaching_assistant")
    change(twins, "UPDATE users SET is_admin = true WHERE id = :id", id=boss.user_id)
    pages = [page(school, person, url) for person, url in ((helper, web2), (boss, twins.url), (expired, web2))]
    pages.append(page(school, ended, twins.url))

    began = time.monotonic()
    role(twins, "DELETE", helper.user_id, "teaching_assistant")
    change(twins, "UPDATE users SET is_admin = false WHERE id = :id", id=boss.user_id)
    past = "UPDATE api_tokens SET expires_at = '2020-01-01 00:00:00' WHERE user_id = :id"
    change(twins, past, id=expired.user_id)
    assert ended.ask("DELETE", "/api/tokens/current").status_code == 204
    whys = ("role removed", "admin no more", "token expired", "token revoked")
    for closing, why in zip(pages, whys, strict=True):
        closing.until_closed(began, why)

    known = [(len(closing.frames), len(closing.beats), len(closing.heard)) for closing in pages]
    [tab.work(3) for tab in tabs]
    twins.admin.recalculate(scope="assignment", id=school.assignment_id)
    school.check()
    assert [(len(closing.frames), len(closing.beats), len(closing.heard)) for closing in pages] == known
    assert refused(helper, web2, school.session_id) == refused(boss, twins.url, school.session_id) == "not_found"
    for person in (helper, boss):
        assert person.ask("GET", f"/api/sessions/{school.session_id}/snapshot").status_code == 404
    for person in (expired, ended):
        assert person.ask("GET", f"/api/sessions/{school.session_id}/snapshot").status_code == 401


def test_a_student_who_is_removed_is_told_closed_and_keeps_what_he_wrote(twins, room):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 4)
    watchers = [school.watch(), school.watch(url=web2)]
    tabs = school.tabs(urls=[web2, twins.url])
    school.until_joined(tabs)
    removed, revoked, *_ = school.pupils
    [tab.work(5) for tab in tabs]
    school.until_sent()

    began = time.monotonic()
    role(twins, "DELETE", removed.user_id, "learner")
    assert revoked.ask("DELETE", "/api/tokens/current").status_code == 204
    for tab, why in zip(tabs[:2], ("student removed", "token revoked"), strict=True):
        eventually(lambda tab=tab: tab.heard("closed"), CLOSED_SECONDS, f"closed: {why}")
        print(f"{why}: closed after {time.monotonic() - began:.1f} s, {tab.heard('closed')[0]['reason']!r}")
        tab.wanted = False
        eventually(lambda tab=tab: tab.joined is None, CLOSED_SECONDS, "hung up")

    for watcher in watchers:
        watcher.until_row(removed.user_id, seconds=BEATS_SECONDS, state="REMOVED", tabs=0)
        watcher.until_row(revoked.user_id, tabs=0)
    again = school.tab(removed)
    eventually(lambda: again.refusals, 5, "refused")
    again.wanted = False
    assert again.refusals[0]["error"] == "not_found"
    assert removed.ask("POST", f"/api/sessions/{school.session_id}/join").status_code == 404
    role(twins, "PUT", removed.user_id, "learner")
    back = school.tab(removed)
    back.work(2)
    for watcher in watchers:
        watcher.until_row(removed.user_id, seconds=BEATS_SECONDS, state="CONNECTED", tabs=1)
    school.check()


def test_a_session_that_ends_during_a_run_keeps_every_event(twins, room):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 10)
    watchers = [school.watch(), school.watch(url=web2)]
    tabs = school.tabs(urls=[twins.url, web2])
    school.until_joined(tabs)

    for number in range(20):
        [tab.work(3) for tab in tabs]
        if number == 10:
            twins.teacher.api("POST", f"/api/sessions/{school.session_id}/complete")
        time.sleep(0.02)

    for tab in tabs:
        eventually(lambda tab=tab: tab.heard("session_changed"), 5, "the end is told")
        assert tab.heard("session_changed")[-1]["status"] == "COMPLETED"
    for watcher in watchers:
        watcher.until(lambda w=watcher: {row["state"] for row in w.rows.values()} == {"FINISHED"}, 5, "all finished")
    school.check()
    assert all(len(dict(tab.acknowledged)) == 60 for tab in tabs)


FORGED = (None, True, -1, 0, 1.5, UNKNOWN, 2**63, 2**80, "x", "1 OR 1=1", "watch:{}", "session:{}", [1], {"id": 1}, "/")
MESSAGES = ("watch", "unwatch", "join", "signal", "leave", "ack", "events", "seen")


def forged_payloads(school, hint_id):
    """Payloads of every message with a foreign session, and with what is no session at all."""
    foreign = school.session_id
    yield from (None, 7, "watch", [], {}, {"session_id": {"$gt": 0}})
    for value in (foreign, str(foreign), float(foreign), *FORGED):
        value = value.format(foreign) if isinstance(value, str) else value
        yield {
            "session_id": value,
            "tab_id": f"watch:{foreign}",
            "room": f"watch:{foreign}",
            "seq": 10**9,
            "events": [],
        }
    for value in (hint_id, str(hint_id), *FORGED):
        yield {"session_id": foreign, "hint_id": value, "seq": -1}


def test_forged_names_and_ids_in_every_message_show_and_change_nothing(twins, room):
    school, other = room(twins, 3), room(twins, 2)
    watcher = school.watch()
    tabs = school.tabs()
    school.until_joined(tabs)
    tabs[0].seen = False
    hint = twins.teacher.api(
        "POST", f"/api/sessions/{school.session_id}/hints", {"user_id": school.pupils[0].user_id, "message": "Look."}
    )
    # One who is in another session of the same course, and one who is in none.
    inside, stranger = other.pupils
    forger = other.tab(inside)
    eventually(lambda: forger.joined, 5, "in his own session")
    outsider = Page(twins.url, stranger.token)
    before, log = watcher.row(school.pupils[0].user_id), len(twins.installation.log("web"))

    for name in MESSAGES:
        for payload in forged_payloads(school, hint["hint_id"]):
            outsider.client.emit(name, payload, namespace=NAMESPACE)
            if name != "ack":
                check_refused(forger.say(name, payload), name, payload)
    time.sleep(SETTLED_SECONDS)

    assert not any(forger.heard(name) for name in ("frame", "beat", "hint", "resync", "session_changed"))
    assert (outsider.frames, outsider.beats, outsider.heard, outsider.rows) == ([], [], [], {})
    assert "Traceback" not in twins.installation.log("web")[log:]
    assert forger.joins == 1
    assert outsider.client.connected
    outsider.close()
    after = watcher.row(school.pupils[0].user_id)
    names = ("state", "tabs", "attention", "work", "counts", "claimed_by")
    assert {name: after[name] for name in names} == {name: before[name] for name in names}
    assert hints_of(twins, school)[0]["seen_at"] is None
    forge_events(school, forger, inside)
    school.check()


def check_refused(answer, name, payload):
    """Nothing of another session is in an answer, and no forged message is a fault of the server."""
    assert isinstance(answer, dict), (name, payload, answer)
    assert "snapshot" not in answer
    assert "session" not in answer
    assert answer["success"] in (True, False)
    if name in ("watch", "join", "events"):
        assert answer["success"] is False, (name, payload, answer)


def hints_of(house, school):
    """The hints of a session, as the teacher sees them."""
    return house.teacher.api("GET", f"/api/sessions/{school.session_id}/hints")["items"]


def forge_events(school, forger, inside):
    """Events for somebody else's work, and in somebody else's name, are rejected one by one."""
    victim = school.pupils[0]
    stolen = victim.fields("Run.Program")
    theirs = [
        stolen,
        {**stolen, "user_id": inside.user_id, "event_id": str(uuid.uuid4())},
        {**inside.fields("Run.Program"), "user_id": victim.user_id, "submission_id": victim.submission["id"]},
        {**inside.fields("Run.Program"), "submission_id": f"{victim.submission['id']}"},
    ]
    answer = forger.say("events", {"session_id": school.session_id, "events": theirs})
    results = answer.get("results", [])
    assert all(result["status"] == "rejected" for result in results), answer
