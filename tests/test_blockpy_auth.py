"""Who asks: cookies for people, tokens for programs, forged requests, limits on wrong passwords."""

import re

import pytest

import app as application
from models.db import db, transaction, utcnow
from models.user import ApiToken, User
from tests.factories import PASSWORD, make_school, make_token, make_user, now_ms, payload

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
FROM_OUR_PAGE = {"X-Requested-With": "XMLHttpRequest"}


class Browser:
    """A browser with its cookies; each request gets a context of its own, as on a server."""

    def __init__(self, app, address="127.0.0.1"):
        self.app = app
        self.client = app.test_client()
        self.address = address

    def __getattr__(self, method):
        def call(path, **options):
            with self.app.app_context():
                return getattr(self.client, method)(path, environ_base={"REMOTE_ADDR": self.address}, **options)

        return call

    @property
    def cookie(self):
        """The login cookie as it is kept now."""
        found = self.client.get_cookie("blockpy_live")
        return found and found.value

    def form_token(self, path="/login"):
        """The hidden token of a page's form."""
        return re.search(r'name="csrf_token" value="([^"]+)"', self.get(path).text).group(1)

    def log_in(self, user, password=PASSWORD, **fields):
        """Fill in the form and send it."""
        form = {"csrf_token": self.form_token(), "email": user.email, "password": password, **fields}
        return self.post("/login", data=form)


@pytest.fixture
def teacher(app):
    return make_user("Teacher", password=PASSWORD)


@pytest.fixture
def browser(app):
    return Browser(app)


@pytest.fixture
def limited(app):
    """The same installation with its limits on; they are kept in this test's Redis."""
    kept = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "MESSAGE_QUEUE", "TESTING", "LOG_LEVEL", "INSTANCE_PATH")
    made = application.create_app({**{name: app.config[name] for name in kept}, "RATELIMIT_ENABLED": True})
    yield made
    with made.app_context():
        db.session.remove()
        db.engine.dispose()
        made.extensions["redis"].close()


# --- logging in and out ---


def test_a_login_opens_the_site_and_a_logout_closes_it(browser, teacher):
    assert browser.get("/").status_code == 302

    login = browser.log_in(teacher)
    inside = browser.get("/")
    logout = browser.post("/logout", data={"csrf_token": browser.form_token("/")})
    outside = browser.get("/")

    assert (login.status_code, login.headers["Location"]) == (302, "/")
    assert (inside.status_code, logout.status_code, outside.status_code) == (200, 302, 302)
    assert browser.get("/api/me").status_code == 401


def test_an_address_is_the_same_in_capitals_and_with_blanks(browser, teacher):
    answer = browser.log_in(teacher, email=f" {teacher.email.upper()} ")

    assert answer.status_code == 302
    assert browser.get("/api/me").json["id"] == teacher.id


@pytest.mark.parametrize("fields", [{"password": "wrong password"}, {"email": "nobody@test.school"}, {"email": ""}])
def test_a_wrong_name_and_a_wrong_password_answer_the_same(browser, teacher, fields):
    answer = browser.log_in(teacher, **fields)

    assert answer.status_code == 401
    assert "do not belong together" in answer.text
    assert "wrong password" not in answer.text
    assert browser.get("/api/me").status_code == 401


def test_an_account_without_a_password_cannot_log_in(browser):
    somebody = make_user("No password")

    assert browser.log_in(somebody, password="").status_code == 401
    assert browser.log_in(somebody, password="nobody has this password").status_code == 401


def test_an_account_that_was_closed_is_out_at_once(browser, teacher, as_):
    browser.log_in(teacher)
    caller = as_(teacher)
    with transaction() as session:
        session.get(User, teacher.id).is_active = False

    assert browser.get("/api/me").status_code == 401
    assert caller.get("/api/me").status_code == 401
    assert Browser(browser.app).log_in(teacher).status_code == 401


def test_the_cookie_changes_at_login_and_a_planted_one_is_worth_nothing(app, browser, teacher):
    planted_token, planted = browser.form_token(), browser.cookie
    browser.log_in(teacher)
    thief = Browser(app)
    thief.client.set_cookie("blockpy_live", planted)

    answer = browser.post("/logout", data={"csrf_token": planted_token})

    assert browser.cookie != planted
    assert answer.status_code == 403
    assert thief.get("/api/me").status_code == 401


