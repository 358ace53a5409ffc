"""What a live session came to: activity, errors and progress over time, one line per learner. Read from the log."""

from models import access
from models.db import db, from_ms, iso, release, to_ms
from models.live import SessionModel
from monitoring import rows
from monitoring.repositories import sql_hint_repository as hints
from monitoring.repositories import sql_history_repository as history
from monitoring.repositories import sql_session_repository as repository
from monitoring.repositories.sql_facts_repository import load_facts

MINUTE_MS = 60_000
MOST_STEPS = 600
MOST_ERRORS = 20


def activity(session_row, minutes, *, now):
    """{user_id: [[edits, runs, failed runs], ...]} of the last minutes, the oldest first."""
    end = to_ms(now) // MINUTE_MS + 1
    since = from_ms((end - minutes) * MINUTE_MS)
    works = history.works_of(session_row.test_id, _everybody(session_row))
    told = {user_id: [[0, 0, 0] for _ in range(minutes)] for user_id in works.values()}
    for submission_id, minute, count in history.edits_by_minute(works, since=since, until=now):
        _add(told[works[submission_id]], minute - (end - minutes), (count, 0, 0))
    for submission_id, events in history.outcomes(works, since=since, until=now).items():
        for run in rows.runs_by_our_clock(events):
            place = run.at_ms // MINUTE_MS - (end - minutes)
            _add(told[works[submission_id]], place, (0, 1, int(run.failed)))
    return told


def _add(steps, place, counts):
    if 0 <= place < len(steps):
        steps[place] = [old + new for old, new in zip(steps[place], counts, strict=True)]


def _everybody(session_row):
    return sorted({*access.listed_students(session_row), *(item["student_id"] for item in session_row.participants)})


class Story:
    """One learner's part in a session: what the log says of his runs, and where his work stands."""

    def __init__(self, fact, runs, *, first_at, joined, until, claimed):
        self.fact = fact
        self.runs = runs
        self.first_at = first_at
        self.took_part = joined or first_at is not None
        work = fact.submission
        graded_at = work.date_graded or until if work and work.correct else None
        # What is solved at home the day after is not what the lesson came to.
        self.done_at = graded_at if graded_at and graded_at <= until else None
        self.is_done = self.done_at is not None
        self.score = claimed / 100 if claimed is not None else work.score if work else None

    @property
    def errors(self):
        """{exception's name: how many runs ended with it}."""
        found = {}
        for run in self.runs:
            if run.error:
                found[run.error] = found.get(run.error, 0) + 1
        return found

    def longest_failing_ms(self, until_ms):
        """The longest stretch in which no run succeeded, from its first failed run to the next good one or the end."""
        longest, began = 0, None
        for run in self.runs:
            began = run.at_ms if run.failed and began is None else began
            longest = max(longest, run.at_ms - began if began is not None else 0)
            began = None if not run.failed else began
        end_ms = min(until_ms, to_ms(self.done_at)) if self.done_at else until_ms
        return max(longest, end_ms - began) if began is not None else longest


