"""A school whose processes run, with its people and its rooms."""

import contextlib

from tests.clients.people import Person, Pupil
from tests.clients.watcher import Watcher


class House:
    """The demo school of an installation that runs, with its people, and rooms of a test's own."""

    def __init__(self, installation):
        self.installation = installation
        self.url = installation.url
        self.demo = installation.demo
        self._people = {}
        self._closing = contextlib.ExitStack()

    @property
    def admin(self):
        """The admin."""
        return self._person("admin", Person, self.demo["logins"]["admin"])

    @property
    def teacher(self):
        """The teacher of the demo class."""
        return self._person("teacher", Person, self.demo["logins"]["teacher"])

    def teacher_at(self, url):
        """The same teacher, at another web process."""
        login = {"token": self.teacher.token, "user_id": self.teacher.user_id}
        return self._person(("teacher", url), lambda _, found: Person(url, found), login)

    def pupil(self, index):
        """A student of the demo class."""
        return self._person(index, Pupil, self.demo["logins"]["students"][index])

    def _person(self, key, kind, login):
        if key not in self._people:
            self._people[key] = kind(self.url, login)
            self.closing(self._people[key].close)
        return self._people[key]

    def exercise(self, name="Exercise"):
        """A new exercise in the demo course; answers its id."""
        return self.teacher.api("POST", f"/api/courses/{self.demo['course_id']}/assignments", {"name": name})["id"]

    def room(self, *indexes, until="start"):
        """A session on a new exercise for these students, opened and started; their work is begun too."""
        assignment_id = self.exercise()
        pupils = [self.pupil(index) for index in indexes]
        ids = [pupil.user_id for pupil in pupils]
        group = self.teacher.api(
            "POST", "/api/classes", {"name": "group", "student_ids": ids, "course_id": self.demo["course_id"]}
        )
        planned = {"class_id": group["id"], "assignment_id": assignment_id}
        session_id = self.teacher.api("POST", "/api/sessions", planned)["id"]
        for action in ("open", "start")[: ("open", "start").index(until) + 1]:
            self.teacher.api("POST", f"/api/sessions/{session_id}/{action}")
        for pupil in pupils:
            pupil.open(assignment_id)
        return session_id, pupils

    def watcher(self, session_id, *, url=None, person=None):
        """The page of the teacher, or of another person, on a session."""
        watcher = Watcher(url or self.url, (person or self.teacher).token)
        self.closing(watcher.close)
        return watcher.watch(session_id)

    def closing(self, close):
        """Call this when everybody hangs up."""
        self._closing.callback(close)

    def close(self):
        """Everybody hangs up."""
        self._closing.close()
