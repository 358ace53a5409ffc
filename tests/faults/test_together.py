"""Teachers and students of a room in two processes: hints arrive whatever breaks, a claim is one teacher's."""

import threading

import pytest

from tests.clients import NAMESPACE, eventually
from tests.faults.school import make_learners

pytest_plugins = ("tests.houses",)
# A client whose server is killed leaves its socket to the garbage collector.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")

HINT_SECONDS = 15
AT_ONCE_SECONDS = 5


def send_hint(house, school, message, user_id=None):
    """The teacher tells one student or all; answers the hint."""
    return house.teacher.api(
        "POST", f"/api/sessions/{school.session_id}/hints", {"user_id": user_id, "message": message}
    )


def hints_of(house, school):
    """{hint_id: hint} as the teacher sees them."""
    items = house.teacher.api("GET", f"/api/sessions/{school.session_id}/hints")["items"]
    return {hint["hint_id"]: hint for hint in items}


def told(tab):
    """The ids of the hints that a tab was told."""
    return {hint["hint_id"] for hint in tab.heard("hint")}


def until_receipts(house, school, hint, **wanted):
    """Wait until so many have it, or have seen it."""
    known = {}

    def arrived():
        known.update(hints_of(house, school)[hint["hint_id"]])
        return all(known[name] == value for name, value in wanted.items())

    eventually(arrived, HINT_SECONDS, lambda: f"{wanted}: {known}")


def test_hints_reach_everybody_once_they_are_back_and_nobody_else(twins, room):
    web2 = twins.installation.url_of("web2")
    school, others = room(twins, 4), room(twins, 1)
    watchers = [school.watch(), school.watch(url=web2)]
    heard = [[], []]
    for watcher, kept in zip(watchers, heard, strict=True):
        watcher.client.on("hint", kept.append, namespace=NAMESPACE)
    tabs = school.tabs(urls=[twins.url, web2])
    stranger = others.tab(others.pupils[0])
    school.until_joined(tabs)
    eventually(lambda: stranger.joined, 5, "in his own session")
    here, hidden, gone, late = tabs
    hidden.seen = False
    gone.close()
    late.drop()

    to_all = send_hint(twins, school, "Five minutes more.")
    to_one = send_hint(twins, school, "Look at line 2.", hidden.pupil.user_id)

    until_receipts(twins, school, to_all, of=4, delivered=3, seen=2)
    until_receipts(twins, school, to_one, of=1, delivered=1, seen=0)
    again = school.tab(gone.pupil, url=web2)
    until_receipts(twins, school, to_all, of=4, delivered=4, seen=3)
    # Not seen is told again to each line that comes; seen is not.
    hidden.seen = True
    hidden.drop()
    until_receipts(twins, school, to_all, of=4, delivered=4, seen=4)
    until_receipts(twins, school, to_one, delivered=1, seen=1)
    settled = [len(tab.heard("hint")) for tab in tabs]
    [tab.drop() for tab in (here, hidden)]
    eventually(lambda: here.joins + hidden.joins >= 5 and here.joined and hidden.joined, 10, "back again")

    school.check()
    both, public = {to_all["hint_id"], to_one["hint_id"]}, {to_all["hint_id"]}
    assert [told(tab) for tab in (here, hidden, late, again)] == [public, both, public, public]
    assert [len(tab.heard("hint")) for tab in tabs] == settled
    assert stranger.heard("hint") == []
    for kept in heard:
        newest = {hint["hint_id"]: hint["seen"] for hint in kept}
        assert newest == {to_all["hint_id"]: 4, to_one["hint_id"]: 1}


@pytest.mark.long
def test_hints_survive_a_redis_that_is_emptied_and_a_process_that_dies(twins, proxy, room):
    front = proxy(twins.installation.url_of("web"), twins.installation.url_of("web2"))
    school = room(twins, 6)
    school.watch(url=twins.installation.url_of("web2"))
    tabs = school.tabs(urls=[front.url])
    school.until_joined(tabs)

    first = send_hint(twins, school, "Before.")
    twins.redis.empty()
    second = send_hint(twins, school, "Meanwhile.")
    twins.installation.kill("web")
    eventually(lambda: all(tab.joined for tab in tabs), HINT_SECONDS, "all at the other process")
    twins.installation.start("web")
    third = send_hint(twins, school, "Afterwards.")

    for hint in (first, second, third):
        until_receipts(twins, school, hint, of=6, delivered=6, seen=6)
    school.check()
    assert all(len(told(tab)) == 3 for tab in tabs)


def test_of_teachers_who_claim_at_once_one_has_it_and_all_pages_say_who(twins, room):
    web2 = twins.installation.url_of("web2")
    school = room(twins, 2)
    watchers = [school.watch(), school.watch(url=web2)]
    tabs = school.tabs()
    school.until_joined(tabs)
    pupil = school.pupils[0]
    helpers = make_learners(twins, 6)
    give = {"role": "teaching_assistant", "user_ids": [helper.user_id for helper in helpers]}
    twins.teacher.api("PUT", f"/api/courses/{twins.demo['course_id']}/roles", give)
    place = f"/api/sessions/{school.session_id}/students/{pupil.user_id}"
    pupil.api("POST", f"/api/sessions/{school.session_id}/help", {"message": "What is a loop?"})
    for watcher in watchers:
        watcher.until_row(pupil.user_id, work="HAND", claimed_by=None)

    answers = ask_at_once(helpers, place, [twins.url, web2])
    holder = next(helper for helper, status in answers.items() if status == 200)
    for watcher in watchers:
        watcher.until_row(pupil.user_id, claimed_by=holder.user_id)
    assert sorted(answers.values()) == [200] + [409] * 5

    assert twins.teacher.api("DELETE", f"{place}/claim")["claimed_by"] is None
    assert twins.teacher.api("POST", f"{place}/snooze", {"minutes": 5})["snoozed_until"] is not None
    for watcher, teacher in zip(watchers, school.staff(), strict=True):
        watcher.until(lambda w=watcher: w.rows[pupil.user_id]["snoozed_until"], AT_ONCE_SECONDS, "snoozed")
        watcher.until_row(pupil.user_id, claimed_by=None)
        assert teacher.snapshot(school.session_id)["totals"]["needs_you"] == 0
    assert pupil.ask("DELETE", f"/api/sessions/{school.session_id}/help").status_code == 204
    pupil.api("POST", f"/api/sessions/{school.session_id}/help", {"message": "And what is a list?"})
    for watcher in watchers:
        watcher.until_row(pupil.user_id, work="HAND", snoozed_until=None)
    school.check()


def ask_at_once(helpers, place, urls):
    """{helper: status} of claims from threads, at these processes by turns."""
    answers, ready = {}, threading.Barrier(len(helpers))

    def claim(helper, url):
        helper.url = url
        ready.wait()
        answers[helper] = helper.ask("POST", f"{place}/claim").status_code

    threads = [
        threading.Thread(target=claim, args=(helper, urls[index % len(urls)])) for index, helper in enumerate(helpers)
    ]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return answers
