"""The checks of an assignment: what its on_run script may call, and the result it adds up to (module name `pedal`)."""

import ast
import builtins
import io
import sys

from pedal_values import (
    DELTA,
    SCRIPT,
    STUDENT_FILE,
    answers,
    clip,
    error_words,
    lines_of,
    own_copy,
    same,
    shown,
    where,
    words,
)

MISSING = object()

__all__ = [
    "assert_equal",
    "assert_false",
    "assert_has_function",
    "assert_has_variable",
    "assert_in",
    "assert_is_instance",
    "assert_not_equal",
    "assert_not_in",
    "assert_output",
    "assert_output_contains",
    "assert_output_lines",
    "assert_raises",
    "assert_true",
    "call",
    "compliment",
    "ensure_ast",
    "ensure_function",
    "ensure_function_call",
    "ensure_import",
    "ensure_variable",
    "evaluate",
    "explain",
    "gently",
    "get_output",
    "get_program",
    "prevent_ast",
    "prevent_function_call",
    "prevent_import",
    "run",
    "set_success",
    "student",
    "suppress",
    "unit_test",
]

now = None  # the Checks that are being run


class Failure:
    """What a call gave when the student's code failed in it. Every check that receives it fails with its words."""

    def __init__(self, text):
        self.text = text

    def __repr__(self):
        return self.text

    def __bool__(self):
        return False


class Student:
    """The finished program: its names by `student["x"]` or `student.data`, what it printed by `student.output`."""

    @property
    def data(self):
        return now.namespace

    @property
    def output(self):
        return lines_of(now.output)

    def __getitem__(self, name):
        return now.namespace[name]

    def __contains__(self, name):
        return name in now.namespace


student = Student()


class Checks:
    """One run of the checks: collects their results and adds them up."""

    def __init__(self, namespace, output, code):
        self.namespace = namespace
        self.output = output
        self.code = code
        self.results = []
        self.messages = []
        self.calls = []
        self.printed = ""
        self.unseen = []
        self.solved = False

    def __enter__(self):
        global now
        now = self
        return self

    def __exit__(self, *_):
        global now
        now = None

    def run(self, script):
        """Execute the script. Its own crash is told under `crash`; one caused by student code is a failed check."""
        try:
            exec(compile(script, SCRIPT, "exec", dont_inherit=True), {"__name__": "on_run"})
        except SystemExit:
            pass
        except AssertionError as error:
            self.add(words(error) or "an assertion", False)
        except BaseException as error:
            if not self.unseen:
                return self.summary() | {"crash": where(error)}
            name, failure = self.unseen[0]
            self.add(name, False, got=failure.text)
        return self.summary()

    def add(self, name, passed, *, expected="", got="", message=""):
        result = {"name": name, "passed": bool(passed), "expected": expected, "got": got, "message": message}
        self.results.append(result)
        self.calls, self.printed, self.unseen = [], "", []
        return result["passed"]

    def say(self, kind, message):
        self.messages.append({"kind": kind, "message": str(message)})

    def name(self, fallback):
        """The calls made since the last check are what the next one is about."""
        return ", ".join(self.calls) or fallback

    def output_now(self):
        """What those calls printed, else what the program printed."""
        return self.printed or self.output

    def summary(self):
        tests = len(self.results)
        successes = sum(result["passed"] for result in self.results)
        refused = any(message["kind"] == "advice" for message in self.messages)
        success = successes == tests and not refused and (tests > 0 or self.solved)
        score = 1.0 if success else successes / tests if tests else 0.0
        return {
            "tests": tests,
            "successes": successes,
            "results": self.results,
            "messages": self.messages,
            "success": success,
            "score": score,
        }


# What a script asks of the program


def call(name, *args, **kwargs):
    """Call a function of the program. What it prints is not shown; an error in it becomes a Failure."""
    label = f"{name}({', '.join([shown(a) for a in args] + [f'{k}={shown(v)}' for k, v in kwargs.items()])})"
    now.calls.append(label)
    function = now.namespace.get(name, MISSING)
    if function is MISSING:
        return failed(label, f"there is no function named {name}")
    if not callable(function):
        return failed(label, f"{name} is not a function")
    printed = io.StringIO()
    outcome = guarded(label, lambda: function(*own_copy(args), **own_copy(kwargs)), printed=printed)
    now.printed += printed.getvalue()
    return outcome


