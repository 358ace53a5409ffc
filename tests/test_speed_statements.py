"""What an event costs does not grow with the log: the statements of the hot path are counted."""

import contextlib
import uuid

import pytest
from sqlalchemy import event

from models import ingest
from models.db import db
from tests.factories import make_event, payload, store

LONG_LOG = 10_000
MOST_STATEMENTS = 12


@contextlib.contextmanager
def statements():
    """The statements that reach the database meanwhile; one that takes many rows is one."""
    said = []

    def hear(connection, cursor, statement, parameters, context, executemany):
        said.append(statement)

    event.listen(db.engine, "before_cursor_execute", hear)
    try:
        yield said
    finally:
        event.remove(db.engine, "before_cursor_execute", hear)


def fill(work):
    """Many events of one learner, as his client sends them."""
    for _ in range(LONG_LOG // ingest.MOST_EVENTS):
        store(*(make_event(work) for _ in range(ingest.MOST_EVENTS)))


def test_an_event_over_http_costs_the_same_statements_in_a_short_and_in_a_long_log(as_, school):
    work, caller = school.submission(), as_(school.learners[0])

    def post():
        with statements() as said:
            answer = caller.post("/blockpy/log_event", data=payload(work, event_id=str(uuid.uuid4())))
        assert answer.json["success"]
        return said

    post()
    in_a_short_log = post()
    fill(work)
    post()
    in_a_long_log = post()

    assert in_a_long_log == in_a_short_log
    assert len(in_a_short_log) <= MOST_STATEMENTS


def test_what_is_asked_for_each_event_is_not_read_again_for_the_next(as_, school):
    work, caller = school.submission(), as_(school.learners[0])
    caller.post("/blockpy/log_event", data=payload(work))

    with statements() as said:
        caller.post("/blockpy/log_event", data=payload(work, message="another"))

    assert [statement for statement in said if "users" in statement or "api_tokens" in statement] == []


@pytest.mark.parametrize("count", [10, 500])
def test_a_batch_costs_the_same_statements_however_many_events_it_has(school, count):
    work = school.submission()
    store(make_event(work))
    with statements() as for_one:
        store(make_event(work))

    with statements() as for_many:
        store(*(make_event(work) for _ in range(count)))

    assert len(for_many) == len(for_one) <= MOST_STATEMENTS


def test_a_retry_costs_one_statement_more_and_no_writing(school):
    again = make_event(school.submission())
    store(again)

    with statements() as said:
        store(again)

    assert [statement for statement in said if "study_events" in statement and "INSERT" in statement] == []
    assert len(said) <= MOST_STATEMENTS
