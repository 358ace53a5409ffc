"""A simulated student's browser as far as it calls over HTTP: the editor's protocol as the client G2 speaks it."""

import time
import uuid
from collections import deque

import requests

API = "/blockpy/"
TIMEOUTS = (3, 10)
LONGEST_PAUSE_SECONDS = 5


class WrongLogin(Exception):
    """The server does not know this address and password."""


class Desk:
    """Calls leave in order, and wait while there is no network; each keeps the moment at which it was made."""

    def __init__(self, url, login, tally):
        self.is_online = True
        self.user_id = login["user_id"]
        self.token = None
        self._url = url
        self._credentials = {"email": login["email"], "password": login["password"]}
        self._tally = tally
        self._http = requests.Session()
        self._common = {"user_id": self.user_id, "passcode": "", "part_id": "", "assignment_group_id": ""}
        self._waiting = deque()
        self._failures = 0
        self._next_try_at = 0.0

    @property
    def waiting_count(self):
        """Calls that no answer came for yet."""
        return len(self._waiting)

    def log_in(self):
        """Take a token; raises `WrongLogin`, or `requests.RequestException` where no proper answer comes."""
        response = self._http.post(f"{self._url}/api/tokens", json=self._credentials, timeout=TIMEOUTS)
        if response.status_code == 401:
            raise WrongLogin(self._credentials["email"])
        response.raise_for_status()
        self.token = response.json()["token"]
        self._http.headers["Authorization"] = f"Bearer {self.token}"

    def load(self, course_id, assignment_id):
        """Open the assignment; answers what the server says, refusals too, or None if there is no answer now."""
        self._common |= {"course_id": course_id, "assignment_id": assignment_id}
        self._common |= {"submission_id": "", "version": "", "assignment_version": ""}
        answer = self._call("load_assignment", self._fields()) if self._may_try() else None
        submission = answer and answer.get("submission")
        if submission:
            self._common |= {"submission_id": submission["id"], "version": submission["version"]}
            self._common["assignment_version"] = answer["assignment"]["version"]
        return answer

    def log(self, event_type, *, category="", label="", message="", file_path="answer.py", **more):
        """One event, with an id of its own."""
        said = {"event_type": event_type, "category": category, "label": label, "message": message}
        self._put("log_event", {**said, "file_path": file_path, **more, "event_id": str(uuid.uuid4())})

    def save(self, code):
        """The program as it is now; a save that still waits is not worth sending any more."""
        newer = [call for call in self._waiting if call[0] != "save_file"]
        self._waiting = deque(newer)
        self._put("save_file", {"filename": "answer.py", "code": code})

    def send_score(self, score, *, correct):
        """What the tests in the browser found: the best score so far, 0 to 1, and this run's outcome."""
        told = {"score": score, "correct": _flag(correct), "hidden_override": "false", "force_update": "false"}
        self._put("update_submission", {**told, "image": ""})

    def flush(self):
        """Send what waits, oldest first. What fails stays as it is, and is tried again after a while."""
        while self._waiting and self._may_try():
            if self._call(*self._waiting[0]) is None:
                return
            self._waiting.popleft()

    def _put(self, path, fields):
        self._waiting.append((path, self._fields(fields)))
        self.flush()

    def _fields(self, more=None):
        return {**self._common, "timestamp": int(time.time() * 1000), "timezone": _timezone(), **(more or {})}

    def _may_try(self):
        return self.is_online and time.monotonic() >= self._next_try_at

    def _call(self, path, fields):
        """The answer, or None where there is none: any status but 2xx means "try again" in this protocol."""
        try:
            answer = self._post(path, fields)
        except (requests.RequestException, WrongLogin):
            self._tally.count("failed")
            self._failures += 1
            self._next_try_at = time.monotonic() + min(0.5 * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS)
            return None
        self._failures = 0
        self._tally.count(path)
        if not answer["success"]:
            self._tally.refuse(f"{path}: {answer.get('message')}")
        return answer

    def _post(self, path, fields):
        response = self._http.post(f"{self._url}{API}{path}", data=fields, timeout=TIMEOUTS)
        if response.status_code == 401:
            self.log_in()
        response.raise_for_status()
        answer = response.json()
        if not isinstance(answer, dict) or not isinstance(answer.get("success"), bool):
            raise requests.exceptions.InvalidJSONError("The answer says neither yes nor no.")
        return answer


def _flag(value):
    return "true" if value else "false"


def _timezone():
    """Minutes as JavaScript counts them: west of Greenwich is positive."""
    return -time.localtime().tm_gmtoff // 60
