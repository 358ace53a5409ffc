"""The rooms of this process: epoch, sequence, snapshot, merged frames, flow control (contract monitoring 4).

A room is a picture kept whole in memory and refilled from SQL and Redis; news only say which rows to look at again,
so news that are lost cost latency and no truth.
"""

import logging
import secrets
import threading
import time
from collections import deque
from dataclasses import dataclass

import redis

from models import access, viewers
from models.db import db, iso, release, utcnow
from models.live import SessionModel
from monitoring import broadcast, presence, rooms, rows
from monitoring.repositories import sql_session_repository as repository

log = logging.getLogger(__name__)

TICK_SECONDS = 0.1
SLOW_TICKS = ((300, 2.0), (100, 0.5))
LOOK_SECONDS = 1.0
BEAT_SECONDS = 5.0
FORGET_SECONDS = 60.0
OUTSTANDING = 3


@dataclass
class Watcher:
    """A socket that watches: who it is for a fresh check of rights, and up to where it has applied frames.

    `acked` is None for a client that does not acknowledge: it gets everything, until its pings end.
    """

    credentials: dict
    acked: int | None = None
    lags: bool = False


class Room:
    """One live session's picture in this process. Its epoch lives as long as the picture does."""

    def __init__(self, session_id):
        self.session_id = session_id
        self.epoch = secrets.token_hex(8)
        self.seq = 0
        self.session = None
        self.session_row = None
        self.facts = {}
        self.rows = {}
        self.dirty = set()
        self.session_dirty = False
        self.watchers = {}
        self.changes = deque(maxlen=64)
        self.next_frame = 0.0
        self.next_beat = 0.0
        self.wanted_at = time.monotonic()

    def load(self, user_ids=None):
        """Read the session, and the facts of these participants (all of them by default), as they are now."""
        release()
        self.session_row = db.session.get(SessionModel, self.session_id, populate_existing=True)
        session = repository.session_dict(self.session_row)
        self.session_dirty = self.session_dirty or self.session not in (None, session)
        self.session = session
        everybody = self.everybody()
        wanted = everybody if user_ids is None else sorted(set(everybody) & set(user_ids))
        self.facts.update(repository.load_facts(self.session_row, wanted))
        release()

    def mark(self, user_ids):
        """Look again at these people's rows; None means at all, and at the session."""
        self.dirty.update(self.facts if user_ids is None else self.facts.keys() & set(user_ids))
        self.session_dirty = self.session_dirty or user_ids is None

    def everybody(self):
        """All who are expected, and who joined and were removed since."""
        joined = {item["student_id"] for item in self.session_row.participants}
        return sorted(joined | set(access.expected_students(self.session_row)))

    def look(self):
        """Work the rows out again from facts and presence; answers the ids of those that changed."""
        now_ms = presence.clock_ms()
        here = presence.read(self.session_id, now_ms=now_ms)
        expected = set(access.expected_students(self.session_row))
        changed = []
        for user_id, fact in self.facts.items():
            row = rows.row_of(
                fact,
                here.get(user_id),
                session_row=self.session_row,
                is_expected=user_id in expected,
                now_ms=now_ms,
            )
            if self._take(row):
                changed.append(user_id)
        return changed

    def _take(self, row):
        known = self.rows.get(row["user_id"])
        if known is not None and {**row, "version": known["version"]} == known:
            return False
        self.rows[row["user_id"]] = {**row, "version": known["version"] + 1 if known else 1}
        return True

    def picture(self):
        """The snapshot: every row, the totals, and where frames go on."""
        return {
            "session_id": self.session_id,
            "epoch": self.epoch,
            "seq": self.seq,
            "at": iso(utcnow()),
            "session": self.session,
            "rows": [self.rows[user_id] for user_id in sorted(self.rows)],
            "totals": rows.totals(self.rows.values()),
            "notices": [],
        }

    def frame(self, changed):
        """The next frame: these rows whole, and the session where it changed."""
        frame = {
            "session_id": self.session_id,
            "epoch": self.epoch,
            "from": self.seq + 1,
            "to": self.seq + 1,
            "at": iso(utcnow()),
            "rows": [self.rows[user_id] for user_id in changed],
        }
        if self.session_dirty:
            frame["session"] = self.session
        self.seq += 1
        self.session_dirty = False
        return frame

    def tick_seconds(self, count, now):
        """How long the next frame waits, by how many rows changed within the last second."""
        self.changes.append((now, count))
        rate = sum(n for at, n in self.changes if now - at <= 1.0)
        return next((seconds for most, seconds in SLOW_TICKS if rate > most), TICK_SECONDS)


