"""What holds of the whole database at rest, asked in SQL of its own, beside the program's own recalculation."""

from tests.clients import eventually
from tests.faults.load import query

COUNTED_SECONDS = 60
ENDED_SECONDS = 150

BEHIND = (
    "SELECT projection, user_id FROM projection_heads JOIN user_streams USING (user_id) WHERE folded_seq < last_seq"
)
# A run whose worker was killed may be left to the one of the same scope that was waiting already.
UNENDED = """
    SELECT id, scope, scope_id, status, error FROM job_runs AS run WHERE kind = 'recalculation' AND status <> 'done'
    AND NOT (status = 'failed' AND EXISTS (SELECT 1 FROM job_runs AS next WHERE next.id > run.id
        AND next.kind = run.kind AND next.scope = run.scope AND coalesce(next.scope_id, 0) = coalesce(run.scope_id, 0)
        AND next.dry_run = run.dry_run AND next.status = 'done'))"""
NOTHING_OF = {
    # They mend what they find, so that nothing else here would see it.
    "recalculations under load that found a difference": "SELECT id, scope, changed FROM job_runs WHERE changed <> 0",
    "streams with a gap": """
        SELECT user_id FROM study_events GROUP BY user_id
        HAVING min(user_seq) <> 1 OR max(user_seq) <> count(*) OR count(DISTINCT user_seq) <> count(*)""",
    "streams that end elsewhere than their events": """
        SELECT user_streams.user_id FROM user_streams
        LEFT JOIN (SELECT user_id, max(user_seq) AS newest FROM study_events GROUP BY user_id) AS log
        ON log.user_id = user_streams.user_id WHERE last_seq <> coalesce(newest, 0)""",
    "events that are in the log twice": "SELECT event_id FROM study_events GROUP BY event_id HAVING count(*) > 1",
    "events without a key": """
        SELECT log.event_id FROM study_events AS log LEFT JOIN event_keys AS keys
        ON keys.event_id = log.event_id AND keys.user_id = log.user_id AND keys.user_seq = log.user_seq
        WHERE keys.event_id IS NULL""",
    "keys without an event": """
        SELECT keys.event_id FROM event_keys AS keys LEFT JOIN study_events AS log
        ON keys.event_id = log.event_id AND keys.user_id = log.user_id AND keys.user_seq = log.user_seq
        WHERE log.event_id IS NULL""",
    "submissions whose counts are not those of the log": """
        SELECT submission_id, counted.runs, log.runs, counted.edits, log.edits FROM submission_counts AS counted
        JOIN (SELECT submission_id, sum(CASE event_type WHEN 'Run.Program' THEN 1 ELSE 0 END) AS runs,
            sum(CASE event_type WHEN 'File.Edit' THEN 1 ELSE 0 END) AS edits FROM study_events
            WHERE submission_id IS NOT NULL GROUP BY submission_id) AS log USING (submission_id)
        WHERE counted.runs <> log.runs OR counted.edits <> log.edits""",
    "assignments whose gaps are not those of their submissions": """
        SELECT assignment_id FROM assignment_counts JOIN (SELECT assignment_id, sum(edit_count) AS edits,
            sum(edit_sum_ms) AS edit_ms, sum(attempt_count) AS attempts, sum(attempt_sum_ms) AS attempt_ms
            FROM submission_counts JOIN submissions ON submissions.id = submission_id GROUP BY assignment_id) AS works
        USING (assignment_id) WHERE edit_count <> edits OR attempt_count <> attempts
        OR edit_sum_ms <> edit_ms OR attempt_sum_ms <> attempt_ms""",
}


def until_counted(house):
    """Wait until what is in the log now is counted; more may come meanwhile."""
    ends = query(house, "SELECT user_id, last_seq FROM user_streams")
    late = "SELECT 1 FROM projection_heads WHERE user_id = :user_id AND folded_seq < :end"

    def counted():
        while ends and not query(house, late, user_id=ends[-1][0], end=ends[-1][1]):
            ends.pop()
        return not ends

    eventually(counted, COUNTED_SECONDS, "what is stored is counted")


def check_log_and_counts(house):
    """Nothing is behind after a while; then streams, keys and counts agree with the log."""
    eventually(lambda: not query(house, BEHIND), COUNTED_SECONDS, "everything counted")
    assert {what: rows for what, text in NOTHING_OF.items() if (rows := query(house, text))} == {}


def check_recalculations(house):
    """All that were asked for end by themselves as done, and a look at everything finds no difference."""
    eventually(lambda: not query(house, UNENDED), ENDED_SECONDS, lambda: f"ended: {query(house, UNENDED)}")
    run = house.admin.recalculate(scope="all", dry_run=True)
    assert (run["status"], run["differences"]) == ("done", [])
