"""What is asked: the edges. Blueprints, who asks, and how each protocol tells an error."""

import logging

import redis
from flask import g, jsonify, make_response, render_template, request, url_for
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import IntegerConverter

from blockpy import admin, auth, counts, courses, editor, live, live_room, pages, people, series, status
from models.errors import AppError, TooLarge, Unavailable, Unreadable

log = logging.getLogger(__name__)

POLICY = (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self' ws: wss:; "
    "frame-ancestors 'self'; base-uri 'self'; form-action 'self'; object-src 'none'"
)
CODES = {400: "invalid", 401: "not_logged_in", 403: "not_allowed", 404: "not_found", 405: "invalid", 413: "too_large"}
CODES |= {429: "too_many"}


class RowNumber(IntegerConverter):
    """A number in an address names a row; one that is too large for a row is not found."""

    def __init__(self, url_map, *args, **options):
        super().__init__(url_map, *args, **({"max": 2**31 - 1} | options))


def register(app):
    """Give the application its edges."""
    app.url_map.converters["int"] = RowNumber
    if app.config["TRUSTED_PROXIES"]:
        count = int(app.config["TRUSTED_PROXIES"])
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=count, x_proto=count, x_host=count)
    auth.init_app(app)
    for module in (admin, auth, counts, courses, editor, live, live_room, pages, people, series, status):
        app.register_blueprint(module.bp)
    app.register_error_handler(AppError, tell)
    app.register_error_handler(HTTPException, tell_http)
    app.register_error_handler(redis.RedisError, tell_no_redis)
    app.after_request(_protect)
    app.jinja_env.globals["asset"] = asset
    app.context_processor(lambda: {"viewer": g.get("viewer")})


def asset(name):
    """The address of a built file; it changes with the build, so that browsers may keep it."""
    return url_for("static", filename=f"dist/{name}", v=status.build())


def tell(error):
    """Render what was refused in the form of its protocol."""
    if request.path.startswith("/blockpy/"):
        return editor.refuse(error)
    if _wants_json():
        return jsonify(error.as_dict()), error.status
    if error.status == 401:
        return auth.to_login()
    return render_template("pages/error.html", message=error.message, status=error.status), error.status


def tell_http(error):
    """What Flask and Werkzeug refuse by themselves, told like our own."""
    status_code = error.code or 500
    if status_code >= 500:
        error.description = "Something went wrong here; it is written down. Try again."
    kind = {400: Unreadable, 413: TooLarge}.get(status_code, AppError)
    ours = kind(error.description or "This cannot be done.")
    ours.status, ours.code = status_code, CODES.get(status_code, "unavailable" if status_code >= 500 else "invalid")
    if status_code != 429:
        return tell(ours)
    ours.message = "Too many wrong passwords. Wait a little, then try again."
    response = make_response(tell(ours))
    response.headers["Retry-After"] = str(auth.retry_after())
    return response


def tell_no_redis(error):
    """Redis holds no truth, but some answers cannot be given without it."""
    log.warning("path=%s met no Redis: %s", request.path, error)
    return tell(Unavailable("The live line is down for a moment; try again."))


def _wants_json():
    """Programs get JSON; people who look at a page get a page."""
    return request.path.startswith("/api/") or request.accept_mimetypes.best == "application/json"


def _protect(response):
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if request.path.startswith("/static/dist/") and request.args.get("v") and response.status_code < 400:
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
    return response
