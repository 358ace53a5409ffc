"""What simulated students write: `total(numbers)`, right and with the mistakes of beginners, word by word.

How a draft ends is written beside it and never found out by running it, since a program of the server's is not ours.
"""

from dataclasses import dataclass, replace

CASES = 4
RIGHT = """\
def total(numbers):
    {sum} = 0
    for {each} in numbers:
        {sum} = {sum} + {each}
    return {sum}


print(total([1, 2, 3]))
"""
NAMES = (
    ("result", "number"),
    ("result", "n"),
    ("result", "value"),
    ("result", "x"),
    ("answer", "number"),
    ("answer", "item"),
    ("total_so_far", "number"),
)
COMMENTS = (
    "# 1 + 2 + 3 = 6",
    "# does it work?",
    "# what about an empty list?",
    "# try it with [5]",
    "# read the exercise again",
    "# ask my neighbour",
)


@dataclass(frozen=True)
class Draft:
    """A program that gets run: its text, what it prints, its error's text if it fails, how many tests pass."""

    code: str
    output: str = ""
    error: str = ""
    is_syntax: bool = False
    passed: int = 0

    @property
    def is_right(self):
        """Whether every test passes."""
        return self.passed == CASES

    def noted(self, comment):
        """The same program with a comment at its end, which changes nothing."""
        return replace(self, code=f"{self.code}{comment}\n")

    def tried(self, numbers):
        """A right program that also prints the total of other numbers."""
        output = f"{self.output}\n{sum(numbers)}"
        return replace(self, code=f"{self.code}print(total({numbers}))\n", output=output)


def right(names):
    """The program as it should be."""
    return Draft(_text(names), output="6", passed=CASES)


def wrong_result(names, rng):
    """A program that runs, and does something else."""
    adds = "{sum} = {sum} + {each}"
    return rng.choice(
        (
            Draft(_text(names, adds, "{sum} = {each}"), output="3", passed=3),
            Draft(_text(names, "    return", "        return"), output="1", passed=1),
            Draft(_text(names, "return {sum}", "print({sum})"), output="6\nNone"),
            Draft(_text(names, "= 0", "= 1"), output="7"),
        )
    )


def wrong_syntax(names):
    """Three programs that Python does not read."""
    yield _failing(names, "in numbers:", "in numbers", error="SyntaxError: expected ':'", is_syntax=True)
    no_indent = "IndentationError: expected an indented block after 'for' statement on line 3"
    yield _failing(names, "        {sum} = {sum}", "    {sum} = {sum}", error=no_indent, is_syntax=True)
    yield _failing(names, "3]))", "3])", error="SyntaxError: '(' was never closed", is_syntax=True)


def wrong_type(names):
    """A sum that begins as a text."""
    code = _text(names, "= 0", '= ""')
    error = 'TypeError: can only concatenate str (not "int") to str'
    return Draft(code, error=f"{error} on line {_line_of(code, ' + ')}")


def wrong_name(names):
    """The sum's name with two letters exchanged."""
    name = names[0]
    misspelt = f"{name[:-2]}{name[-1]}{name[-2]}"
    error = f"NameError: name '{misspelt}' is not defined"
    return _failing(names, "= {sum} + {each}", f"= {misspelt} + {{each}}", error=error)


def _failing(names, old, new, *, error, is_syntax=False):
    code = _text(names, old, new)
    line = _line_of(code, new.format(sum=names[0], each=names[1]))
    return Draft(code, error=f"{error} on line {line}", is_syntax=is_syntax)


def _text(names, old="", new=""):
    return RIGHT.replace(old, new).format(sum=names[0], each=names[1])


def _line_of(code, part):
    """The last line, from 1, that a part of the program ends on."""
    return code.count("\n", 0, code.rindex(part) + len(part)) + 1


def typing(before, after, rng, letters):
    """The texts between two texts as somebody types: what goes is deleted at once, what comes grows word by word.

    `letters` is (fewest, most) for one step. The last text is `after`; there are none when nothing changes.
    """
    start, end = _common(before, after)
    head, tail = after[:start], after[len(after) - end :]
    if len(before) > start + end:
        yield head + tail
    written, wanted = start, len(after) - end
    while written < wanted:
        written = min(_word_end(after, written + rng.randint(*letters)), wanted)
        yield after[:written] + tail


def _common(before, after):
    """How many letters two texts share at their beginning and, of the rest, at their end."""
    most = min(len(before), len(after))
    start = next((i for i in range(most) if before[i] != after[i]), most)
    rest = most - start
    end = next((i for i in range(rest) if before[-1 - i] != after[-1 - i]), rest)
    return start, end


def _word_end(text, position):
    while position < len(text) and text[position].isalnum():
        position += 1
    return position
