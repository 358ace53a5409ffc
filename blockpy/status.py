"""`/healthz` and `/readyz`: whether the process lives, and whether it can do its work."""

import functools
from pathlib import Path

import redis
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Blueprint, current_app, jsonify
from sqlalchemy.exc import SQLAlchemyError

from models.db import db
from monitoring import memory

bp = Blueprint("status", __name__)


@functools.cache
def build():
    """A short word that changes with each build of the browser's files; "0" before the first."""
    dist = Path(current_app.static_folder) / "dist"
    times = [int(path.stat().st_mtime) for path in dist.glob("*")] if dist.is_dir() else []
    return f"{max(times, default=0):x}"


@bp.get("/healthz")
def healthz():
    """200 while the process lives."""
    return jsonify(alive=True)


@bp.get("/readyz")
def readyz():
    """200 when database, Redis and migrations are in order, else 503 with what is missing."""
    missing = [words for words in (database_trouble(), redis_trouble()) if words]
    return jsonify(ready=not missing, missing=missing), 503 if missing else 200


def database_trouble():
    """A sentence on what is wrong with the database, or None."""
    try:
        with db.engine.connect() as connection:
            at = MigrationContext.configure(connection).get_current_revision()
    except SQLAlchemyError as error:
        return f"The database cannot be used: {type(error).__name__}."
    wanted = ScriptDirectory(current_app.extensions["migrate"].directory).get_current_head()
    return None if at == wanted else f"The database is at revision {at}, the code needs {wanted}."


def redis_trouble():
    """A sentence on what is wrong with Redis, or None."""
    try:
        memory().ping()
    except redis.RedisError as error:
        return f"Redis cannot be reached: {type(error).__name__}."
    return None
