"""Runs one student's program inside the worker: its output in batches, its input(), its errors in words, its checks."""

import builtins
import json
import linecache
import sys
import time
import traceback
import types

import pedal
from pyodide.ffi import can_run_sync, run_sync

FILE = "answer.py"
OUTPUT_LIMIT = 200_000  # characters shown of one run: a page must survive `while True: print(1)`
REPORT_LIMIT = 20_000  # characters of it that go into the log
BATCH_SECONDS = 0.05
BATCH_SIZE = 2_000
LINES_AT_ONCE = 1_000  # so many lines are shown the moment they are printed; more of them travel in batches
INPUT_LIMIT = 10_000
NO_INPUT = "This browser cannot answer input(). Try a current Chrome, Edge or Firefox, or give the value in the code."


class InputNotPossible(RuntimeError):
    """input() was called where nobody can answer it."""

    __module__ = "builtins"  # so that a traceback shows its bare name


class Output:
    """What one run has written: kept for the checks, sent to the page in pieces (`emit(kind, text)`)."""

    def __init__(self, emit):
        self.emit = emit
        self.kept = []
        self.written = 0
        self.cut = False
        self.pieces = []
        self.waiting = 0
        self.at_once = LINES_AT_ONCE
        self.last = 0.0

    def write(self, kind, text):
        if self.cut:
            return
        if self.written + len(text) > OUTPUT_LIMIT:
            text = text[: OUTPUT_LIMIT - self.written]
            self.cut = True
        self.written += len(text)
        if kind == "out":
            self.kept.append(text)
        self.pieces.append((kind, text))
        self.waiting += len(text)
        if self.cut:
            self.flush()
            self.emit("cut", "")
        elif self.waiting >= BATCH_SIZE or time.monotonic() - self.last >= BATCH_SECONDS:
            self.flush()
        elif self.at_once and "\n" in text:
            self.at_once -= 1
            self.flush()

    def flush(self):
        pieces, self.pieces, self.waiting = self.pieces, [], 0
        self.last = time.monotonic()
        kind, texts = None, []
        for piece_kind, text in pieces:
            if piece_kind != kind and texts:
                self.emit(kind, "".join(texts))
                texts = []
            kind = piece_kind
            texts.append(text)
        if texts:
            self.emit(kind, "".join(texts))

    def text(self):
        return "".join(self.kept)


class Stream:
    """A stand-in for sys.stdout or sys.stderr that writes to the current run's output."""

    encoding = "utf-8"
    errors = "strict"
    closed = False

    def __init__(self, output, kind):
        self.output = output
        self.kind = kind

    def write(self, text):
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.output.write(self.kind, text)
        return len(text)

    def writelines(self, lines):
        for line in lines:
            self.write(line)

    def flush(self):
        self.output.flush()

    def isatty(self):
        return False

    def writable(self):
        return True


class Run:
    """One run from the press of the button to its last check. `ask()` gives a promise of what the student types."""

    def __init__(self, emit, ask):
        self.output = Output(emit)
        self.ask = ask
        self.inputs = []
        self.code = ""
        self.module = types.ModuleType("__main__")

    def program(self, code):
        """Run the program to its end and answer how it ended, as JSON."""
        self.code = code
        linecache.cache[FILE] = (len(code), None, code.splitlines(keepends=True), FILE)
        try:
            compiled = compile(code, FILE, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return json.dumps(self.outcome("syntax", error))
        with self.as_main():
            try:
                exec(compiled, self.module.__dict__)
            except SystemExit:
                pass
            except BaseException as error:
                return json.dumps(self.outcome("runtime", error))
            finally:
                self.output.flush()
        return json.dumps(self.outcome("ok"))

    def outcome(self, kind, error=None):
        lines = self.output.text()[:REPORT_LIMIT].splitlines()
        outcome = {"kind": kind, "inputs": self.inputs, "outputs": lines}
        return outcome | {"error": describe(error)} if error is not None else outcome

    def checks(self, on_run):
        """Run the assignment's checks against the finished program and answer their result, as JSON."""
        with self.as_main(), pedal.Checks(self.module.__dict__, self.output.text(), self.code) as checks:
            result = checks.run(on_run)
        self.output.flush()
        return json.dumps(result)

    def as_main(self):
        return Surroundings(self)

    def read_line(self, prompt=""):
        """input() for the student's program: the question is part of the output, the answer comes from the page."""
        self.output.write("out", str(prompt))
        self.output.flush()
        if not can_run_sync():
            raise InputNotPossible(NO_INPUT)
        answer = run_sync(self.ask())[:INPUT_LIMIT]
        self.inputs.append(answer)
        self.output.write("in", answer + "\n")
        self.output.flush()
        return answer


class Surroundings:
    """What a program finds around itself while it runs, put back afterwards whatever it has done to it."""

    def __init__(self, run):
        self.run = run

    def __enter__(self):
        self.before = (sys.stdout, sys.stderr, sys.modules.get("__main__"), time.sleep)
        self.builtins = dict(builtins.__dict__)
        sys.stdout, sys.stderr = Stream(self.run.output, "out"), Stream(self.run.output, "err")
        sys.modules["__main__"] = self.run.module
        builtins.input = self.run.read_line
        time.sleep = self.sleep
        return self.run

    def __exit__(self, *_):
        sys.stdout, sys.stderr, sys.modules["__main__"], time.sleep = self.before
        for name in builtins.__dict__.keys() - self.builtins.keys():
            del builtins.__dict__[name]
        builtins.__dict__.update(self.builtins)

    def sleep(self, seconds):
        self.run.output.flush()
        self.before[3](seconds)


def describe(error):
    """An error as the page shows it: class, words, line in the student's file, traceback of that file only."""
    shown = traceback.TracebackException.from_exception(error)
    only_students_frames(shown)
    return {
        "type": type(error).__name__,
        "text": getattr(error, "msg", None) or words(error),
        "line": line_of(error),
        "traceback": "".join(shown.format()).strip(),
    }


def words(error):
    try:
        return str(error).strip()
    except Exception:
        return ""


def line_of(error):
    if isinstance(error, SyntaxError) and error.filename == FILE:
        return error.lineno
    lines = [line for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == FILE]
    return lines[-1] if lines else None


def only_students_frames(shown):
    seen = []
    waiting = [shown]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        one.stack = traceback.StackSummary.from_list([frame for frame in one.stack if frame.filename == FILE])
        waiting += [one.__cause__, one.__context__]