def test_the_login_cookie_is_out_of_reach_of_scripts_and_other_sites(browser, teacher):
    cookie = browser.log_in(teacher).headers["Set-Cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie


def test_a_changed_password_ends_the_login(browser, teacher):
    browser.log_in(teacher)
    before = browser.get("/api/me").status_code
    with transaction() as session:
        session.get(User, teacher.id).set_password("another good password")

    assert (before, browser.get("/api/me").status_code) == (200, 401)
    assert browser.log_in(teacher).status_code == 401
    assert browser.log_in(teacher, password="another good password").status_code == 302


def test_a_forged_cookie_is_nobody(browser, teacher):
    browser.log_in(teacher)
    value = browser.cookie
    browser.client.set_cookie("blockpy_live", value[:-3] + ("AAA" if value[-3:] != "AAA" else "BBB"))

    assert browser.get("/api/me").status_code == 401


# --- where a login leads ---


@pytest.mark.parametrize("page", ["/sessions/5", "/admin/?q=a%20b", "/assignments/1"])
def test_a_login_leads_back_to_the_page_that_was_wanted(browser, teacher, page):
    asked = browser.get(page)

    answer = browser.log_in(teacher, next=page)

    assert asked.status_code == 302
    assert asked.headers["Location"].startswith("/login?next=")
    assert answer.headers["Location"] == page


OTHER_SITES = [
    "https://evil.test/",
    "//evil.test/",
    "/\\evil.test",
    "\\\\evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r\n/evil.test",
    "\t//evil.test",
    "javascript:alert(1)",
    "evil.test",
    "///evil.test",
    "/\\/evil.test",
    " //evil.test",
]


def test_a_login_never_leads_to_another_site(app, teacher):
    for elsewhere in OTHER_SITES:
        answer = Browser(app).log_in(teacher, next=elsewhere)
        assert (answer.status_code, answer.headers["Location"]) == (302, "/"), repr(elsewhere)


# --- forged requests ---


def test_a_login_form_without_its_token_is_refused(browser, teacher):
    answer = browser.post("/login", data={"email": teacher.email, "password": PASSWORD})

    assert answer.status_code == 400
    assert browser.get("/api/me").status_code == 401


def test_a_cookie_alone_changes_nothing_over_the_api(browser, teacher):
    browser.log_in(teacher)
    token = browser.form_token("/")

    answers = [
        browser.post("/api/events", json={"events": [{}]}),
        browser.post("/api/events", json={"events": [{}]}, headers=FROM_OUR_PAGE),
        browser.post("/api/events", json={"events": [{}]}, headers={"X-CSRFToken": "nonsense"}),
        browser.post("/api/events", json={"events": [{}]}, headers={"Origin": "http://localhost"}),
        browser.delete("/api/tokens/current"),
        browser.patch("/api/classes/1", json={}),
        browser.put("/api/courses/1/roles", json={}),
        browser.post("/logout"),
        browser.post("/sessions/start", data={"class_id": 1, "assignment_id": 1}),
    ]
    right = browser.post("/api/events", json={"events": [{}]}, headers={"X-CSRFToken": token})

    assert [answer.status_code for answer in answers] == [403] * len(answers)
    assert answers[0].json["error"] == "not_allowed"
    assert right.status_code == 200


def test_the_token_of_another_login_does_not_help(app, browser, teacher):
    other = Browser(app)
    other.log_in(make_user("Other", password=PASSWORD))
    browser.log_in(teacher)

    answer = browser.post("/api/events", json={"events": [{}]}, headers={"X-CSRFToken": other.form_token("/")})

    assert answer.status_code == 403


PROOFS = [
    ({}, False),
    (FROM_OUR_PAGE, True),
    ({"X-Requested-With": "fetch"}, False),
    ({"Origin": "http://localhost"}, True),
    ({"Origin": "http://evil.test"}, False),
    ({"Origin": "http://evil.test", **FROM_OUR_PAGE}, False),
    ({"Origin": "null", **FROM_OUR_PAGE}, False),
    ({"Origin": "http://localhost.evil.test"}, False),
]


def test_the_editor_proves_itself_by_a_header_that_other_sites_cannot_set(browser):
    school = make_school(1)
    work = school.submission()
    with transaction() as session:
        session.get(User, school.learners[0].id).set_password(PASSWORD)
    browser.log_in(school.learners[0])

    for headers, allowed in PROOFS:
        answer = browser.post("/blockpy/log_event", data=payload(work), headers=headers)
        assert answer.status_code == 200, headers
        assert answer.json["success"] is allowed, headers
        assert answer.json["ip"] == "127.0.0.1", headers


def test_a_bearer_token_needs_no_other_proof(as_, teacher):
    assert as_(teacher).post("/api/events", json={"events": [{}]}).status_code == 200


def test_a_wrong_bearer_token_is_nobody_even_beside_a_good_cookie(browser, teacher):
    browser.log_in(teacher)

    assert browser.get("/api/me", headers={"Authorization": "Bearer nonsense"}).status_code == 401


# --- tokens ---


def test_a_token_is_told_once_and_kept_as_a_hash(browser, teacher):
    answer = browser.post("/api/tokens", json={"email": teacher.email, "password": PASSWORD})

    token = answer.json["token"]
    me = browser.get("/api/me", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 201
    assert set(answer.json) == {"token", "expires_at", "user"}
    assert answer.json["expires_at"].endswith("Z")
    assert answer.json["user"] == {"id": teacher.id, "email": teacher.email, "name": "Teacher", "is_admin": False}
    assert me.json["id"] == teacher.id
    assert db.session.get(ApiToken, token) is None


def test_a_revoked_token_is_worth_nothing_and_the_others_stay(app, as_, teacher):
    one, other = as_(teacher), as_(teacher)

    answer = one.delete("/api/tokens/current")

    assert answer.status_code == 204
    assert (one.get("/api/me").status_code, other.get("/api/me").status_code) == (401, 200)


def test_a_token_ends(as_, teacher):
    caller = as_(teacher)
    with transaction() as session:
        for row in session.scalars(db.select(ApiToken)):
            row.expires_at = utcnow()

    assert caller.get("/api/me").status_code == 401


@pytest.mark.parametrize("fields", [{"password": "wrong"}, {"email": "nobody@test.school"}])
def test_no_token_without_the_right_password(browser, teacher, fields):
    answer = browser.post("/api/tokens", json={"email": teacher.email, "password": PASSWORD, **fields})

    assert (answer.status_code, answer.json["error"]) == (401, "not_logged_in")
    assert db.session.scalars(db.select(ApiToken)).all() == []


def test_a_login_is_an_event_and_a_wrong_one_is_none(browser, teacher, run_jobs, as_):
    browser.post("/api/tokens", json={"email": teacher.email, "password": "wrong"})
    run_jobs()
    before = as_(teacher).get(f"/api/users/{teacher.id}/counts").json["last_logged_in"]

    browser.post("/api/tokens", json={"email": teacher.email, "password": PASSWORD})
    run_jobs()

    after = as_(teacher).get(f"/api/users/{teacher.id}/counts").json["last_logged_in"]
    assert before is None
    assert after is not None


# --- limits ---


def attempt(app, email, password, address="127.0.0.1"):
    """One attempt to get a token, from an address."""
    return Browser(app, address).post("/api/tokens", json={"email": email, "password": password})


def test_wrong_passwords_are_limited_for_that_account_from_that_address(limited, teacher):
    other = make_user("Other", password=PASSWORD)

    wrong = [attempt(limited, teacher.email, f"wrong {n}").status_code for n in range(12)]
    locked = attempt(limited, teacher.email, PASSWORD)

    assert wrong == [401] * 10 + [429] * 2
    assert (locked.status_code, locked.json["error"]) == (429, "too_many")
    assert 1 <= int(locked.headers["Retry-After"]) <= 3600
    assert attempt(limited, other.email, PASSWORD).status_code == 201
    assert attempt(limited, teacher.email, PASSWORD, address="10.0.0.5").status_code == 201


def test_the_limit_counts_form_and_api_together_and_capitals_do_not_slip_through(limited, teacher):
    browser = Browser(limited)
    for n in range(5):
        browser.log_in(teacher, password=f"wrong {n}")
        attempt(limited, f" {teacher.email.upper()} ", f"wrong {n}")

    form, api = browser.log_in(teacher), attempt(limited, teacher.email, PASSWORD)

    assert (form.status_code, api.status_code) == (429, 429)
    assert "Too many" in form.text
    assert int(form.headers["Retry-After"]) >= 1


def test_right_passwords_are_never_limited(limited, teacher):
    answers = [attempt(limited, teacher.email, PASSWORD).status_code for _ in range(12)]

    assert answers == [201] * 12


def test_names_that_no_database_takes_do_not_take_the_limit_away(limited, teacher):
    for n in range(3):
        attempt(limited, "\ud800\x00", f"wrong {n}")
    for n in range(10):
        attempt(limited, teacher.email, f"wrong {n}")

    assert attempt(limited, teacher.email, "wrong").status_code == 429
    assert limited.extensions["redis"].keys("LIMIT*")


def test_other_calls_are_not_limited(limited, teacher):
    school = make_school(1)
    headers = {"Authorization": f"Bearer {make_token(school.learners[0])}"}
    work, caller = school.submission(), Browser(limited)

    answers = [
        caller.post("/blockpy/log_event", data=payload(work, timestamp=now_ms() - n), headers=headers).status_code
        for n in range(70)
    ]

    assert set(answers) == {200}
