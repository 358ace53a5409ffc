"""Who asks: login with a cookie for people, bearer tokens for programs, and limits on wrong passwords."""

import time
from urllib.parse import urlsplit

from flask import Blueprint, current_app, flash, g, jsonify, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, login_user, logout_user
from flask_wtf.csrf import CSRFError, CSRFProtect

from blockpy.reading import Body, body
from models import access, ingest, viewers
from models.db import iso, utcnow
from models.errors import NotAllowed, NotLoggedIn
from models.events import Event, natural_id, storable
from models.user import find_by_login

bp = Blueprint("auth", __name__)
csrf = CSRFProtect()
logins = LoginManager()

WRONG_PASSWORDS = "10 per minute; 60 per hour"
WRONG_PASSWORDS_OF_AN_ADDRESS = "200 per minute"
NOBODY_ASKS = ("/static/", "/healthz", "/readyz")
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
OPEN_ENDPOINTS = (None, "auth.make_token")


class Credentials(Body):
    """What a program logs in with."""

    email: str
    password: str


def _login_name():
    told = request.get_json(silent=True) if request.is_json else request.form
    email = told.get("email") if hasattr(told, "get") else None
    return f"{storable(str(email)).strip().lower()}|{get_remote_address()}"


limiter = Limiter(key_func=_login_name, in_memory_fallback_enabled=True, strategy="fixed-window")


def wrong_passwords(view):
    """Limit failed logins: few for one account, many for one address, since a school sits behind one."""
    for limit, scope, key in (
        (WRONG_PASSWORDS, "login", _login_name),
        (WRONG_PASSWORDS_OF_AN_ADDRESS, "login-address", get_remote_address),
    ):
        view = limiter.shared_limit(
            limit, scope=scope, key_func=key, deduct_when=lambda response: response.status_code == 401
        )(view)
    view.is_limited = True
    return view


@limiter.request_filter
def _is_unlimited():
    """The limiter asks Redis; whoever logs no one in has nothing to do with it."""
    return not getattr(current_app.view_functions.get(request.endpoint), "is_limited", False)


def retry_after():
    """Whole seconds until the limit that was hit begins anew."""
    hit = limiter.current_limit
    return max(1, hit.reset_at - int(time.time())) if hit else 60


def init_app(app):
    """Cookies, the check of forged requests, limits; and the viewer before each request."""
    app.config.setdefault("RATELIMIT_STORAGE_URI", app.config["REDIS_URL"])
    if app.config["SESSION_COOKIE_NAME"] == "session":  # Flask's own name, which any other program here may have too
        app.config["SESSION_COOKIE_NAME"] = "blockpy_live"
    csrf.init_app(app)
    logins.init_app(app)
    limiter.init_app(app)
    app.before_request(find_viewer)


@logins.user_loader
def _load(_login_id):
    """The viewer is found by `find_viewer`, from the same cookie; Flask-Login only keeps the cookie."""
    return None


def find_viewer():
    """Set `g.viewer`: who holds the bearer token, else whom the cookie names. A forged request is refused.

    So is an API call of nobody, before anything could tell him what exists.
    """
    g.viewer = None
    if request.path.startswith(NOBODY_ASKS):
        return
    token = bearer_token()
    g.viewer = viewers.recent_viewer_by({"token": token, "_user_id": session.get("_user_id")})
    if g.viewer and not token and request.method not in SAFE_METHODS:
        _refuse_forged()
    if request.path.startswith("/api/") and request.endpoint not in OPEN_ENDPOINTS:
        access.logged_in(g.viewer)


def bearer_token():
    """The token of the request: in its header, or in the form field that the editor has for it."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer" and token:
        return token.strip()
    return request.form.get("access_token") if request.path.startswith("/blockpy/") else None


def _refuse_forged():
    """A cookie comes along with requests that other sites make; the editor client proves itself by a header."""
    if request.path.startswith("/blockpy/") and _came_from_here():
        return
    try:
        csrf.protect()
    except CSRFError as error:
        raise NotAllowed(f"{error.description} Reload the page and try again.") from error


def _came_from_here():
    """Other sites can set neither this header without our leave, nor an Origin that is ours."""
    origin = request.headers.get("Origin")
    if origin:
        return urlsplit(origin).netloc == request.host
    return request.headers.get("X-Requested-With") == "XMLHttpRequest"


@bp.get("/login")
def login():
    """The form."""
    return _form(None)


@bp.post("/login", endpoint="login_post")
@wrong_passwords
def login_post():
    """Log in with a cookie; a wrong name and a wrong password answer the same."""
    csrf.protect()
    user = find_by_login(storable(request.form.get("email", "")), request.form.get("password", ""))
    if user is None:
        return _form("This address and password do not belong together."), 401
    start_login(user)
    return redirect(_next_page())


def start_login(user):
    """Begin a session of its own, so that one that was planted before the login is worth nothing."""
    session.clear()
    login_user(_Login(user))
    handle_login_change(user.id)


class _Login:
    """What Flask-Login keeps in the cookie: the account, and the version that ends with its password."""

    is_active = is_authenticated = True
    is_anonymous = False

    def __init__(self, user):
        self.login_id = f"{user.id}.{user.login_version}"

    def get_id(self):
        """`<user id>.<login version>`."""
        return self.login_id


def handle_login_change(user_id):
    """Write a login into the log: `last_logged_in` follows."""
    now = utcnow()
    ingest.append([Event("user_login", user_id, natural_id("user_login", user_id, now.isoformat()))])


@bp.post("/logout")
def logout():
    """End the cookie's session."""
    logout_user()
    session.clear()
    flash("You are logged out.")
    return redirect(url_for("auth.login"))


def to_login():
    """Send a person who is not logged in to the form, and back afterwards."""
    return redirect(url_for("auth.login", next=request.full_path.rstrip("?")))


def _form(error):
    email = request.form.get("email", "")
    next_page = request.values.get("next", "")
    return render_template("auth/login.html", form_error=error, email=email, next=next_page)


def _next_page():
    """A path of this site, never another one."""
    wanted = request.form.get("next", "")
    # Browsers and urllib drop tabs and line breaks: "/<tab>/elsewhere" is another site.
    local = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and wanted.isprintable()
    return wanted if local else url_for("pages.home")


@bp.post("/api/tokens")
@wrong_passwords
def make_token():
    """A bearer token for who knows the password."""
    credentials = body(Credentials)
    user = find_by_login(credentials.email, credentials.password)
    if user is None:
        raise NotLoggedIn("This address and password do not belong together.")
    token, expires_at = viewers.make_token(user.id, now=utcnow())
    handle_login_change(user.id)
    told = {"id": user.id, "email": user.email, "name": user.name, "is_admin": user.is_admin}
    return jsonify(token=token, expires_at=iso(expires_at), user=told), 201


@bp.delete("/api/tokens/current")
def end_token():
    """Revoke the token that this request came with."""
    access.logged_in(g.viewer)
    viewers.end_token(bearer_token() or "")
    return "", 204