def evaluate(expression):
    """The value of an expression among the program's names."""
    label = expression.strip()
    now.calls.append(label)
    return guarded(label, lambda: eval(compile(label, SCRIPT, "eval"), now.namespace))


def run(code="", input=()):
    """Run the program (or other code) again, with the given answers for input(); answers what it printed."""
    label = "the program" + (f" with input {', '.join(map(shown, answers(input)))}" if input else "")
    now.calls.append(label)
    printed = io.StringIO()
    source = compile(code or now.code, STUDENT_FILE, "exec", dont_inherit=True)
    namespace = {"__name__": "__main__"}
    outcome = guarded(label, lambda: exec(source, namespace), printed=printed, replies=answers(input))
    if isinstance(outcome, Failure):
        return outcome
    now.namespace.update({name: value for name, value in namespace.items() if not name.startswith("__")})
    now.output = printed.getvalue()
    return student


def get_output():
    return lines_of(now.output_now())


def get_program():
    return now.code


def guarded(label, action, *, printed=None, replies=()):
    """Do something with student code: quietly, with `replies` for input(), and never letting its error out."""
    before = sys.stdout, builtins.input
    waiting = list(replies)

    def reply(prompt=""):
        if not waiting:
            raise EOFError("input() was called, but this check gives it nothing to read")
        return str(waiting.pop(0))

    sys.stdout, builtins.input = printed if printed is not None else io.StringIO(), reply
    try:
        return action()
    except SystemExit:
        return failed(label, "the program ended itself with exit()")
    except BaseException as error:
        return failed(label, error_words(error))
    finally:
        sys.stdout, builtins.input = before


def failed(label, text):
    failure = Failure(text)
    now.unseen.append((label, failure))
    return failure


# Checks


def unit_test(name, *cases):
    """Each case is (arguments, expected): `unit_test("add", ((1, 2), 3), ((0, 0), 0))`."""
    passed = [
        assert_equal(call(name, *(args if isinstance(args, (tuple, list)) else (args,))), expected)
        for args, expected in cases
    ]
    return all(passed)


def assert_equal(left, right, *, delta=DELTA, message=""):
    return compare(left, right, lambda: same(left, right, delta), shown(right), message)


def assert_not_equal(left, right, *, delta=DELTA, message=""):
    return compare(left, right, lambda: not same(left, right, delta), f"anything but {shown(right)}", message)


def assert_true(value, *, message=""):
    return compare(value, True, lambda: bool(value), "True", message)


def assert_false(value, *, message=""):
    return compare(value, False, lambda: not value, "False", message)


def assert_in(needle, haystack, *, message=""):
    return compare(needle, haystack, lambda: needle in haystack, f"one of {shown(haystack)}", message)


def assert_not_in(needle, haystack, *, message=""):
    return compare(needle, haystack, lambda: needle not in haystack, f"none of {shown(haystack)}", message)


def assert_is_instance(value, kind, *, message=""):
    names = " or ".join(one.__name__ for one in (kind if isinstance(kind, tuple) else (kind,)))
    return compare(value, kind, lambda: isinstance(value, kind), f"a value of type {names}", message)


def assert_raises(kind, name, *args, message=""):
    """The program's function raises this class of error (given as a class or by its name)."""
    wanted = getattr(kind, "__name__", str(kind))
    outcome = call(name, *args)
    got = outcome.text if isinstance(outcome, Failure) else f"no error, but {shown(outcome)}"
    return now.add(now.name(name), got.split(":")[0] == wanted, expected=wanted, got=got, message=message)


def assert_output(of, text, *, message=""):
    """The program printed exactly this; blanks at the ends of lines and empty lines at the end do not matter."""
    return check_output(of, text, lambda printed, wanted: printed == wanted, "", message)


def assert_output_contains(of, text, *, message=""):
    def contains(printed, wanted):
        return "\n".join(wanted) in "\n".join(printed)

    return check_output(of, text, contains, "containing: ", message)


def assert_output_lines(of, count, *, message=""):
    printed = lines_of(now.output_now())
    return now.add(
        now.name("what the program prints"),
        len(printed) == count,
        expected=f"{count} lines",
        got=f"{len(printed)} lines",
        message=message,
    )