class Rooms:
    """The rooms that this process shows, their one background task, and this process's lease."""

    def __init__(self, app):
        self.app = app
        self.process_id = secrets.token_hex(8)
        self.rooms = {}
        self.lines = {}
        self.ended = {}
        self.marks = deque()
        self.lock = threading.RLock()
        self.news = threading.Event()
        self.blind = False
        self.next_lease = 0.0
        self.next_look = 0.0

    def start(self):
        """Begin the background tasks of a web process: frames and beats, and listening to other processes."""
        socketio = self.app.extensions["socketio"]
        socketio.start_background_task(self._run)
        socketio.start_background_task(broadcast.listen, self.app)

    def snapshot(self, session_id):
        """The whole picture as it is now; what changed meanwhile goes to the watchers by the next frame."""
        with self.lock:
            room = self._room(session_id)
            room.wanted_at = time.monotonic()
            room.load()
            self._publish(room, room.look())
            return room.picture()

    def watch(self, session_id, sid, credentials):
        """Let a socket watch; it has joined the room already, so no change falls between. Answers the picture."""
        with self.lock:
            picture = self.snapshot(session_id)
            self.rooms[session_id].watchers[sid] = Watcher(credentials)
            return picture

    def unwatch(self, sid, session_id=None):
        """A socket watches no longer: this session, or any."""
        with self.lock:
            for room in list(self.rooms.values()):
                if session_id in (None, room.session_id):
                    room.watchers.pop(sid, None)

    def applied(self, session_id, sid, seq):
        """A watcher has applied frames up to here; one who lagged behind is told to look anew."""
        with self.lock:
            room = self.rooms.get(session_id)
            if room is None or sid not in room.watchers or type(seq) is not int:
                return
            watcher = room.watchers[sid]
            lagged, watcher.lags, watcher.acked = watcher.lags, False, min(seq, room.seq)
        if lagged:
            broadcast.resync(session_id, "you were behind", to=sid)

    def disconnect_later(self, session_id, sid, **how):
        """A connection ended while Redis was away: that is written once it is back, or it would stay as a ghost."""
        self.ended[session_id, sid] = how
        self.blind, self.next_lease = True, 0.0

    def mark(self, user_ids=None, session_id=None):
        """Rows to look at again: these people's wherever they are, or in one session; None means all.

        Whoever waits for an acknowledgement calls this, so it takes no lock and reads nothing.
        """
        self.marks.append((user_ids, session_id))
        self.news.set()

    def _take_marks(self):
        while self.marks:
            user_ids, session_id = self.marks.popleft()
            for room in list(self.rooms.values()):
                if session_id in (None, room.session_id):
                    room.mark(user_ids)

    def _room(self, session_id):
        if session_id not in self.rooms:
            self.rooms[session_id] = Room(session_id)
        return self.rooms[session_id]

    def _run(self):
        while True:
            self.news.wait(TICK_SECONDS / 2)
            self.news.clear()
            with self.app.app_context():
                try:
                    self._turn(time.monotonic())
                except redis.RedisError as error:
                    self._go_blind(error)
                except Exception:
                    # The task must outlive whatever one turn meets: the next one starts from SQL and Redis again.
                    log.exception("a turn of the live rooms failed")
                    self.app.extensions["socketio"].sleep(1)

    def _turn(self, now):
        if now >= self.next_look and self.next_lease and not presence.holds_lease(self.process_id):
            self.blind, self.next_lease = True, 0.0
        if now >= self.next_lease:
            presence.hold_lease(self.process_id)
            self.next_lease = now + presence.LEASE_EVERY_SECONDS
            self._see_again()
        looks = now >= self.next_look
        if looks:
            self.next_look = now + LOOK_SECONDS
        self._take_marks()
        for room in list(self.rooms.values()):
            if looks:
                self._close_refused(room)
            with self.lock:
                self._serve_safely(room, now, looks)

    def _close_refused(self, room):
        """A right that was withdrawn ends the watching it gave, whatever was true when it began."""
        release()
        for sid, watcher in list(room.watchers.items()):
            viewer = viewers.viewer_by(watcher.credentials)
            if viewer is None or not access.may_watch(viewer, room.session_id):
                self.unwatch(sid, room.session_id)
                broadcast.closed("You may not watch this session any more.", to=sid)

    def _serve_safely(self, room, now, looks):
        """What is wrong with one room must not freeze the others: its watchers begin anew from SQL and Redis."""
        try:
            self._serve(room, now, looks)
        except redis.RedisError:
            raise
        except Exception:
            log.exception("session_id=%s this room failed and begins anew", room.session_id)
            self.rooms.pop(room.session_id, None)
            broadcast.resync(room.session_id, "the room failed")

    def _serve(self, room, now, looks):
        """One room's turn: forget it, refill it with its beat, look at the clock, or send what is due."""
        if not room.watchers:
            if now - room.wanted_at > FORGET_SECONDS:
                self.rooms.pop(room.session_id, None)
            return
        room.wanted_at = now
        beats = now >= room.next_beat
        due = (room.dirty or room.session_dirty) and now >= room.next_frame
        if beats or due:
            room.load(None if beats or room.session_dirty else sorted(room.dirty))
            room.dirty.clear()
        if beats or due or looks:
            changed = room.look()
            if changed or room.session_dirty:
                room.next_frame = now + room.tick_seconds(len(changed), now)
            self._publish(room, changed)
        if beats:
            room.next_beat = now + BEAT_SECONDS
            self._beat(room)

    def _publish(self, room, changed):
        if not (changed or room.session_dirty) or not room.watchers:
            room.seq += bool(changed)
            return
        frame = room.frame(changed)
        for sid, watcher in list(room.watchers.items()):
            watcher.lags = watcher.lags or (watcher.acked is not None and frame["to"] - watcher.acked > OUTSTANDING)
            if not watcher.lags:
                broadcast.frame(frame, to=sid)

    def _beat(self, room):
        oldest = repository.oldest_uncounted_at(list(room.facts))
        behind = max((utcnow() - oldest).total_seconds(), 0.0) if oldest else 0.0
        beat = {"session_id": room.session_id, "epoch": room.epoch, "seq": room.seq, "at": iso(utcnow())}
        for sid, watcher in list(room.watchers.items()):
            if not watcher.lags:
                broadcast.beat({**beat, "behind_seconds": behind}, to=sid)

    def _go_blind(self, error):
        """Redis is away: nobody is shown as lost because the server is blind; pictures grey until it sees again."""
        if not self.blind:
            log.warning("Redis is away, the live rooms stand still: %s", error)
        self.blind = True
        self.next_lease = 0.0
        self.app.extensions["socketio"].sleep(1)

    def _see_again(self):
        if self.blind:
            log.warning("Redis is back, or was emptied: every watcher gets a new picture")
            presence.restore(self.lines)
            for session_id, sid in list(self.ended):
                presence.disconnect(session_id, sid, **self.ended[session_id, sid])
                del self.ended[session_id, sid]
            self.blind = False
            with self.lock:
                watched = [room.session_id for room in self.rooms.values() if room.watchers]
                self.rooms.clear()
            for session_id in watched:
                broadcast.resync(session_id, "the server was blind for a while")


def snapshot(session_row):
    """The picture of a live session (contract monitoring 2 and 3)."""
    return rooms().snapshot(session_row.id)
