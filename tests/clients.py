"""Real clients of a real installation: people over HTTP, a teacher who watches by the contract, a pupil's tab."""

import contextlib
import itertools
import socket
import threading
import time
import uuid
from datetime import datetime

import engineio
import requests
import socketio
from socketio.exceptions import SocketIOError

NAMESPACE = "/monitor"
PATIENCE_SECONDS = 15
LONGEST_CALL_SECONDS = 30
POLL_SECONDS = 0.05


def eventually(check, seconds, what):
    """What `check()` answers as soon as that is true; fails after so many seconds with `what` was expected."""
    give_up = time.monotonic() + seconds
    while not (found := check()):
        if time.monotonic() > give_up:
            raise AssertionError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(POLL_SECONDS)
    return found


def moment(text):
    """Seconds since 1970 of a time of the wire."""
    return datetime.fromisoformat(text).timestamp()


class _InOrder(engineio.Client):
    """As it comes, each message is handled in a thread of its own, and frames overtake each other."""

    def _trigger_event(self, event, *args, **options):
        return super()._trigger_event(event, *args, **options | {"run_async": False})


class _Client(socketio.Client):
    def _engineio_client_class(self):
        return _InOrder


def make_socket(**options):
    """A Socket.IO client that hands over messages in the order in which they came."""
    return _Client(handle_sigint=False, **options)


def connect(client, url, token):
    """Open the line to `/monitor`."""
    client.connect(
        url, namespaces=[NAMESPACE], auth={"token": token}, transports=["websocket"], wait_timeout=PATIENCE_SECONDS
    )


