"""What clients say, in every dialect: the text names the error, feedback is JSON or text, claims count as nothing."""

import json
import time
import uuid

import pytest
from sqlalchemy import select

from models import delivery, projections
from models.analytics_events import StudyEvent
from models.counters import AssignmentCounts, CourseCounts, SubmissionCounts, UserCounts
from models.db import db, release
from models.errors import Invalid, TooLarge
from models.events import (
    NAMESPACE,
    SERVER_ONLY,
    Event,
    canonical,
    code_state_id,
    error_kind,
    error_name,
    feedback,
    natural_id,
    normalised_name,
    storable,
)
from models.submission import Submission
from tests.factories import make_event, now_ms, payload, store, viewer

COUNTED = (UserCounts, CourseCounts, AssignmentCounts, SubmissionCounts)
NOBODYS_BUSINESS = {"actor_id": None, "session_id": None, "ip_address": None, "user_agent": None}


def fold_all():
    while projections.fold():
        pass


def counts_of(submission):
    fold_all()
    release()
    return db.session.get(SubmissionCounts, submission.id)


@pytest.mark.parametrize(
    ("text", "name", "kind"),
    [
        ("SyntaxError: bad input on line 1", "SyntaxError", "syntax"),
        ("IndentationError: unexpected indent", "IndentationError", "syntax"),
        ("TabError: inconsistent use", "TabError", "syntax"),
        ("TokenError: EOF in multi-line statement", "TokenError", "syntax"),
        ("ParseError: bad token", "ParseError", "syntax"),
        ("  \n SyntaxError : blanks around", "SyntaxError", "syntax"),
        ("builtins.SyntaxError: qualified", "SyntaxError", "syntax"),
        ("NameError: name 'x' is not defined on line 1", "NameError", "runtime"),
        ("TimeoutError: over 5 seconds", "TimeoutError", "runtime"),
        ("MyOwnError: SyntaxError: only the first word names it", "MyOwnError", "runtime"),
        ("SyntaxErrors: another name", "SyntaxErrors", "runtime"),
        ("a sentence without a name: here", None, None),
        ("SyntaxError without a colon", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
def test_the_word_before_the_first_colon_names_the_error(text, name, kind):
    found = error_name(text), error_kind(text)

    assert found == (name, kind)


ERROR_OUTPUT = {"category": "ProgramErrorOutput"}
DIALECTS = {
    "a run that ended normally": ("Run.Program", {"message": '{"inputs": [], "outputs": []}'}, "Run.Program"),
    "the new client's runtime error": ("Run.Program", {**ERROR_OUTPUT, "message": "NameError: x"}, "Run.Program"),
    "the old client's syntax error": ("Run.Program", {**ERROR_OUTPUT, "message": "SyntaxError: x"}, "Compile.Error"),
    "the new client's syntax error": ("Compile.Error", {"message": "SyntaxError: x"}, "Compile.Error"),
    "the old client's runtime error": ("Compile.Error", {"message": "NameError: x"}, "Run.Program"),
    "an error whose text names none": ("Compile.Error", {"message": "?"}, "Compile.Error"),
    "a category in other letters": (
        "Run.Program",
        {"category": "PROGRAMERROROUTPUT", "message": "SyntaxError: x"},
        "Compile.Error",
    ),
    "output that only looks like an error": ("Run.Program", {"message": "SyntaxError: x"}, "Run.Program"),
    "a failed console expression": (
        "Compile.Error",
        {"file_path": "evaluations", "message": "NameError: x"},
        "X-Evaluate.Outcome",
    ),
    "a console expression by the other name": (
        "Run.Program",
        {"file_path": "evaluations", **ERROR_OUTPUT, "message": "NameError: x"},
        "X-Evaluate.Outcome",
    ),
    "a claimed server's event": ("Submission.Create", {"claimed": True}, "X-Claimed"),
    "anything else": ("X-Rating", {"file_path": "evaluations"}, "X-Rating"),
}


@pytest.mark.parametrize(("event_type", "properties", "seen"), DIALECTS.values(), ids=DIALECTS.keys())
def test_folds_see_one_name_for_both_dialects(event_type, properties, seen):
    name = normalised_name(event_type, properties)

    assert name == seen


def said(**content):
    return json.dumps({"message": "<p>x</p>", "syntaxError": False, "runtimeError": False, **content})


PASSED = "You passed 3/4 tests"
# properties -> (syntax, runtime, failed tests)
FEEDBACKS = {
    "a category alone": ({"category": "syntax"}, (True, False, 0)),
    "a category in other letters": ({"category": "SYNTAX"}, (True, False, 0)),
    "the runtime category": ({"category": "Runtime"}, (False, True, 0)),
    "an algorithmic mistake is no error": ({"category": "algorithmic"}, (False, False, 0)),
    "JSON flags a syntax error": ({"category": "x", "message": said(syntaxError=True)}, (True, False, 0)),
    "JSON flags a runtime error": ({"category": "x", "message": said(runtimeError=True)}, (False, True, 0)),
    "only true is true": ({"message": said(syntaxError="true", runtimeError=1)}, (False, False, 0)),
    "JSON brings tests": ({"message": said(unitTests={"tests": 4, "successes": 1})}, (False, False, 3)),
    "the text's pair wins": (
        {"message": said(message=PASSED, unitTests={"tests": 9, "successes": 0})},
        (False, False, 1),
    ),
    "a pair in plain text": ({"category": "instructor", "message": "You PASSED 0 / 2 Tests."}, (False, False, 2)),
    "a pair behind HTML": ({"message": "passed <b class='x'> 1/5 tests"}, (False, False, 4)),
    "a pair of something else": ({"message": "passed 1/2 examples"}, (False, False, 0)),
    "tests as properties": ({"tests": 4, "successes": 1}, (False, False, 3)),
    "tests as texts": ({"tests": "4", "successes": "1"}, (False, False, 3)),
    "more successes than tests": ({"tests": 1, "successes": 4}, (False, False, 0)),
    "all pass": ({"tests": 4, "successes": 4}, (False, False, 0)),
    "no numbers": ({"tests": None, "successes": [1]}, (False, False, 0)),
    "a truth is no number": ({"tests": True, "successes": 0}, (False, False, 0)),
    "negative": ({"tests": -5, "successes": -9}, (False, False, 0)),
    "absurd": ({"tests": 1_000_001, "successes": 0}, (False, False, 0)),
    "broken JSON is text": ({"category": "runtime", "message": '{"message": '}, (False, True, 0)),
    "JSON that is no object is text": ({"message": "[1, 2]"}, (False, False, 0)),
    "tests that are no object": ({"message": said(unitTests=[4, 1])}, (False, False, 0)),
    "a message that is no text": ({"message": said(message=["passed 1/2 tests"])}, (False, False, 0)),
    "nothing": ({}, (False, False, 0)),
    "nulls": ({"category": None, "message": None}, (False, False, 0)),
}


@pytest.mark.parametrize(("properties", "expected"), FEEDBACKS.values(), ids=FEEDBACKS.keys())
def test_feedback_is_read_in_every_dialect(properties, expected):
    found = feedback(properties)

    assert (found.syntax, found.runtime, found.failed_tests) == expected


DEEP = 200_000
HOSTILE = {
    "deeper than any parser goes": '{"a":' * DEEP + "1" + "}" * DEEP,
    "a deep message inside": '{"message":' * 900 + "1" + "}" * 900,
    "a number with too many digits": said(unitTests={"tests": "9" * 10_000, "successes": "9" * 10_000}),
    "a bare number with too many digits": said(unitTests={"tests": 1})[:-2] + "9" * 10_000 + "}}",
    "half a surrogate pair": '{"message": "\\ud800", "syntaxError": false}',
    "not a number": '{"message": NaN}',
}


@pytest.mark.parametrize("message", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_text_of_a_client_can_stop_a_fold(message):
    found = feedback({"category": "runtime", "message": message})

    assert (found.syntax, found.runtime, found.failed_tests) == (False, True, 0)


@pytest.mark.parametrize(
    "piece", ["passed", "passed ", "passed1", "passed 1/2 ", "passed 1/", "{", "passed:" + " " * 50]
)
def test_a_megabyte_of_almost_a_result_is_read_in_a_moment(piece):
    message = piece * (delivery.MOST_MESSAGE_BYTES // len(piece))
    began = time.process_time()

    feedback({"message": message})

    assert time.process_time() - began < 5


def test_the_depth_at_which_feedback_is_called_does_not_change_what_it_reads():
    message = '{"syntaxError": true, "message": "x", "a":' + "[" * 700 + "]" * 700 + "}"

    def deeper(levels):
        return feedback({"message": message}) if levels == 0 else deeper(levels - 1)

    assert deeper(0) == deeper(600)
    assert deeper(0).syntax is True


def test_both_reports_of_one_failure_count_once_whichever_comes_first(school):
    one, other = school.submission(0), school.submission(1)
    outcome = {"event_type": "Compile.Error", "message": "SyntaxError: x"}
    told = {"event_type": "Intervention", "category": "syntax"}

    store(*(make_event(one, **what) for what in (outcome, told)))
    store(*(make_event(other, **what) for what in (told, outcome)))

    for row in (counts_of(one), counts_of(other)):
        assert (row.syntax_errors, row.runtime_errors, row.runs) == (1, 0, 0)


def test_the_larger_of_outcomes_and_feedback_is_the_number_of_errors(school):
    work = school.submission()
    runs = [make_event(work, category="ProgramErrorOutput", message="NameError: x") for _ in range(3)]
    told = [
        make_event(work, "Intervention", category="algorithmic"),
        make_event(work, "Intervention", category="syntax"),
    ]

    store(*runs, *told)

    row = counts_of(work)
    assert (row.syntax_errors, row.runtime_errors, row.runs) == (1, 3, 3)
    assert (row.runtime_outcomes, row.runtime_feedbacks, row.syntax_outcomes, row.syntax_feedbacks) == (3, 0, 0, 1)


def test_both_dialects_of_the_client_come_to_the_same_counters(school):
    new, old = school.submission(0), school.submission(1)
    start = now_ms() - 60_000
    runtime, syntax = {"message": "NameError: x"}, {"message": "SyntaxError: x"}

    store(
        make_event(new, "Run.Program", at_ms=start, category="ProgramErrorOutput", **runtime),
        make_event(new, "Compile.Error", at_ms=start + 7000, **syntax),
        make_event(new, "Run.Program", at_ms=start + 9000),
        make_event(old, "Compile.Error", at_ms=start, **runtime),
        make_event(old, "Run.Program", at_ms=start + 7000, category="ProgramErrorOutput", **syntax),
        make_event(old, "Run.Program", at_ms=start + 9000),
    )

    names = ("runs", "syntax_errors", "runtime_errors", "attempt_count", "attempt_sum_ms")
    found = [[getattr(counts_of(work), name) for name in names] for work in (new, old)]
    assert found == [[2, 1, 1, 1, 9000]] * 2


def test_a_console_expression_is_neither_a_run_nor_an_error_but_takes_time(school):
    work = school.submission()
    start = now_ms() - 60_000
    failed = {"file_path": "evaluations", "message": "NameError: x"}

    store(make_event(work, at_ms=start), make_event(work, "Compile.Error", at_ms=start + 5000, **failed))

    row = counts_of(work)
    assert (row.runs, row.runtime_errors, row.attempt_count) == (1, 0, 0)
    assert row.time_spent_ms == 5000


def test_an_echo_of_a_save_is_no_edit_and_an_empty_program_is(school):
    work = school.submission()
    echo = delivery.event_from({"event_type": "File.Edit", "label": "save", "message": ""}, NOBODYS_BUSINESS)
    emptied = delivery.event_from({"event_type": "File.Edit", "message": ""}, NOBODYS_BUSINESS)
    for event in (echo, emptied):
        event.user_id, event.submission_id = work.user_id, work.id

    store(echo, emptied)

    assert counts_of(work).edits == 1


def test_what_only_the_server_may_say_is_kept_and_counts_as_nothing(school):
    work = school.submission()
    before = everything_counted()
    claims = [payload(work, name, event_id=str(uuid.uuid4()), category="syntax") for name in sorted(SERVER_ONLY)]

    results = delivery.take_batch(viewer(school.learners[0]), claims, NOBODYS_BUSINESS)

    assert {result["status"] for result in results} == {"stored"}
    assert everything_counted() == before
    kept = select(StudyEvent.event_type).where(StudyEvent.id.in_([result["log_id"] for result in results]))
    assert set(db.session.scalars(kept)) == SERVER_ONLY


def everything_counted():
    """All numbers but those that any event moves: the time spent, and how far a row is folded."""
    fold_all()
    release()
    moving = ("folded_seq", "time_spent_ms", "estimated_time_spent", "last_event_at")
    rows = [row for table in COUNTED for row in db.session.scalars(select(table))]
    return sorted(str([(k, v) for k, v in row.as_dict().items() if k not in moving]) for row in rows)


def test_a_client_cannot_take_the_id_that_the_server_will_need(school):
    attacker, victim = school.learners[:2]
    own = school.submission(0)
    place = (school.assignment.id, school.course.id, victim.id)
    guessed = _id_by_published_source("Submission.Create", *place)
    fields = payload(own, "X-Guess", event_id=guessed)

    delivery.take_event(viewer(attacker), fields, NOBODYS_BUSINESS, endpoint="log_event")

    opened = Submission.from_assignment(school.assignment, victim.id)
    assert opened is not None
    assert opened.user_id == victim.id


def _id_by_published_source(*parts):
    """What anybody can compute who has read `models/events.py`, but not this installation's secret."""
    return str(uuid.uuid5(NAMESPACE, canonical(parts).decode()))


def test_a_natural_id_is_the_same_for_the_same_parts_only(app):
    ids = {natural_id("a", 1), natural_id("a", 1), natural_id("a", 2), natural_id("a", "1")}

    assert len(ids) == 3
    assert {uuid.UUID(one).version for one in ids} == {5}


def test_the_content_is_the_same_whatever_the_order_of_its_keys():
    one = Event("Run.Program", 1, properties={"a": 1, "b": 2})
    same = Event("Run.Program", 1, properties={"b": 2, "a": 1}, event_id="other id", session_id="other login")
    others = [
        Event("Run.Program", 2, properties={"a": 1, "b": 2}),
        Event("Submit", 1, properties={"a": 1, "b": 2}),
        Event("Run.Program", 1, properties={"a": 1, "b": 2}, client_ms=1),
        Event("Run.Program", 1, properties={"a": 1, "b": 2}, code=""),
        Event("Run.Program", 1, properties={"a": 1, "b": 2}, submission_id=1),
    ]

    hashes = [event.content_hash() for event in (one, *others)]

    assert same.content_hash() == one.content_hash()
    assert len(set(hashes)) == len(hashes)


def test_what_no_database_takes_is_replaced():
    stored = storable("a\x00b\ud800c\U0001f600")

    assert stored == "a\ufffdb\ufffdc\U0001f600"


def test_a_text_that_no_database_takes_is_stored_and_found_again(school):
    work = school.submission()
    fields = payload(work, "X-Odd", message="a\x00b\ud800", label="\x00", event_id=str(uuid.uuid4()), timezone="\x00")

    delivery.take_event(viewer(school.learners[0]), fields, NOBODYS_BUSINESS, endpoint="log_event")

    release()
    row = db.session.scalar(select(StudyEvent).where(StudyEvent.event_type == "X-Odd"))
    assert row.properties["message"] == "a\ufffdb\ufffd"


def test_code_is_kept_beside_the_log_and_messages_in_it():
    edit = delivery.event_from({"event_type": "File.Edit", "message": "print(1)"}, NOBODYS_BUSINESS)
    run = delivery.event_from({"event_type": "Run.Program", "message": "out"}, NOBODYS_BUSINESS)

    assert (edit.code, "message" in edit.properties) == ("print(1)", False)
    assert (run.code, run.properties["message"]) == (None, "out")
    assert code_state_id("é") == code_state_id("\u00e9") != code_state_id("e\u0301")


@pytest.mark.parametrize("missing", ["", "null", "undefined", "NaN", None])
def test_what_the_client_calls_nothing_is_nothing(missing):
    assert delivery.optional_int({"n": missing}, "n") is None


@pytest.mark.parametrize("wrong", ["x", "1.5", 1.5, True, [], {}, float("inf"), 2**63, "9" * 5000, "1e3"])
def test_what_is_no_whole_number_is_refused(wrong):
    with pytest.raises(Invalid):
        delivery.optional_int({"n": wrong}, "n")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"timestamp": "1700000000000"}, 1_700_000_000_000),
        ({"timestamp": "1700000000000", "occurred_at": "2024-01-15T10:30:00Z"}, 1_705_314_600_000),
        ({"occurred_at": "2024-01-15T10:30:00"}, 1_705_314_600_000),
        ({"occurred_at": "2024-01-15T11:30:00+01:00"}, 1_705_314_600_000),
        ({"timestamp": "soon"}, None),
        ({"timestamp": ""}, None),
        ({}, None),
    ],
)
def test_the_clients_clock_is_read_wherever_it_says_it(fields, expected):
    assert delivery.client_ms(fields) == expected


def test_a_message_over_a_megabyte_is_too_large():
    fields = {"event_type": "Run.Program", "message": "x" * (delivery.MOST_MESSAGE_BYTES + 1)}

    with pytest.raises(TooLarge):
        delivery.event_from(fields, NOBODYS_BUSINESS)


def test_one_wrong_event_of_a_batch_costs_the_others_nothing(school):
    work = school.submission()
    good = payload(work, event_id=str(uuid.uuid4()))
    no_ids = [[], {}, "x", None, True, 1.5, -1, 10**30, "1e3", "9" * 5000]
    wrong = [{**payload(work, event_id=str(uuid.uuid4())), "submission_id": no_id} for no_id in no_ids]
    wrong += ["no event", None, {}, {**good, "event_id": "no uuid"}, {**good, "event_id": None}]

    results = delivery.take_batch(viewer(school.learners[0]), [*wrong, good], NOBODYS_BUSINESS)

    assert [result["status"] for result in results] == ["rejected"] * len(wrong) + ["stored"]
    assert all(result["message"] for result in results[:-1])


def test_nobody_delivers_events_of_somebody_elses_work(school):
    fields = payload(school.submission(0), event_id=str(uuid.uuid4()))

    results = delivery.take_batch(viewer(school.learners[1]), [fields], NOBODYS_BUSINESS)

    assert results[0]["status"] == "rejected"


@pytest.mark.parametrize("name", ["assigned_changed", "count_recorded", "report_created", "report_viewed"])
def test_a_clients_event_under_a_name_that_became_the_servers_later_counts_as_nothing(name):
    assert normalised_name(name, {"message": "said before an update"}) == "X-Claimed"
