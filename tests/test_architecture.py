"""One direction: who may import whom, and each effect's one home. Each rule is shown a breach that it must see."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LADDER = ("models", "monitoring", "workers", "blockpy", "app")
MODULES = ["app.py", *(str(path.relative_to(ROOT)) for name in LADDER[:-1] for path in (ROOT / name).rglob("*.py"))]


def parse(source):
    return list(ast.walk(ast.parse(source)))


def imported(nodes):
    """Every module that is imported, with what is taken from it: {"flask", "flask.request"}."""
    found = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {"." * node.level + (node.module or "")}
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def packages(nodes):
    return {name.split(".")[0] for name in imported(nodes)}


def calls(nodes, method):
    """Whether something has its method of this name called, or handed on to be called."""
    return any(isinstance(node, ast.Attribute) and node.attr == method for node in nodes)


def climbs(path, source):
    """A module imports its own package and packages to its left."""
    place = LADDER.index(path.split("/")[0].removesuffix(".py"))
    return bool(packages(parse(source)) & set(LADDER[place + 1 :]))


def commits(path, source):
    home = path == "models/db.py" or path.startswith("models/ingest")
    return not home and calls(parse(source), "commit")


def emits(path, source):
    """The class that is played is no server: its client's line speaks to ours from outside."""
    home = path in ("monitoring/broadcast.py", "workers/simulation/line.py")
    nodes = parse(source)
    sends = any(calls(nodes, name) for name in ("emit", "send_message")) or "flask_socketio.emit" in imported(nodes)
    return not home and sends


def queues(path, source):
    return path not in ("workers/queue.py", "workers/schedule.py") and "rq" in packages(parse(source))


def reads_a_request(path, source):
    home = path.startswith("blockpy/") or path == "monitoring/namespace.py"
    nodes = parse(source)
    taken = {"flask.request", "flask.session"} & imported(nodes)
    whole = "flask" in imported(nodes) and any(
        isinstance(node, ast.Attribute)
        and getattr(node.value, "id", "") == "flask"
        and node.attr in ("request", "session")
        for node in nodes
    )
    return not home and (bool(taken) or whole)


def assigns_participants(path, source):
    """Participants change under the row's lock only."""
    home = path.startswith("monitoring/repositories/") or path == "monitoring/sessions.py"
    targets = []
    for node in parse(source):
        if isinstance(node, ast.Assign):
            targets += node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign)):
            targets.append(node.target)
        elif isinstance(node, ast.Call) and any(getattr(a, "value", "") == "participants" for a in node.args[1:2]):
            targets += [ast.Attribute(attr="participants")] if getattr(node.func, "id", "") == "setattr" else []
    parts = [part for target in targets for part in ast.walk(target)]
    return not home and any(isinstance(part, ast.Attribute) and part.attr == "participants" for part in parts)


def says_nothing(path, source):
    """Every module says in a sentence what it is for."""
    return not ast.get_docstring(ast.parse(source))


def reads_the_clock_in_a_fold(path, source):
    """What is folded is pure: arithmetic and steps know no clock, no chance and no database session."""
    pure = path.startswith("models/formulas/") or path == "models/projections/counts.py"
    banned = {"random", "time", "datetime", "secrets", "os", "uuid", "flask", "sqlalchemy"}
    taken = imported(parse(source))
    return pure and bool(
        {name.split(".")[0] for name in taken} & banned or {"models.db.utcnow", "models.db.db"} & taken
    )


# rule -> sources that break it, each with a place where it does
BREACHES = {
    climbs: [
        ("models/x.py", "from monitoring import broadcast"),
        ("models/a/x.py", "def f():\n    import workers.queue"),
        ("monitoring/x.py", "import workers"),
        ("workers/x.py", "from blockpy.auth import login"),
        ("blockpy/x.py", "import app"),
    ],
    commits: [
        ("workers/x.py", "db.session.commit()"),
        ("models/user.py", "def f(session):\n    session.commit()"),
        ("blockpy/x.py", "finish = session.commit"),
    ],
    emits: [
        ("monitoring/frames.py", "sockets().server.emit('x')"),
        ("blockpy/x.py", "from flask_socketio import emit"),
    ],
    queues: [("workers/counts.py", "from rq import Queue"), ("app.py", "import rq.job")],
    reads_a_request: [
        ("models/x.py", "from flask import request"),
        ("workers/x.py", "from flask import current_app, session"),
        ("monitoring/server.py", "import flask\nx = flask.request.form"),
    ],
    assigns_participants: [
        ("workers/live.py", "row.participants = []"),
        ("blockpy/x.py", "row.participants += [1]"),
        ("models/x.py", "row.participants[0]['x'] = 1"),
        ("workers/x.py", "a, row.participants = 1, []"),
        ("workers/x.py", "setattr(row, 'participants', [])"),
    ],
    says_nothing: [("models/x.py", "x = 1"), ("models/x.py", "")],
    reads_the_clock_in_a_fold: [
        ("models/projections/counts.py", "from models.db import utcnow"),
        ("models/formulas/x.py", "import random"),
        ("models/formulas/x.py", "from datetime import datetime"),
    ],
}
ALLOWED = [
    (climbs, "workers/x.py", "from models import db\nfrom monitoring import broadcast\nfrom workers import queue"),
    (commits, "models/db.py", "session.commit()"),
    (emits, "monitoring/broadcast.py", "server.emit('x')"),
    (queues, "workers/queue.py", "from rq import Queue"),
    (reads_a_request, "monitoring/namespace.py", "from flask import request"),
    (reads_a_request, "models/x.py", "from sqlalchemy.orm import session\nfrom flask import current_app"),
    (assigns_participants, "monitoring/sessions.py", "row.participants = []"),
    (assigns_participants, "workers/x.py", "here = row.participants"),
    (reads_the_clock_in_a_fold, "models/ingest.py", "from models.db import utcnow"),
]


@pytest.mark.parametrize("rule", BREACHES, ids=lambda rule: rule.__name__)
def test_no_module_breaks_the_rule(rule):
    broken = [path for path in MODULES if rule(path, (ROOT / path).read_text())]

    assert broken == []


@pytest.mark.parametrize(("rule", "breaches"), BREACHES.items(), ids=lambda value: getattr(value, "__name__", ""))
def test_the_rule_sees_a_breach(rule, breaches):
    unseen = [source for path, source in breaches if not rule(path, source)]

    assert unseen == []


@pytest.mark.parametrize(("rule", "path", "source"), ALLOWED)
def test_the_rule_lets_pass_what_is_right(rule, path, source):
    assert not rule(path, source)


def test_the_rules_look_at_the_whole_program():
    assert {path.split("/")[0] for path in MODULES} == {*LADDER[:-1], "app.py"}
    assert len(MODULES) > 50


def test_tests_patch_nothing_of_ours_but_the_clock():
    """A test that replaces the product's own parts shows nothing about them."""
    words = ("unittest" + ".mock", "mocker" + ".patch", "MagicMock" + "(")
    sources = {path.name: path.read_text() for path in sorted(Path(__file__).parent.rglob("*.py"))}

    assert [name for name, source in sources.items() if any(word in source for word in words)] == []
