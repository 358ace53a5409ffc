"""What an event is before it is stored: its fields, its id, its content, and the name under which folds see it."""

import hashlib
import json
import re
import uuid
from dataclasses import dataclass, field

import orjson
from flask import current_app

NAMESPACE = uuid.UUID("6f0c0d43-2f0e-5b6c-9a53-0d5f2c1b7a11")
SYNTAX_ERRORS = {
    "SyntaxError",
    "IndentationError",
    "TabError",
    "TokenError",
    "TokenizeError",
    "ParseError",
    "ParserError",
}
_EXCEPTION = re.compile(r"\s*([A-Za-z_][\w.]*)\s*:")
# Every repetition has an end: a text of nothing but "passed" must not cost the square of its length.
_TEST_PAIR = re.compile(r"passed\D{0,80}?(\d{1,6})\s{0,9}/\s{0,9}(\d{1,6})\s{0,9}test", re.IGNORECASE)
MOST_SEARCHED = 4000
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# `Submit` and `Session.Start` are not among them: host pages send them, and they move only dates of one's own work.
SERVER_ONLY = {
    "Submission.Create",
    "assigned_changed",
    "assignment_created",
    "assignment_group_created",
    "count_recorded",
    "course_created",
    "attempt_abandoned",
    "attempt_started",
    "attempt_submitted",
    "enrollment_status_changed",
    "error_recorded",
    "help_lowered",
    "help_raised",
    "highlight_added",
    "hint_seen",
    "hint_sent",
    "participant_joined",
    "participant_left",
    "report_created",
    "report_viewed",
    "session_cancelled",
    "session_completed",
    "session_created",
    "session_opened",
    "session_started",
    "X-Submission.Get",
    "X-Submission.Status",
    "X-Submission.Update",
    "gap_recorded",
    "role_changed",
    "submission_graded",
    "user_login",
}
# Names that became the server's when logs were there already; no client's event has what it tells by them.
TOLD_BY_SERVER = {
    "assigned_changed": "assignments",
    "count_recorded": "what",
    "report_created": "report_type",
    "report_viewed": "report_type",
}
CLAIMED = "X-Claimed"
CONSOLE = "evaluations"
CONSOLE_OUTCOME = "X-Evaluate.Outcome"


@dataclass
class Event:
    """One event on its way into the log. `client_ms` is the client's clock, milliseconds since 1970.

    `timed` says that a client made it: where its clock is missing or dead, the arrival counts (domain 4).
    `code` is a whole program text; it is kept by its hash beside the log, never in it.
    """

    event_type: str
    user_id: int
    event_id: str | None = None
    actor_id: int | None = None
    submission_id: int | None = None
    assignment_id: int | None = None
    course_id: int | None = None
    client_ms: int | None = None
    timed: bool = False
    properties: dict = field(default_factory=dict)
    code: str | None = None
    session_id: str | None = None
    ip_address: str | None = None
    user_agent: str | None = None

    def content_hash(self):
        """SHA-256 of what the event says: who, what, about which work, when by the client's clock."""
        said = [self.event_type, self.user_id, self.submission_id, self.client_ms, self.properties, self.code]
        return hashlib.sha256(canonical(said)).hexdigest()


def canonical(value):
    """The same bytes for the same value, whatever the order of its keys."""
    return _CANONICAL.encode(value).encode("utf-8", "surrogatepass")


def natural_id(*parts):
    """The id of a server's event, from what makes it one of a kind: UUIDv5 of the parts.

    Its namespace is the installation's secret: nobody can send an event under an id that the server will need.
    """
    namespace = uuid.uuid5(NAMESPACE, current_app.config["SECRET_KEY"])
    return str(uuid.uuid5(namespace, canonical(parts).decode("utf-8", "surrogatepass")))


def code_state_id(code):
    """The content address of a program text: SHA-256 of its UTF-8, in hex."""
    return hashlib.sha256(code.encode()).hexdigest()


def storable(text):
    """The text with what no database takes (NUL, half a surrogate pair) replaced by U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNSTORABLE.sub("\ufffd", text)


def error_name(text):
    """The exception's name that a text begins with, as in `NameError: name 'x' is not defined`, or None."""
    match = _EXCEPTION.match(text or "")
    return match.group(1).rsplit(".", 1)[-1] if match else None


def error_kind(text):
    """`syntax` or `runtime` by the exception's name, None where the text names none (contract blockpy 3.2)."""
    name = error_name(text)
    if name is None:
        return None
    return "syntax" if name in SYNTAX_ERRORS else "runtime"


def is_outcome_of_error(event_type, properties):
    """Whether the event reports an error of a run, under either of the client's names for it."""
    category = (properties.get("category") or "").lower()
    return event_type == "Compile.Error" or (event_type == "Run.Program" and category == "programerroroutput")


def normalised_name(event_type, properties):
    """The event's name as folds see it: both dialects of the client give the same (contract blockpy 3.2).

    A syntax error is `Compile.Error`, any other error `Run.Program`; a failed console expression is neither. What a
    client delivers under a name that only the server may use is kept in the log and counts as nothing.
    """
    if properties.get("claimed") or (event_type in TOLD_BY_SERVER and TOLD_BY_SERVER[event_type] not in properties):
        return CLAIMED
    if event_type not in ("Compile.Error", "Run.Program"):
        return event_type
    if properties.get("file_path") == CONSOLE:
        return CONSOLE_OUTCOME
    kind = error_kind(properties.get("message")) if is_outcome_of_error(event_type, properties) else None
    return {"syntax": "Compile.Error", "runtime": "Run.Program", None: event_type}[kind]


@dataclass(frozen=True)
class Feedback:
    """What an `Intervention` says: which kind of error, and how many tests ran and passed."""

    syntax: bool = False
    runtime: bool = False
    tests: int = 0
    successes: int = 0

    @property
    def failed_tests(self):
        """Failed cases; a client that claims more successes than tests has none."""
        return max(self.tests - self.successes, 0)


def feedback(properties):
    """Read an `Intervention` in any dialect: JSON where there is JSON, else its category and text (blockpy 3.3)."""
    category = (properties.get("category") or "").lower()
    said = json_object(properties.get("message"))
    text = (said if said else properties).get("message")
    unit_tests = said.get("unitTests")
    tests, successes = _counts(unit_tests if isinstance(unit_tests, dict) else properties)
    pair = _test_pair(text) if isinstance(text, str) else None
    if pair:
        successes, tests = int(pair.group(1)), int(pair.group(2))
    return Feedback(
        syntax=bool(said.get("syntaxError") is True or category == "syntax"),
        runtime=bool(said.get("runtimeError") is True or category == "runtime"),
        tests=tests,
        successes=successes,
    )


def _test_pair(text):
    """Look at both ends only: a client may send a megabyte, and every fold and every room reads it."""
    return _TEST_PAIR.search(text[:MOST_SEARCHED]) or _TEST_PAIR.search(text[-MOST_SEARCHED:])


def json_object(text):
    """The JSON object that a message is, else an empty one.

    orjson, because its limit of depth is its own: the other one's depends on how deep the caller is.
    """
    try:
        value = orjson.loads(text) if text and text.lstrip().startswith("{") else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _counts(said):
    return tuple(_whole(said.get(name)) for name in ("tests", "successes"))


def _whole(value):
    """A count from a client: a whole number from 0 to a million, anything else is 0."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 8:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1_000_000 else 0
