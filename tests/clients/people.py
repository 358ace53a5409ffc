"""People over HTTP, and a pupil's tab."""

import contextlib
import socket
import time
import uuid

import requests

from tests.clients.sockets import NAMESPACE, PATIENCE_SECONDS, connect, eventually, make_socket

LONGEST_CALL_SECONDS = 30


class Person:
    """Somebody with an account, over HTTP."""

    def __init__(self, url, login):
        self.url = url
        self.http = requests.Session()
        self.token = login.get("token") or self._log_in(login)
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        self.user_id = login["user_id"]

    def _log_in(self, login):
        return self.api("POST", "/api/tokens", {name: login[name] for name in ("email", "password")})["token"]

    def ask(self, method, path, body=None):
        """The whole response, whatever its status."""
        return self.http.request(method, f"{self.url}{path}", json=body, timeout=LONGEST_CALL_SECONDS)

    def api(self, method, path, body=None):
        """The answer of a call that succeeds."""
        response = self.ask(method, path, body)
        assert response.ok, f"{method} {path}: {response.status_code} {response.text[:300]}"
        return response.json()

    def snapshot(self, session_id):
        """The picture of a session over HTTP."""
        return self.api("GET", f"/api/sessions/{session_id}/snapshot")

    def recalculate(self, **scope):
        """Ask for a recalculation and wait for its end; answers it."""
        run_id = self.api("POST", "/api/recalculations", scope)["id"]
        done = "done", "failed", "cancelled"

        def ended():
            run = self.api("GET", f"/api/recalculations/{run_id}")
            return run if run["status"] in done else None

        return eventually(ended, 60, f"the end of recalculation {run_id}")

    def close(self):
        """Hang up."""
        self.http.close()


class Pupil(Person):
    """A student: the editor's calls over HTTP, and a tab's line to the live room."""

    def __init__(self, url, login):
        super().__init__(url, login)
        self.submission = None
        self.line = None
        self.received = []
        self.hints = []
        self.closed = []
        self.cut = []

    def open(self, assignment_id):
        """Begin, or go on, with an exercise."""
        self.submission = self.api("PUT", f"/api/assignments/{assignment_id}/submissions/me")
        return self.submission

    def fields(self, event_type, **more):
        """The fields of `log_event`, with an id of their own unless one is given."""
        work = self.submission
        common = {"submission_id": work["id"], "assignment_id": work["assignment_id"], "course_id": work["course_id"]}
        said = {"event_type": event_type, "timestamp": int(time.time() * 1000), "file_path": "answer.py"}
        return {**common, "user_id": self.user_id, **said, "event_id": str(uuid.uuid4()), **more}

    def log(self, event_type, **more):
        """Post one event; answers what the server answers to the editor."""
        return self.post(self.fields(event_type, **more))

    def post(self, fields):
        """Post the fields of one event as they are."""
        response = self.http.post(f"{self.url}/blockpy/log_event", data=fields, timeout=LONGEST_CALL_SECONDS)
        response.raise_for_status()
        return response.json()

    def enter(self, session_id):
        """Open a tab's line and join a session by it; answers the acknowledgement."""
        self.line = make_socket(reconnection=False)
        self.line.on("session_changed", self.received.append, namespace=NAMESPACE)
        self.line.on("hint", self._take_hint, namespace=NAMESPACE)
        self.line.on("closed", self.closed.append, namespace=NAMESPACE)
        connect(self.line, self.url, self.token)
        return self.say("join", {"session_id": session_id, "tab_id": str(uuid.uuid4())})

    def _take_hint(self, hint):
        """Keep a hint; what this answers acknowledges it."""
        self.hints.append(hint)
        return {"success": True}

    def say(self, message, payload):
        """Send a message by the line; answers its acknowledgement."""
        return self.line.call(message, payload, namespace=NAMESPACE, timeout=PATIENCE_SECONDS)

    def drop(self):
        """Lose the line as a network does, without goodbye."""
        cut = self.line.eio.ws.sock
        self.cut.append(cut)
        with contextlib.suppress(OSError):
            cut.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Hang up everything."""
        if self.line is not None:
            self.line.shutdown()
        # A line that was cut is closed by nobody else.
        for cut in self.cut:
            cut.close()
        super().close()
