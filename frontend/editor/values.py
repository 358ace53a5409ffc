"""How the checks compare, copy and show the values and errors of a student's program (module name `pedal_values`)."""

import copy
import math
import traceback

DELTA = 0.001  # two numbers that differ by less are the same to a check
SHOWN = 300  # characters of a value that are shown
SCRIPT = "on_run.py"
STUDENT_FILE = "answer.py"


def same(left, right, delta):
    """Equal, with numbers up to `delta` and inside of lists and the like too. True is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right or (
            (isinstance(left, float) or isinstance(right, float))
            and math.isclose(left, right, rel_tol=0, abs_tol=delta)
        )
    if type(left) is type(right) and isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(same(a, b, delta) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key], delta) for key in left)
    return bool(left == right)


def lines_of(text):
    return [line.rstrip() for line in text.rstrip().splitlines()]


def answers(given):
    return [given] if isinstance(given, str) else list(given)


def own_copy(value):
    try:
        return copy.deepcopy(value)
    except Exception:
        return value


def shown(value):
    try:
        return clip(repr(value))
    except BaseException as error:
        return f"a value that cannot be shown ({type(error).__name__})"


def clip(text):
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def words(error):
    try:
        return (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    except Exception:
        return ""


def error_words(error):
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == STUDENT_FILE]
    text = f"{type(error).__name__}: {words(error)}".removesuffix(": ")
    return f"{text} on line {lines[-1]}" if lines else text


def where(error):
    """The script's own crash, with the line of the script."""
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == SCRIPT]
    line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
    return f"{type(error).__name__}: {words(error)}" + (f" (line {line} of the checks)" if line else "")
