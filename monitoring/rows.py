"""A participant's row and the picture's totals: pure functions of what SQL and Redis know (contract monitoring 4)."""

from dataclasses import replace

from models.counters import SUBMISSION_NUMBERS as COUNTS
from models.db import from_ms, iso, to_ms
from models.events import error_name, feedback, is_outcome_of_error, normalised_name
from models.formulas import stuck
from monitoring import marks, presence

NEEDS_YOU = (stuck.STUCK, stuck.HAND)


def state_of(fact, here, *, session_row, place, is_expected, now_ms):
    """Where a participant is; `place` is his entry among the session's participants, or None."""
    return presence.state_of(
        here,
        now_ms=now_ms,
        session_status=session_row.status,
        attempt_status=fact.attempt and fact.attempt.status,
        joined=place is not None,
        last_call_ms=_since_opening(fact.last_activity, session_row),
        is_expected=is_expected,
    )


def row_of(fact, state, *, place, now_ms, since=None):
    """The whole state of one participant, without its version; runs from before `since` are another lesson's."""
    attempt, submission, counts = fact.attempt, fact.submission, fact.counts
    work = _work(fact, state, now_ms, since)
    return {
        "user_id": fact.user_id,
        "name": fact.name,
        "state": state.state,
        "since": _iso_ms(state.since_ms),
        "tabs": state.tabs,
        "attention": state.attention,
        "attention_since": _iso_ms(state.attention_since_ms),
        "work": work.state,
        "work_since": _iso_ms(work.since_ms),
        "work_reason": work.reason,
        "attempt_id": attempt and attempt.id,
        "submission_id": submission and submission.id,
        "joined_at": place and place["joined_at"],
        "last_activity": iso(fact.last_activity),
        "counts": {name: getattr(counts, name) if counts else 0 for name in COUNTS},
        "counted_seq": fact.counted_seq,
        "score": submission.score if submission else 0.0,
        "correct": bool(submission and submission.correct),
        "last_event_type": fact.last_event_type,
        "code_version": submission.version if submission else 0,
        "claimed_by": marks.claimed_by(fact.mark, fact.hand, now_ms=now_ms),
        "snoozed_until": iso(marks.snoozed_until(fact.mark, fact.hand, now_ms=now_ms)),
    }


def _since_opening(moment, session_row):
    """What was done on the exercise before the session was planned does not make a learner present in it."""
    if moment is None or moment < session_row.scheduled_at:
        return None
    return to_ms(moment)


def _iso_ms(moment_ms):
    return iso(from_ms(moment_ms))


def _work(fact, state, now_ms, since):
    """A hand that is up comes first: it is what the learner himself says."""
    if fact.hand is not None and state.state != presence.REMOVED:
        return stuck.Work(stuck.HAND, to_ms(fact.hand.raised_at), fact.hand.message or None)
    submission = fact.submission
    if fact.runs is None:
        # Read once for facts that are looked at ten times a second: the feedback in them is JSON.
        fact.runs = runs_by_our_clock([event for event in fact.outcomes if since is None or event.created_at >= since])
        fact.signs = stuck.signs_of(fact.steps, fact.runs)
        # A message may have a megabyte: what was worked out of them is all that a room keeps.
        fact.outcomes = fact.steps = ()
    return stuck.work_of(
        fact.runs,
        solved=bool(submission and submission.correct),
        solved_ms=presence.moment_ms(submission.date_graded) if submission else None,
        active=state.attention == presence.ACTIVE,
        signs=fact.signs,
        usual_ms=fact.usual_ms,
        now_ms=now_ms,
    )


def runs_of(events):
    """The runs that a learner's outcomes and feedback come to, in order of the client's clock."""
    runs = []
    for event in sorted(events, key=lambda e: to_ms(e.occurred_at or e.created_at)):
        name = normalised_name(event.event_type, event.properties)
        at_ms = to_ms(event.occurred_at or event.created_at)
        if name in ("Run.Program", "Compile.Error"):
            failed = is_outcome_of_error(event.event_type, event.properties)
            # Where the text names no exception it failed all the same, by an error of no class.
            runs.append(stuck.Run(at_ms, error_name(event.properties.get("message")) or "" if failed else None))
        elif name == "Intervention" and runs:
            said = feedback(event.properties)
            runs[-1].tests, runs[-1].successes = said.tests, said.successes
    return runs


def runs_by_our_clock(events):
    """The same, moved to the server's clock: an hour slow is not an hour stuck."""
    late_ms = stuck.late_by_ms((to_ms(e.occurred_at or e.created_at), to_ms(e.created_at)) for e in events)
    return [replace(run, at_ms=run.at_ms + late_ms) for run in runs_of(events)]


def needs_you(row):
    """Whether the teacher should come: stuck, a hand up, or lost before the work was done; not while it was put off."""
    if row["snoozed_until"] is not None:
        return False
    return row["work"] in NEEDS_YOU or (row["state"] == presence.LOST and row["work"] != stuck.DONE)


def totals(rows):
    """What the head of the room says, from its rows."""
    rows = list(rows)
    scores = [row["score"] for row in rows if row["submission_id"] is not None]
    return {
        "expected": len(rows),
        "here": sum(row["state"] in (presence.CONNECTED, presence.UNSTABLE) for row in rows),
        "needs_you": sum(needs_you(row) for row in rows),
        "by_state": _tally(rows, "state"),
        "by_work": _tally(rows, "work"),
        "mean_score": sum(scores) / len(scores) if scores else None,
    }


def _tally(rows, key):
    found = {}
    for row in rows:
        found[row[key]] = found.get(row[key], 0) + 1
    return found
