"""Data of other people's classes, read into histories: the FITech kind of ProgSnap2, with X-Intervene."""

import csv
from pathlib import Path

from models.formulas.stuck import Run, Step
from models.formulas.stuck.signs import EDIT, HELP, TRY
from workers.evaluation.watching import History

FILE = "answer.py"
LABELS = ("Y", "D")
# The experts' word, and once their slip, for a part that is done: they step in to praise.
PRAISE = ("subgoal", "suboal")
NEEDED = ("SubjectID", "EventType", "X-ElapsedTime", "X-Intervene")


class UnreadableData(Exception):
    """This is not data of the kind that was promised."""


def read_fitech(path):
    """[History] of every student's work on every assignment of a MainTable, or of all such tables in a folder.

    An edit tells the size of its code, a run or a hand-in its moment: the data hold no outcomes. X-Intervene becomes
    the marks, with whether X-Why calls them praise; X-How is not read.
    """
    path = Path(path)
    files = sorted(path.glob("*MainTable*.csv")) if path.is_dir() else [path]
    histories = {}
    for file in files:
        for row in _rows(file):
            name = f"{row['SubjectID']} {row.get('AssignmentID') or ''}".strip()
            _take(histories.setdefault(name, History(name)), row)
    if not histories:
        raise UnreadableData(f"{path} holds no MainTable with students.")
    return list(histories.values())


def _rows(file):
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            reader = csv.DictReader(lines)
            missing = [name for name in NEEDED if name not in (reader.fieldnames or [])]
            if missing:
                raise UnreadableData(f"{file} has no column {missing[0]}.")
            yield from reader
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UnreadableData(f"{file} cannot be read: {error}") from error


def _take(history, row):
    try:
        at_ms = round(float(row["X-ElapsedTime"]) * 1000)
    except ValueError:
        raise UnreadableData(f"{row['X-ElapsedTime']!r} is no number of seconds.") from None
    step = _step(row["EventType"], at_ms, row.get("X-CodeState"))
    if step is None:
        history.others.append(at_ms)
    else:
        history.steps.append(step)
    if row["X-Intervene"] in LABELS:
        history.marks.append((at_ms, row["X-Intervene"], row.get("X-Why") in PRAISE))


def _step(event_type, at_ms, code):
    if event_type == "File.Edit":
        return Step(at_ms, EDIT, None if code is None else len(code), FILE)
    if event_type == "File.Run":
        return Run(at_ms)
    kind = {"File.Submit": TRY, "File.RequestHelp": HELP}.get(event_type)
    return Step(at_ms, kind) if kind else None
