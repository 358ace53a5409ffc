"""A real browser on a whole installation, and people who are logged in to it."""

import contextlib
import os
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.clients import House, Person
from tests.processes import Installation

AXE = Path(__file__).parent.parent.parent / "frontend" / "node_modules" / "axe-core" / "axe.min.js"
# Width and colours have nothing to do with each other: two looks show both of each.
WIDE_AND_NARROW = pytest.mark.parametrize(
    ("width", "dark"), [(1280, False), (390, True)], ids=["wide-light", "narrow-dark"]
)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]


@pytest.fixture(scope="module")
def school(tmp_path_factory, redis_url):
    """An installation on SQLite that runs as `bin/run` runs it, with its demo school."""
    folder = tmp_path_factory.mktemp("school")
    made = Installation(folder, f"sqlite:///{folder / 'blockpy.sqlite'}", redis_url)
    made.prepare()
    made.start("web", "counts", "others", "scheduler")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def teacher(school):
    """The demo's teacher, over HTTP."""
    person = Person(school.url, school.demo["logins"]["teacher"])
    yield person
    person.close()


@pytest.fixture(scope="module")
def house(school):
    """The people of the demo school, and rooms of a test's own."""
    with contextlib.closing(House(school)) as made:
        yield made


@pytest.fixture
def open_room(school, log_in):
    """`open_room(session_id, person="teacher", ...)`: the room's page, live."""

    def open_page(session_id, person="teacher", **look):
        page = log_in(school.demo["logins"][person], **look)
        page.goto(f"{school.url}/sessions/{session_id}")
        expect(page.locator("#age")).to_contain_text("live")
        return page

    return open_page


@pytest.fixture(autouse=True)
def _empty_redis():
    """The installation keeps its Redis for the whole module."""


@pytest.fixture(scope="module")
def browser():
    """The system's Chromium."""
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=os.environ["TEST_CHROMIUM"], args=QUIET)
        yield started
        started.close()


@pytest.fixture
def log_in(browser, school):
    """`log_in(login, size=..., dark=...)`: a page of a person of the demo; a script error fails the test."""
    contexts, errors = [], []

    def open_page(login, *, size=(1280, 800), dark=False):
        context = browser.new_context(
            viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{school.url}/login")
        page.get_by_label("Email").fill(login["email"])
        page.get_by_label("Password").fill(login["password"])
        page.get_by_role("button", name="Log in").click()
        page.wait_for_url(lambda url: "/login" not in url)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


def violations(page):
    """What axe-core finds wrong on a page, a line each."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run()")["violations"]
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]


def overflows(page):
    """Whether the page is wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