def summary(session_row, *, now):
    """The summary of a session, meanwhile or after its end."""
    session_id = session_row.id
    since, until = session_row.started_at or session_row.scheduled_at, session_row.completed_at or now
    until = max(until, since)
    stories, edits = _stories(session_row, since, until)
    hands, told = history.hands_of(session_id), hints.counts_of_hints(session_id)
    release()
    session = repository.session_dict(db.session.get(SessionModel, session_id))
    minutes = -(-(to_ms(until) - to_ms(since)) // MINUTE_MS) + 1
    step_minutes = -(-minutes // MOST_STEPS)
    return {
        "session": session,
        "step_minutes": step_minutes,
        "minutes": _steps(stories, edits, since=since, until=until, step_ms=step_minutes * MINUTE_MS),
        "errors": _errors(stories),
        "tests": _tests(stories),
        "totals": _totals(stories, hands, hints.count_hints(session_id)),
        "students": [_line(story, edits, hands, told, to_ms(until)) for story in stories],
    }


def _stories(session_row, since, until):
    facts = load_facts(session_row, _everybody(session_row))
    works = {fact.submission.id: fact.user_id for fact in facts.values() if fact.submission}
    joined = {item["student_id"] for item in session_row.participants}
    span = {"since": since, "until": until}
    outcomes = history.outcomes(works, **span)
    first = history.first_acts(works, **span)
    claims = _claims_then(facts, until)
    edits = {}
    for submission_id, minute, count in history.edits_by_minute(works, **span):
        edits.setdefault(works[submission_id], []).append((minute * MINUTE_MS, count))
    stories = []
    for fact in facts.values():
        work_id = fact.submission and fact.submission.id
        runs = rows.runs_by_our_clock(outcomes.get(work_id, []))
        told = {"first_at": first.get(work_id), "joined": fact.user_id in joined, "until": until}
        stories.append(Story(fact, runs, **told, claimed=claims.get(work_id)))
    return sorted(stories, key=lambda story: (story.fact.name.lower(), story.fact.user_id)), edits


def _claims_then(facts, until):
    """{submission_id: percentage} of those whose score has changed since the session ended: what it was then."""
    works = [fact.submission for fact in facts.values() if fact.submission]
    later = [work.id for work in works if work.date_graded is not None and work.date_graded > until]
    return dict.fromkeys(later, 0.0) | history.best_claims(later, until=until) if later else {}


def _steps(stories, edits, *, since, until, step_ms):
    """One entry per step of time: who was active, what was done, how many have begun and are done by then."""
    start = to_ms(since) // MINUTE_MS * MINUTE_MS
    number = max(1, min(MOST_STEPS, -(-(to_ms(until) - start) // step_ms)))
    steps = [{"active": set(), "edits": 0, "runs": 0, "failed": 0} for _ in range(number)]
    for story in stories:
        _take_story(steps, story, edits.get(story.fact.user_id, []), start, step_ms)
    begun = [to_ms(story.first_at) for story in stories if story.first_at]
    done = [to_ms(story.done_at) for story in stories if story.done_at]
    told = []
    for place, step in enumerate(steps):
        end = start + (place + 1) * step_ms
        counts = {"started": sum(at < end for at in begun), "done": sum(at < end for at in done)}
        told.append({"at": iso(from_ms(end - step_ms)), **step, "active": len(step["active"]), **counts})
    return told


def _take_story(steps, story, edits, start, step_ms):
    acts = [(at_ms, {"edits": count}) for at_ms, count in edits]
    acts += [(run.at_ms, {"runs": 1, "failed": int(run.failed)}) for run in story.runs]
    for at_ms, counts in acts:
        place = (max(at_ms, start) - start) // step_ms
        if place < len(steps):
            steps[place]["active"].add(story.fact.user_id)
            for name, count in counts.items():
                steps[place][name] += count


def _errors(stories):
    """The errors that runs ended with, those of most learners first."""
    found = {}
    for story in stories:
        for name, count in story.errors.items():
            entry = found.setdefault(name, {"name": name, "runs": 0, "students": 0, "user_ids": []})
            entry["runs"] += count
            entry["students"] += 1
            entry["user_ids"].append(story.fact.user_id)
    return sorted(found.values(), key=lambda entry: (-entry["students"], -entry["runs"], entry["name"]))[:MOST_ERRORS]


def _tests(stories):
    """How many learners passed how many of the tests, at best."""
    found = {}
    for story in stories:
        best = max(((run.successes, run.tests) for run in story.runs if run.tests), default=None)
        if best:
            found[best] = found.get(best, 0) + 1
    return [{"tests": n, "successes": good, "students": count} for (good, n), count in sorted(found.items())]


def _totals(stories, hands, told):
    runs = [run for story in stories for run in story.runs]
    scores = [story.score for story in stories if story.took_part and story.score is not None]
    return {
        "expected": len(stories),
        "took_part": sum(story.took_part for story in stories),
        "done": sum(story.is_done and story.took_part for story in stories),
        "hands": sum(hands.values()),
        "hints": told,
        "runs": len(runs),
        "failed_runs": sum(run.failed for run in runs),
        "mean_score": sum(scores) / len(scores) if scores else None,
    }


def _minutes_at_work(story, edits):
    """The minutes of this session in which the learner edited or ran."""
    moments = [at_ms for at_ms, _ in edits.get(story.fact.user_id, [])] + [run.at_ms for run in story.runs]
    return {at_ms // MINUTE_MS for at_ms in moments}


def _line(story, edits, hands, told, until_ms):
    fact = story.fact
    return {
        "user_id": fact.user_id,
        "name": fact.name,
        "took_part": story.took_part,
        "done": story.is_done,
        "score": story.score,
        "runs": len(story.runs),
        "failed_runs": sum(run.failed for run in story.runs),
        "edits": sum(count for _, count in edits.get(fact.user_id, [])),
        "time_spent_seconds": 60.0 * len(_minutes_at_work(story, edits)),
        "errors": story.errors,
        "hands": hands.get(fact.user_id, 0),
        "hints": told.get(fact.user_id, 0),
        "longest_failing_seconds": story.longest_failing_ms(until_ms) / 1000,
    }
