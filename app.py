"""BlockPy Live: the application factory, the web process (`python app.py`) and the command line (`flask --app app`)."""

import os

# Only the web process runs on green threads, and only these lines know it: workers fork, and a fork after the
# patch hangs. psycopg's own waiting would stop every green thread, the wait function named here does not.
ASYNC_MODE = os.environ.get("BLOCKPY_ASYNC_MODE", "eventlet") if __name__ == "__main__" else "threading"
if ASYNC_MODE == "eventlet":
    os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")
    import warnings

    # eventlet calls itself deprecated at every import; it is a setting here and can be left any day.
    warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")
    import eventlet

    eventlet.monkey_patch()

import logging  # noqa: E402
from pathlib import Path  # noqa: E402

from flask import Flask  # noqa: E402

import blockpy  # noqa: E402
from models import ingest, projections  # noqa: E402
from models.db import db, engine_options, migrate, prepare_engine  # noqa: E402
from monitoring import broadcast, server  # noqa: E402
from workers import commands, counts, queue  # noqa: E402

ROOT = Path(__file__).parent

# name: (default, what it is for). The environment overrides: names in PLAIN as they are, the rest as BLOCKPY_<name>.
SETTINGS = {
    "DATABASE_URL": (None, "where the truth is; default: SQLite in the instance folder"),
    "REDIS_URL": ("redis://127.0.0.1:6379/0", "queues, presence and messages: no truth in it"),
    "INSTANCE_PATH": (str(ROOT / "instance"), "the folder for what belongs to this installation"),
    "HOST": ("127.0.0.1", "the address that the web process listens on"),
    "PORT": (5000, "the port that the web process listens on"),
    "SECRET_KEY": (None, "signs cookies and hashes session ids; there is no default"),
    "MAX_CONTENT_LENGTH": (8 * 1024 * 1024, "bytes of a request's body"),
    "MAX_FORM_MEMORY_SIZE": (8 * 1024 * 1024, "bytes of a form's fields"),
    "TRUSTED_PROXIES": (0, "how many proxies in front set X-Forwarded-For"),
    "CORS_ORIGINS": (None, "further origins that may open sockets: a list; None means the site's own"),
    "SESSION_COOKIE_SAMESITE": ("Lax", "None only behind https, for editors in an LMS frame"),
    "SESSION_COOKIE_SECURE": (False, "True behind https"),
    "RATELIMIT_ENABLED": (True, "limits wrong passwords"),
    "WTF_CSRF_CHECK_DEFAULT": (False, "blockpy/auth.py checks where a cookie is what identifies"),
    "WTF_CSRF_TIME_LIMIT": (None, "a page may stay open for a whole school day"),
    "MESSAGE_QUEUE": (True, "whether web processes and workers hear each other through Redis"),
    "LOG_LEVEL": ("INFO", "the root logger's level"),
}
CHATTY = ("alembic", "rq.cron", "rq.scheduler", "rq.worker")
PLAIN = ("DATABASE_URL", "REDIS_URL", "INSTANCE_PATH", "HOST", "PORT")


def create_app(settings=None):
    """The application; `settings` (a dict) wins over the environment. Raises `RuntimeError` without a SECRET_KEY."""
    app = Flask("blockpy_live", root_path=str(ROOT), static_folder=str(ROOT / "static"))
    _configure(app, settings or {})
    _log(app.config["LOG_LEVEL"])
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    with app.app_context():
        prepare_engine(db.engine)
    ingest.init_app(app)
    server.init_app(app, async_mode=ASYNC_MODE)
    queue.init_app(app)
    blockpy.register(app)
    commands.register(app)
    ingest.stored.connect(broadcast.activity, app)
    ingest.stored.connect(queue.wake, app)
    ingest.stored.connect(counts.follow_assignments, app)
    projections.folded.connect(broadcast.counts_changed, app)
    return app


def _configure(app, settings):
    app.config.from_mapping({name: default for name, (default, _) in SETTINGS.items()})
    app.config.from_prefixed_env("BLOCKPY")
    app.config.update({name: os.environ[name] for name in PLAIN if os.environ.get(name)})
    app.config.update(settings)
    if not app.config["SECRET_KEY"]:
        raise RuntimeError("BLOCKPY_SECRET_KEY is not set: cookies cannot be signed without it.")
    app.config["PORT"] = int(app.config["PORT"])
    default = f"sqlite:///{Path(app.config['INSTANCE_PATH']).absolute() / 'blockpy.sqlite'}"
    app.config["DATABASE_URL"] = _driver(app.config["DATABASE_URL"] or default)
    app.config["SQLALCHEMY_DATABASE_URI"] = app.config["DATABASE_URL"]
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = engine_options(app.config["DATABASE_URL"])


def _log(level):
    """One line for each thing that happened; libraries that tell of every job speak only when something is wrong."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for name in CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)


def _driver(url):
    """A plain `postgresql://` means psycopg 3 here, whatever the library's default is."""
    return url.replace("postgresql://", "postgresql+psycopg://", 1).replace("postgres://", "postgresql+psycopg://", 1)


if __name__ == "__main__":
    server.serve(create_app())
