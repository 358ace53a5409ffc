"""A live session under a fault: its learners, their tabs, who watches, and what must hold when the fault is over."""

import time

from tests.clients import eventually
from tests.faults.checking import check_log_and_counts
from tests.faults.crowd import Crowd
from tests.faults.load import Writer, check_written, query
from tests.faults.school import make_learners, make_session
from tests.faults.truth import Truth

# The contract says 5 s; a machine with two cores that carries all of it at once gets some more.
RECOVER_SECONDS = 12
FLUSH_SECONDS = 30

IN_LOG = """
    SELECT submissions.user_id, sum(CASE event_type WHEN 'Run.Program' THEN 1 ELSE 0 END),
        sum(CASE event_type WHEN 'File.Edit' THEN 1 ELSE 0 END), max(user_seq)
    FROM study_events JOIN submissions ON submissions.id = submission_id
    WHERE submissions.assignment_id = :assignment_id GROUP BY submissions.user_id"""


class Room:
    """One session with all that is known about it outside the server."""

    def __init__(self, house, number):
        self.house = house
        self.truth = Truth()
        self.crowd = Crowd(self.truth)
        self.assignment_id = house.exercise()
        self.pupils = make_learners(house, number)
        self.session_id = make_session(house, self.pupils, self.assignment_id)
        self.watchers = []
        self.writers = []

    def tab(self, pupil, *, url=None):
        """A tab of a learner."""
        return self.crowd.tab(pupil, self.session_id, url=url)

    def tabs(self, *, urls=None, each=1):
        """Tabs for everybody, at these addresses by turns."""
        urls = urls or [self.house.url]
        return [
            self.tab(pupil, url=urls[(number + index) % len(urls)])
            for number in range(each)
            for index, pupil in enumerate(self.pupils)
        ]

    def caller(self, pupil, *, pause_seconds=0.5):
        """A learner who works over HTTP, to be given to `load.writing`."""
        made = Caller(pupil, self.truth, pause_seconds)
        self.writers.append(made)
        return made

    def watch(self, *, url=None, person=None):
        """A page on this session."""
        watcher = self.house.watcher(self.session_id, url=url, person=person)
        self.watchers.append(watcher)
        return watcher

    def until_joined(self, tabs, seconds=20):
        """All of these are in, and every page shows it."""
        eventually(lambda: all(tab.joined for tab in tabs), seconds, lambda: f"joined: {_absent(tabs)}")
        for watcher in self.watchers:
            watcher.until(lambda w=watcher: self.shows_the_lines(w), seconds, "all lines are shown")

    def shows_the_lines(self, watcher):
        """Whether a page shows as many tabs of each learner as there are, and nobody as gone who has one."""
        rows = watcher.rows
        return all(
            rows[pupil.user_id]["tabs"] == lines and (rows[pupil.user_id]["state"] == "CONNECTED" or not lines)
            for pupil in self.pupils
            for lines in [self.truth.lines(pupil.user_id)]
        )

    def check(self, *, ended=None):
        """What holds after any fault: invariants 1 to 3 of the contract, and no false LOST. Prints how long it took.

        `ended` is when (monotonic) the fault was over.
        """
        began = ended or time.monotonic()
        for watcher in self.watchers:
            self.until_fresh(watcher, RECOVER_SECONDS)
        took = time.monotonic() - began
        print(f"every picture is fresh {took:.1f} s after the end of the fault")
        self.until_sent()
        self._check_log()
        for watcher in self.watchers:
            self.until_fresh(watcher, RECOVER_SECONDS)
            self._check_counts(watcher)
        self._check_agreement()
        assert [watcher.violations for watcher in self.watchers] == [[]] * len(self.watchers)
        assert self.truth.false_losses(*self.watchers) == []

    def until_fresh(self, watcher, seconds):
        """The page shows what a fresh snapshot shows, from the process that it is connected to."""
        watcher.until_same_as(_Whoever(self.staff(), watcher), seconds)

    def staff(self):
        """The teacher, once for each web process that runs."""
        webs = [name for name in self.house.installation.running if name.startswith("web")]
        return [self.house.teacher_at(self.house.installation.url_of(name)) for name in sorted(webs)]

    def until_sent(self):
        """Nothing waits in a tab: what was done offline has been acknowledged."""
        waiting = [tab for tab in self.crowd.tabs if tab.outbox and tab.wanted]
        eventually(lambda: not any(tab.outbox for tab in waiting), FLUSH_SECONDS, "all is sent")

    def _check_log(self):
        check_log_and_counts(self.house)
        learners = {}
        for writer in [*self.writers, *self.crowd.tabs]:
            if writer.pupil.submission is not None:
                learners.setdefault(writer.pupil.user_id, []).append(writer)
        check_written(self.house, [_Together(writers) for writers in learners.values()])

    def _check_counts(self, watcher):
        logged = {user_id: rest for user_id, *rest in query(self.house, IN_LOG, assignment_id=self.assignment_id)}
        shown = {
            row["user_id"]: [row["counts"]["runs"], row["counts"]["edits"]]
            for row in watcher.rows.values()
            if row["user_id"] in logged
        }
        assert shown == {user_id: [runs, edits] for user_id, (runs, edits, _) in logged.items()}
        behind = [user_id for user_id, (*_, newest) in logged.items() if watcher.row(user_id)["counted_seq"] < newest]
        assert behind == []

    def _check_agreement(self):
        """All processes show the same, each with versions of its own."""

        def pictures():
            told = [teacher.snapshot(self.session_id)["rows"] for teacher in self.staff()]
            return [[row | {"version": 0} for row in rows] for rows in told]

        eventually(lambda: all(one == found[0] for found in [pictures()] for one in found), 10, "processes agree")

    def close(self):
        """Everybody of this room hangs up."""
        self.crowd.close()
        for watcher in self.watchers:
            watcher.close()


class Caller(Writer):
    """A learner who works over HTTP: each answer is a sign of life."""

    def __init__(self, pupil, truth, pause_seconds):
        super().__init__(pupil, pause_seconds=pause_seconds)
        self.truth = truth

    def write(self):
        """Post one run until it is acknowledged."""
        super().write()
        self.truth.called(self.pupil.user_id)


class _Whoever:
    """A teacher at each process: the picture of the one that a page is connected to."""

    def __init__(self, staff, watcher):
        self.staff, self.watcher = staff, watcher

    def snapshot(self, session_id):
        pictures = [person.snapshot(session_id) for person in self.staff]
        return next((picture for picture in pictures if picture["epoch"] == self.watcher.epoch), pictures[0])


class _Together:
    """All that one learner has written, from however many tabs and devices."""

    def __init__(self, writers):
        self.pupil = writers[0].pupil
        self.acknowledged = [one for writer in writers for one in writer.acknowledged]
        self.wrong = [one for writer in writers for one in writer.wrong]


def _absent(tabs):
    return [(tab.pupil.user_id, tab.joins, tab.refusals[-3:]) for tab in tabs if not tab.joined]
