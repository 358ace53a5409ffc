"""Finds what the tests need from the system, PostgreSQL and Chromium, and installs it where apt-get may be used."""

import contextlib
import glob
import os
import re
import shutil
import subprocess
from pathlib import Path

from _console import Refusal, say
from _processes import run_quietly

OLDEST_POSTGRESQL = 14
POSTGRESQL_FOLDERS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
)
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM_APPS = (
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
)
FONTS = "fonts-liberation"  # without any, a bare machine's Chromium shows boxes
CLUSTER_DEFAULTS = Path("/etc/postgresql-common/createcluster.conf")


def ensure_system_parts(keeper):
    """The folder of PostgreSQL's programs and the path of Chromium; None for what the environment names."""
    needs_postgresql = not os.environ.get("TEST_POSTGRESQL_URL")
    needs_chromium = not os.environ.get("TEST_CHROMIUM")
    missing = []
    if needs_postgresql and not find_postgresql():
        missing.append("postgresql")
    if needs_chromium and not find_chromium():
        missing.append("chromium")
    if missing:
        _install(missing, keeper)
    postgresql = _found(find_postgresql(), "PostgreSQL", "TEST_POSTGRESQL_URL") if needs_postgresql else None
    chromium = _found(find_chromium(), "Chromium", "TEST_CHROMIUM") if needs_chromium else None
    return postgresql, chromium


def find_postgresql():
    """The folder with `initdb` and `postgres` of the newest version that is new enough, or None."""
    folders = [Path(folder) for pattern in POSTGRESQL_FOLDERS for folder in glob.glob(pattern)]
    if shutil.which("pg_config"):
        folders.append(Path(_output(["pg_config", "--bindir"])))
    if shutil.which("postgres"):
        folders.append(Path(shutil.which("postgres")).resolve().parent)
    versions = {folder: _major(folder / "postgres") for folder in folders if os.access(folder / "initdb", os.X_OK)}
    newest = max(versions, key=versions.get, default=None)
    return newest if newest and versions[newest] >= OLDEST_POSTGRESQL else None


def find_chromium():
    """The path of a Chromium or Chrome that starts, or None. (Ubuntu's may be a stub that asks for a snap.)"""
    candidates = [shutil.which(name) for name in CHROMIUM_NAMES] + list(CHROMIUM_APPS)
    return next((path for path in candidates if path and re.search(r"\d+\.\d+", _output([path, "--version"]))), None)


def _major(program):
    found = re.search(r"\) (\d+)", _output([program, "--version"]))
    return int(found[1]) if found else 0


def _output(command):
    try:
        options = {"capture_output": True, "text": True, "stdin": subprocess.DEVNULL, "timeout": 60}
        found = subprocess.run(command, check=False, **options)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return found.stdout.strip() if found.returncode == 0 else ""


def _found(path, name, variable):
    if not path:
        raise Refusal(f"The tests need {name}, and it was not found after the installation; {variable} can name it.")
    return path


def _install(packages, keeper):
    """Install with apt-get as root or through a sudo that asks for nothing; else say what is missing."""
    names = {"postgresql": f"PostgreSQL {OLDEST_POSTGRESQL} or newer", "chromium": "Chromium"}
    missing = " and ".join(names[package] for package in packages)
    as_root = _as_root()
    if as_root is None or not shutil.which("apt-get"):
        raise Refusal(f"The tests need {missing}; please install it (Debian: apt install {' '.join(packages)}).")
    say(f"installing {missing} …")
    apt = [*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-y"]
    run_quietly([*apt, "update"], what="apt-get update", keeper=keeper)
    install = [*apt, "-o", "Dpkg::Options::=--force-confold", "install", "--no-install-recommends"]
    if "postgresql" in packages:
        run_quietly([*install, "postgresql-common"], what="Installing postgresql-common", keeper=keeper)
    with _no_own_cluster(as_root) if "postgresql" in packages else contextlib.nullcontext():
        more = [FONTS] if "chromium" in packages else []
        run_quietly([*install, *packages, *more], what=f"Installing {missing}", keeper=keeper)


def _as_root():
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    asked = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False)
    return ["sudo", "-n"] if asked.returncode == 0 else None


@contextlib.contextmanager
def _no_own_cluster(as_root):
    """Meanwhile Debian makes and starts no database server of its own; its settings are as before afterwards."""
    before = CLUSTER_DEFAULTS.read_text()
    _write_as_root(as_root, CLUSTER_DEFAULTS, before + "\ncreate_main_cluster = false\n")
    try:
        yield
    finally:
        _write_as_root(as_root, CLUSTER_DEFAULTS, before)


def _write_as_root(as_root, file, text):
    subprocess.run([*as_root, "tee", file], input=text, text=True, stdout=subprocess.DEVNULL, check=True)
