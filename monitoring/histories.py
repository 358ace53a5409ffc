"""One learner's work as a teacher scrubs through it: what happened, the program at each moment, the last run."""

from models.db import iso
from models.errors import Invalid, NotFound
from models.events import error_name, feedback, is_outcome_of_error, json_object, normalised_name
from monitoring.repositories import sql_history_repository as repository

MOST_CODES = 50
MOST_TEXT = 4000


def history(submission_id):
    """The newest events of a learner's work, oldest first, each with its run and its tests where it has them."""
    return [_item(event) for event in repository.history(submission_id)][::-1]


def _item(event):
    told = event.properties
    name = normalised_name(event.event_type, told)
    said = feedback(told) if name == "Intervention" else None
    return {
        "seq": event.user_seq,
        "at": iso(event.occurred_at or event.created_at),
        "event_type": event.event_type,
        "code_state_id": told.get("code_state_id"),
        "run": _run(event, told) if name in ("Run.Program", "Compile.Error") else None,
        "tests": {"tests": said.tests, "successes": said.successes} if said and said.tests else None,
    }


def _run(event, told):
    failed = is_outcome_of_error(event.event_type, told)
    message = told.get("message") or ""
    return {"ok": not failed, "error": error_name(message) if failed else None, "text": _text(message, failed)}


def _text(message, failed):
    """What the program printed, or its error. Our own client sends its outputs in JSON, others as they are."""
    outputs = None if failed else json_object(message).get("outputs")
    if isinstance(outputs, list):
        message = "\n".join(map(str, outputs))
    elif outputs is not None:
        message = str(outputs)
    return message[:MOST_TEXT]


def last_run(submission_id):
    """The last run of a work: when, whether it succeeded, its error and its text; or None."""
    runs = [item for item in map(_item, repository.last_outcomes(submission_id)) if item["run"]]
    return {"at": runs[0]["at"], **runs[0]["run"]} if runs else None


def codes(submission_id, ids):
    """The program texts with these ids, which must be of this work. Raises `Invalid` for too many, else `NotFound`."""
    if not 1 <= len(ids) <= MOST_CODES:
        raise Invalid(f"ids are 1 to {MOST_CODES} ids of program texts.", field="ids")
    if not set(ids) <= repository.code_states_among(submission_id, ids):
        raise NotFound("There is no such program text.")
    found = repository.codes(ids)
    return [{"code_state_id": code_state_id, "code": found[code_state_id]} for code_state_id in ids]
