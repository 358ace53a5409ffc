"""A teacher who watches by the contract."""

import contextlib
import itertools
import threading
import time

from socketio.exceptions import SocketIOError

from tests.clients.sockets import NAMESPACE, PATIENCE_SECONDS, connect, eventually, make_socket


class Watcher:
    """A teacher's page, strict about section 4 of the contract. It keeps whatever the server does wrong.

    `shown` is when (monotonic) whose row came to show which state.
    """

    def __init__(self, url, token):
        self.session_id = self.epoch = self.seq = self.session = None
        self.rows, self.notices = {}, []
        self.acks = True
        self.frames, self.beats, self.resyncs, self.changes, self.refusals, self.violations = [], [], [], [], [], []
        self.states, self.shown = {}, []
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

    def until_row(self, user_id, seconds=8, **wanted):
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
        shown = {"session": self.session, "rows": rows, "notices": self.notices}
        return {"session_id": self.session_id, "epoch": self.epoch, **shown}

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
        self.notices = picture["notices"]
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
            self.shown.append((time.monotonic(), row["user_id"], row["state"]))

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
        elif frame["from"] > self.seq + 1:
            self.violations.append(f"after {self.seq} came {frame['from']} to {frame['to']}")
            self._ask()
        elif frame["to"] > self.seq:
            for row in frame["rows"]:
                self._check_version(row)
                if row["version"] > self.rows.get(row["user_id"], {"version": 0})["version"]:
                    self._show(row)
            self.session = frame.get("session", self.session)
            self.notices = frame.get("notices", self.notices)
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
