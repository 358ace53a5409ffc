"""Brings the database up to date and makes the demo; a database that is as it should be costs no time."""

import contextlib
import re

from _console import say
from _instance import read_demo, where
from _processes import ROOT, run_quietly
from _setup import PYTHON

REVISION = re.compile(r"^revision\b.*=(.*)$", re.MULTILINE)
DOWN_REVISION = re.compile(r"^down_revision\b.*=(.*)$", re.MULTILINE)
QUOTED = re.compile(r"""["']([^"']+)["']""")


def prepare_database(instance, keeper, env):
    """Migrate, and make the demo, in one process. Raises `Refusal` with the reason when it fails."""
    if _is_prepared(instance):
        return
    say("preparing the database …")
    command = [PYTHON, "-m", "flask", "--app", "app", "prepare", "--url", instance.url]
    if not instance.has_demo:
        command.append("--no-demo")

    def explain(output):
        reasons = [line.strip() for line in output.splitlines() if "OperationalError" in line.partition(" ")[0]]
        if reasons:
            return f"The database ({where(instance.database_url)}) cannot be used: {reasons[-1].partition(' ')[2]}"
        return None

    run_quietly(command, what="Preparing the database", keeper=keeper, env=env, explain=explain)


def _is_prepared(instance):
    """Whether our own SQLite has the newest revision and demo.json is right: the command would take two seconds."""
    if instance.database_url != instance.sqlite_url or _revision(instance.sqlite_file) not in _heads():
        return False
    demo = read_demo(instance)
    return not instance.has_demo or (demo is not None and demo.get("url") == instance.url)


def _revision(file):
    """The revision of an SQLite database, or None; asked of the database itself, so a restored one is seen."""
    if not file.exists():
        return None
    try:
        import sqlite3
    except ImportError:
        return None
    with contextlib.suppress(sqlite3.Error):
        with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        return found[0][0] if len(found) == 1 else None
    return None


def _heads():
    """The revisions on which no other builds; read from the files, since importing Alembic takes a second."""
    texts = [file.read_text(encoding="utf-8") for file in (ROOT / "migrations" / "versions").glob("*.py")]
    revisions = {name for text in texts for line in REVISION.findall(text) for name in QUOTED.findall(line)}
    return revisions - {name for text in texts for line in DOWN_REVISION.findall(text) for name in QUOTED.findall(line)}