class Person:
    """Somebody with an account, over HTTP."""

    def __init__(self, url, login):
        self.url = url
        self.http = requests.Session()
        self.token = self.api("POST", "/api/tokens", {"email": login["email"], "password": login["password"]})["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"
        self.user_id = login["user_id"]

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
        connect(self.line, self.url, self.token)
        return self.say("join", {"session_id": session_id, "tab_id": str(uuid.uuid4())})

    def say(self, message, payload):
        """Send a message by the line; answers its acknowledgement."""
        return self.line.call(message, payload, namespace=NAMESPACE, timeout=PATIENCE_SECONDS)

    def drop(self):
        """Lose the line as a network does, without goodbye."""
        with contextlib.suppress(OSError):
            self.line.eio.ws.sock.shutdown(socket.SHUT_RDWR)

    def close(self):
        """Hang up everything."""
        if self.line is not None:
            self.line.shutdown()
        super().close()


class Watcher:
    """A teacher's page, strict about section 4 of the contract. It keeps whatever the server does wrong."""

    def __init__(self, url, token):
        self.session_id = self.epoch = self.seq = self.session = None
        self.rows = {}
        self.acks = True
        self.frames, self.beats, self.resyncs, self.changes, self.refusals, self.violations = [], [], [], [], [], []
        self.states = {}
        self._news = threading.Condition()
        self._buffer = None
        self._asked = itertools.count(1)
        self._latest_question = 0
        self.client = make_socket(reconnection_delay=0.2, reconnection_delay_max=0.5, randomization_factor=0)
        for name in ("connect", "frame", "beat", "resync", "session_changed"):
            self.client.on(name, self._noted(getattr(self, f"_on_{name}")), namespace=NAMESPACE)
        connect(self.client, url, token)

    def watch(self, session_id, seconds=PATIENCE_SECONDS):
        """Watch a session; the picture is there when this returns."""
        self.session_id = session_id
        self._ask()
        return self.until(lambda: self.epoch is not None, seconds, "a picture")

    def call(self, message, payload):
        """Send a message; answers its acknowledgement."""
        return self.client.call(message, payload, namespace=NAMESPACE, timeout=PATIENCE_SECONDS)

    def row(self, user_id):
        """One participant as this page shows it."""
        with self._news:
            return self.rows[user_id]

    def until(self, check, seconds, what):
        """Wait until `check()` is true of this page, looking at each message; answers the page itself."""
        with self._news:
            if not self._news.wait_for(check, seconds):
                shown = [(r["user_id"], r["state"], r["tabs"], r["counts"]["runs"]) for r in self.rows.values()]
                raise AssertionError(f"not within {seconds} s: {what}; shown: {shown}; violations: {self.violations}")
        return self

    def until_row(self, user_id, seconds=5, **wanted):
        """Wait until a row has these values; a name of a counter means that counter."""

        def has():
            row = self.rows[user_id]
            return all(row["counts"].get(name, row.get(name)) == value for name, value in wanted.items())

        self.until(has, seconds, f"row {user_id} with {wanted}")
        return self.row(user_id)

    def until_same_as(self, teacher, seconds):
        """Wait until this page shows what a fresh snapshot over HTTP shows, at the same place of the sequence."""
        compared = {}

        def same():
            fresh = teacher.snapshot(self.session_id)
            with self._news:
                self._news.wait_for(lambda: (self.epoch, self.seq) == (fresh["epoch"], fresh["seq"]), 1)
                compared.update(mine=self._picture(), fresh={name: fresh[name] for name in self._picture()})
                return (self.epoch, self.seq) == (fresh["epoch"], fresh["seq"]) and compared["mine"] == compared[
                    "fresh"
                ]

        eventually(same, seconds, lambda: f"the same picture: {_first_difference(**compared)}")

    def _picture(self):
        rows = [self.rows[user_id] for user_id in sorted(self.rows)]
        return {"session_id": self.session_id, "epoch": self.epoch, "session": self.session, "rows": rows}

    def answer(self, seq=None):
        """Acknowledge frames."""
        with contextlib.suppress(SocketIOError):
            told = {"session_id": self.session_id, "seq": self.seq if seq is None else seq}
            self.client.emit("ack", told, namespace=NAMESPACE)

    def close(self):
        """Hang up."""
        self.client.shutdown()

    def _noted(self, handler):
        """Handlers run one after the other; what one of them trips over is not lost in a log."""

        def handle(*arguments):
            with self._news:
                try:
                    handler(*arguments)
                except Exception as error:
                    self.violations.append(f"{handler.__name__}: {error!r}")
                    raise
                finally:
                    self._news.notify_all()

        return handle

    def _ask(self):
        """Ask for a whole picture; what comes meanwhile is kept, and an answer that is no longer awaited is not."""
        with self._news:
            self._buffer = []
            self._latest_question = number = next(self._asked)
            take = self._noted(lambda answer: self._take_picture(number, answer))
        with contextlib.suppress(SocketIOError):
            self.client.emit("watch", {"session_id": self.session_id}, namespace=NAMESPACE, callback=take)

    def _take_picture(self, number, answer):
        if number != self._latest_question:
            return
        if not answer["success"]:
            self.refusals.append(answer)
            again = threading.Timer(0.5, self._ask)
            again.daemon = True
            again.start()
            return
        picture = answer["snapshot"]
        if picture["epoch"] == self.epoch:
            for row in picture["rows"]:
                self._check_version(row)
            if picture["seq"] < self.seq:
                self.violations.append(f"the sequence went back from {self.seq} to {picture['seq']}")
        self.epoch, self.seq, self.session = picture["epoch"], picture["seq"], picture["session"]
        self.rows = {}
        for row in picture["rows"]:
            self._show(row)
        kept, self._buffer = self._buffer, None
        for frame in kept:
            self._take_frame(frame)
        if self.acks:
            self.answer()

    def _check_version(self, row):
        known = self.rows.get(row["user_id"])
        if known and row["version"] < known["version"]:
            self.violations.append(f"row {row['user_id']} went back from {known['version']} to {row['version']}")
        if known and row["version"] == known["version"] and row != known:
            self.violations.append(f"row {row['user_id']} has two contents at version {row['version']}")

    def _show(self, row):
        self.rows[row["user_id"]] = row
        seen = self.states.setdefault(row["user_id"], [])
        if not seen or seen[-1] != row["state"]:
            seen.append(row["state"])

    def _on_connect(self):
        if self.session_id is not None:
            self._ask()

    def _on_frame(self, frame):
        self.frames.append((time.monotonic(), frame))
        if self._buffer is not None:
            self._buffer.append(frame)
            return
        self._take_frame(frame)
        if self.acks:
            self.answer()

    def _take_frame(self, frame):
        if frame["epoch"] != self.epoch:
            self._ask()
        elif frame["to"] > self.seq and frame["from"] != self.seq + 1:
            self.violations.append(f"after {self.seq} came {frame['from']} to {frame['to']}")
            self._ask()
        elif frame["to"] > self.seq:
            for row in frame["rows"]:
                self._check_version(row)
                if row["version"] > self.rows.get(row["user_id"], {"version": 0})["version"]:
                    self._show(row)
            self.session = frame.get("session", self.session)
            self.seq = frame["to"]

    def _on_beat(self, beat):
        self.beats.append((time.monotonic(), beat))
        if self._buffer is not None:
            return
        if beat["epoch"] != self.epoch:
            self._ask()
        elif beat["seq"] != self.seq:
            self.violations.append(f"the beat is at {beat['seq']}, the frames at {self.seq}")
            self._ask()

    def _on_resync(self, told):
        self.resyncs.append(told)
        self._ask()

    def _on_session_changed(self, session):
        self.changes.append(session)


def _first_difference(mine=None, fresh=None):
    if not mine or not fresh:
        return "there is no picture"
    shown = {row["user_id"]: row for row in mine["rows"]}
    for row in fresh["rows"]:
        for name, value in row.items():
            if shown.get(row["user_id"], {}).get(name) != value:
                return f"row {row['user_id']}.{name}: {shown.get(row['user_id'], {}).get(name)!r} is not {value!r}"
    return next((f"{name}: {mine[name]!r} is not {fresh[name]!r}" for name in mine if mine[name] != fresh[name]), "seq")


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

    def pupil(self, index):
        """A student of the demo class."""
        return self._person(index, Pupil, self.demo["logins"]["students"][index])

    def _person(self, key, kind, login):
        if key not in self._people:
            self._people[key] = kind(self.url, login)
            self._closing.callback(self._people[key].close)
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
        self._closing.callback(watcher.close)
        return watcher.watch(session_id)

    def close(self):
        """Everybody hangs up."""
        self._closing.close()
