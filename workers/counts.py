"""Jobs on counters: fold what is new, tell learners what is assigned, rebuild one submission, look for differences."""

import logging
import random
import time

import redis
from sqlalchemy import func, select

from models import assigned, projections
from models.counters import helpers
from models.course import Course
from models.db import db, release, transaction, utcnow
from models.streams import DONE, VERIFICATION, JobRun, ProjectionHead
from monitoring import rooms
from monitoring.errands import later
from workers import failures, queue
from workers.recalculation import FIRST_DIFFERENCES

log = logging.getLogger(__name__)

ASSIGNED_JOB = "workers.counts.tell_assigned"
ASSIGNS = ("assignment_created", "assignment_group_created")
PAUSE_SECONDS = 0.002
SAMPLE = 200
SAMPLED_COURSES = 20


def increment_counts():
    """Fold every stream that is behind, a batch per transaction; the rooms hear of each.

    A stream that cannot be folded is left where it is and named in the log; the others go on.
    """
    queue.woken()
    broken = set()
    while not queue.stopping() and _fold_batch(broken):
        time.sleep(PAUSE_SECONDS)
    if broken:
        raise projections.BrokenStream(f"streams that cannot be folded: user_id={sorted(broken)}")


def _fold_batch(broken):
    try:
        return projections.fold(but=broken)
    except Exception as error:
        log.error("a batch was not folded, looking for the stream that is broken\n%s", failures.told(error))
    changed = []
    for user_id in projections.users_behind(but=broken):
        try:
            changed += projections.fold(user_id=user_id)
        except Exception as error:
            log.error("user_id=%s this stream was not folded\n%s", user_id, failures.told(error))
            broken.add(user_id)
    return changed


def follow_assignments(app, events):
    """After the commit: what was made for a course becomes assigned to its learners. A sweep does it too."""
    if any(event["event_type"] in ASSIGNS for event in events):
        later(_ask_for_assigned)


def _ask_for_assigned(_items):
    if rooms().blind:
        return
    try:
        queue.enqueue_once(queue.UPKEEP, ASSIGNED_JOB)
    except redis.RedisError as error:
        log.warning("the job %s was not enqueued, the sweep will do it: %s", ASSIGNED_JOB, error)


def tell_assigned():
    """Tell each learner's stream what is assigned now; a sweep runs it too, so a lost trigger costs time only."""
    told = assigned.tell_learners()
    if told:
        log.info("learners=%s were told what is assigned", told)


def recalculate_submission_counts_from_logs(submission_id):
    """The job of S0's name: rebuild one submission's counts from the log; answers the differences found."""
    return helpers.recalculate_submission_counts_from_logs(submission_id)


def verify_sample():
    """Each night: look whether a sample of learners and courses is what the log says, and write down what is not."""
    run = JobRun(kind=VERIFICATION, scope="sample", dry_run=True, status=DONE, created_at=utcnow(), started_at=utcnow())
    people = select(ProjectionHead.user_id).where(ProjectionHead.projection == "counts")
    steps = [(projections.recalculate_learner, (key,)) for key in _some(people, SAMPLE)]
    steps += [
        (projections.recalculate_shared, ("course_counts", key)) for key in _some(select(Course.id), SAMPLED_COURSES)
    ]
    found = [difference for work, place in steps for difference in work(*place, dry_run=True)]
    run.done = run.total = len(steps)
    run.changed, run.differences, run.finished_at = len(found), found[:FIRST_DIFFERENCES], utcnow()
    with transaction() as session:
        session.add(run)
    if found:
        log.error("verify-counts: %s figures differ from the log, run_id=%s", len(found), run.id)


def _some(query, most):
    """At most so many keys of a query, by chance."""
    keys = query.subquery()
    total = db.session.scalar(select(func.count()).select_from(keys))
    chosen = db.session.scalars(
        select(keys).order_by(keys.c[0]).limit(most).offset(random.randint(0, max(total - most, 0)))
    ).all()
    release()
    return chosen