def ensure_function(name, arity=None, *, message=""):
    """The program defines this function (with so many parameters)."""
    function = now.namespace.get(name, MISSING)
    wanted = f"a function named {name}" + (f" with {arity} parameters" if arity is not None else "")
    if function is MISSING or not callable(function):
        got = "nothing with that name" if function is MISSING else f"{name} is {shown(function)}"
        return now.add(f"the function {name}", False, expected=wanted, got=got, message=message)
    count = getattr(getattr(function, "__code__", None), "co_argcount", arity)
    fits = arity is None or count == arity
    return now.add(f"the function {name}", fits, expected=wanted, got=f"{count} parameters", message=message)


def ensure_variable(name, value=MISSING, *, message=""):
    """The program has this variable at its end (with this value)."""
    got = now.namespace.get(name, MISSING)
    fits = got is not MISSING and (value is MISSING or same(got, value, DELTA))
    expected = f"a variable named {name}" if value is MISSING else shown(value)
    return now.add(
        f"the variable {name}",
        fits,
        expected=expected,
        got="nothing with that name" if got is MISSING else shown(got),
        message=message,
    )


def ensure_function_call(name, *, message=""):
    return source_check(f"a call of {name}", calls_of(name), True, message)


def prevent_function_call(name, *, message=""):
    return source_check(f"a call of {name}", calls_of(name), False, message)


def ensure_import(name, *, message=""):
    return source_check(f"an import of {name}", imports_of(name), True, message)


def prevent_import(name, *, message=""):
    return source_check(f"an import of {name}", imports_of(name), False, message)


def ensure_ast(name, *, message=""):
    """The program uses this construct, by the name of its `ast` class: "For", "While", "If"."""
    return source_check(f"the construct {name}", nodes_of(name), True, message)


def prevent_ast(name, *, message=""):
    return source_check(f"the construct {name}", nodes_of(name), False, message)


assert_has_function = ensure_function
assert_has_variable = ensure_variable


# Words to the student


def gently(message, **_):
    """Advice: something is still to be done."""
    now.say("advice", message)


def explain(message, **_):
    now.say("advice", message)


def compliment(message, **_):
    now.say("praise", message)


def set_success(*_, **__):
    """Done, unless a check has failed or advice was given."""
    now.solved = True


def suppress(*_, **__):
    """Accepted and without effect."""


# How a check is decided


def compare(left, right, test, expected, message):
    name = now.name(shown(left))
    for side in (left, right):
        if isinstance(side, Failure):
            return now.add(name, False, expected=expected if side is left else "", got=side.text, message=message)
    try:
        passed, got = test(), shown(left)
    except Exception as error:
        passed, got = False, f"{shown(left)} ({error_words(error)})"
    return now.add(name, passed, expected=expected, got=got, message=message)


def check_output(of, text, test, prefix, message):
    name, wanted = now.name("what the program prints"), lines_of(str(text))
    if isinstance(of, Failure):
        return now.add(name, False, expected=prefix + clip(str(text)), got=of.text, message=message)
    printed = lines_of(now.output_now())
    return now.add(
        name,
        test(printed, wanted),
        expected=prefix + clip("\n".join(wanted)),
        got=clip("\n".join(printed)) or "(nothing printed)",
        message=message,
    )


def source_check(what, nodes, wanted, message):
    return now.add(
        f"{'uses' if wanted else 'does without'} {what}",
        bool(nodes) == wanted,
        expected=what if wanted else f"no {what.removeprefix('a ').removeprefix('an ')}",
        got=f"line {nodes[0].lineno}" if nodes else "not in the program",
        message=message,
    )


def calls_of(name):
    def called(node):
        return getattr(node.func, "id", getattr(node.func, "attr", None))

    return [node for node in ast.walk(ast.parse(now.code)) if isinstance(node, ast.Call) and called(node) == name]


def imports_of(name):
    tree = ast.walk(ast.parse(now.code))
    return [
        node
        for node in tree
        if (isinstance(node, ast.Import) and any(alias.name.split(".")[0] == name for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == name)
    ]


def nodes_of(name):
    return [node for node in ast.walk(ast.parse(now.code)) if type(node).__name__ == name and hasattr(node, "lineno")]
