"""The rooms of this process and their background tasks: frames on their ticks, beats, the lease (monitoring 4)."""

import logging
import os
import secrets
import signal
import threading
import time
from collections import deque

import redis

from models.db import iso, utcnow
from monitoring import broadcast, hints, notices, presence, retelling, rights, rooms
from monitoring.picture import TICK_SECONDS
from monitoring.repositories import sql_session_repository as repository
from monitoring.sight import Sight
from monitoring.watchers import Room, Watcher

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
BEAT_SECONDS = 5.0
HINT_NEWS_SECONDS = 0.5
FORGET_SECONDS = 60.0
MOVING_SECONDS = 0.5
MOST_MOVING_SECONDS = 5


class Rooms:
    """The rooms that this process shows, the lines of its learners, and its background tasks."""

    def __init__(self, app):
        self.app = app
        self.process_id = secrets.token_hex(8)
        self.rooms = {}
        self.sockets = {}
        self.lines = {}
        self.ended = {}
        self.marks, self.notes = deque(), deque()
        self.hints = deque()
        self.told = {}
        self.lock = threading.RLock()
        self.news = threading.Event()
        self.moved_hints = set()
        self.sight = Sight(self)
        self.serves = self.blind = False
        self.moving_since = None
        self.next_look = self.next_telling = self.next_hint_news = 0.0

    def start(self):
        """Begin the background tasks of a web process: frames and beats, its lease, and listening to others."""
        self.serves = True
        socketio = self.app.extensions["socketio"]
        socketio.start_background_task(self._run)
        socketio.start_background_task(self.sight.run)
        socketio.start_background_task(broadcast.listen, self.app)

    def snapshot(self, session_id):
        """The whole picture as it is now; what changed meanwhile goes to the watchers by the next frame."""
        with self.lock:
            room = self._room(session_id)
            room.wanted_at = time.monotonic()
            room.picture.load()
            self._publish(room, room.picture.look())
            return room.picture.snapshot()

    def row(self, session_id, user_id):
        """One row as it is now; in a room that is watched nothing else is read for it."""
        with self.lock:
            room = self._room(session_id)
            room.wanted_at = time.monotonic()
            room.picture.load([user_id] if room.watchers else None)
            self._publish(room, room.picture.look([user_id]))
            return room.picture.rows[user_id]

    def watch(self, session_id, sid):
        """Let a socket watch; it has joined the room already, so no change falls between. Answers the picture."""
        with self.lock:
            snapshot = self.snapshot(session_id)
            if sid in self.sockets:
                self.rooms[session_id].watchers[sid] = Watcher(snapshot["seq"])
            return snapshot

    def unwatch(self, sid, session_id=None):
        """A socket watches no longer: this session, or any."""
        with self.lock:
            for room in list(self.rooms.values()):
                if session_id in (None, room.picture.session_id):
                    room.watchers.pop(sid, None)

    def applied(self, session_id, sid, seq):
        """A watcher has applied frames up to here. This takes no lock: it comes with every frame of every watcher."""
        room = self.rooms.get(session_id)
        watcher = room and room.watchers.get(sid)
        if watcher is None or type(seq) is not int:
            return
        watcher.applied(seq)
        if watcher.lags_since is not None:
            self.news.set()

    def enter(self, session_id, sid, *, user_id, tab_id):
        """A tab of a learner has come. While Redis is away that is kept here, and written once Redis is back."""
        record = presence.new_line(user_id=user_id, process_id=self.process_id, tab_id=tab_id)
        self.lines[session_id, sid] = record
        try:
            presence.connect(session_id, sid, record)
        except redis.RedisError as error:
            log.warning("session_id=%s a tab is not shown yet: %s", session_id, error)
            self.blind, self.next_look = True, 0.0

    def disconnect_later(self, session_id, sid, **how):
        """A connection ended while Redis was away: that is written once it is back, or it would stay as a ghost."""
        self.ended[session_id, sid] = how
        self.blind = True

    def mark(self, user_ids=None, session_id=None, *, urgent=False):
        """Rows to look at again: these people's wherever they are, or in one session; None means all.

        Whoever waits for an acknowledgement calls this, so it takes no lock and reads nothing.
        """
        if self.rooms:
            self.marks.append((user_ids, session_id, urgent))
            self.news.set()

    def note(self, events):
        """What this process has stored just now: rows show it before anything is read. It waits for nothing."""
        if not self.rooms:
            return
        self.notes.extend(events)
        if not self.blind and self.lock.acquire(blocking=False):
            try:
                self._tell_noted()
            except Exception:
                # What was stored is answered whatever the rooms meet; the turn that follows looks at everything marked.
                log.exception("a note was not shown at once")
            finally:
                self.lock.release()
        self.news.set()

    def hand_out(self, session_id, user_ids, *, again=False):
        """Hints wait for these learners; `again` tells them also what came already and was not seen."""
        self.hints.append((session_id, frozenset(user_ids), not again))
        self.news.set()

    def move_away(self, *_signal):
        """This process ends in a moment, whatever it waits for. A signal calls this; the next turn tells it."""
        self.moving_since = self.moving_since or time.monotonic()
        signal.alarm(MOST_MOVING_SECONDS)

    def _take_marks(self):
        while self.marks:
            user_ids, session_id, urgent = self.marks.popleft()
            for room in list(self.rooms.values()):
                if session_id in (None, room.picture.session_id):
                    room.picture.mark(user_ids, urgent=urgent)

    def _tell_hints(self, now):
        """Hand out what learners are told; and tell who watches, twice a second at most, how far that came."""
        for (session_id, only_undelivered), user_ids in self._take_hints().items():
            hints.deliver(session_id, user_ids, only_undelivered=only_undelivered)
        if self.moved_hints and now >= self.next_hint_news:
            self.next_hint_news = now + HINT_NEWS_SECONDS
            moved, self.moved_hints = self.moved_hints, set()
            for session_id, hint_id in sorted(moved):
                hints.tell_watchers(session_id, hint_id)

    def _take_hints(self):
        """{(session_id, only undelivered): learners}: when a class comes back at once, one look serves all of it."""
        wanted = {}
        while self.hints:
            session_id, user_ids, only_undelivered = self.hints.popleft()
            wanted.setdefault((session_id, only_undelivered), set()).update(user_ids)
        return wanted

    def _room(self, session_id):
        if session_id not in self.rooms:
            self.rooms[session_id] = Room(session_id)
        return self.rooms[session_id]

    def _run(self):
        while True:
            self.news.wait(self._pause(time.monotonic()))
            self.news.clear()
            with self.app.app_context():
                try:
                    self._turn(time.monotonic())
                except redis.RedisError as error:
                    self.sight.lose(error)
                except Exception:
                    # The task must outlive whatever one turn meets: the next one starts from SQL and Redis again.
                    log.exception("a turn of the live rooms failed")
                    self.app.extensions["socketio"].sleep(1)

    def _pause(self, now):
        """How long nothing is due: half a tick at most, less where a frame waits for its moment."""
        waiting = [room.due_in(now) for room in list(self.rooms.values()) if room.picture.seq > room.told_seq]
        return max(min([TICK_SECONDS / 2, *waiting]), 0.001)

    def _tell_noted(self):
        """What is known without reading anything goes out before anything is read."""
        noted = set()
        while self.notes:
            event = self.notes.popleft()
            noted.update(room for room in list(self.rooms.values()) if room.picture.note(event) and room.watchers)
        for room in noted:
            self._publish(room, room.picture.show_noted())
            room.tell_if_due(time.monotonic())

    def _turn(self, now):
        if self.moving_since:
            self._leave(now)
            return
        self._take_marks()
        with self.lock:
            self._tell_noted()
        looks = now >= self.next_look
        if looks:
            self.next_look = now + LOOK_SECONDS
            self.sight.keep(now)
            rights.close_refused(self)
        self._tell_hints(now)
        if now >= self.next_telling:
            self.next_telling = now + retelling.AGAIN_SECONDS
            retelling.tell_again(self)
        for room in list(self.rooms.values()):
            with self.lock:
                self._serve_safely(room, now, looks)

    def _serve_safely(self, room, now, looks):
        """What is wrong with one room must not freeze the others: its watchers begin anew from SQL and Redis."""
        try:
            self._serve(room, now, looks)
        except redis.RedisError:
            raise
        except Exception:
            log.exception("session_id=%s this room failed and begins anew", room.picture.session_id)
            self.rooms.pop(room.picture.session_id, None)
            broadcast.dismiss(room.picture.session_id, list(room.watchers), "the room failed")

    def _serve(self, room, now, looks):
        """One room's turn: forget it; or refill it with its beat, look at clock and marks."""
        if not room.watchers:
            if now - room.wanted_at > FORGET_SECONDS:
                self.rooms.pop(room.picture.session_id, None)
            return
        room.wanted_at = now
        room.tell_if_due(now)
        beats, turns = now >= room.next_beat, room.picture.turns()
        room.hurries = room.hurries or turns
        if beats or looks or turns or room.is_due(now):
            self._refresh(room, now, whole=beats or looks)
        if beats:
            room.next_beat = now + BEAT_SECONDS
            room.picture.behind_since = repository.oldest_uncounted_at(list(room.picture.facts))
            room.tell(now)
            room.beat()
        room.tell_if_due(time.monotonic())

    def _refresh(self, room, now, *, whole):
        """Read what is marked, or everything with a beat; work out those rows, or all where the clock moves them."""
        picture, due = room.picture, room.is_due(now)
        beats = now >= room.next_beat
        marked = None if beats or picture.session_dirty else sorted(picture.dirty)
        if beats or due:
            room.hurries = room.hurries or picture.urgent
            picture.load(marked)
            picture.dirty.clear()
            picture.urgent = False
            room.next_load = time.monotonic() + TICK_SECONDS
        self._publish(room, picture.look(None if whole or marked is None or not due else marked))

    def _publish(self, room, changed):
        own = self.moving_since and notices.notice(notices.SERVER_MOVING, iso(utcnow()))
        return room.picture.publish(changed, [own])

    def _leave(self, now):
        """Tell who watches that this process ends; end it once that has gone out, with what is being answered."""
        for room in list(self.rooms.values()):
            with self.lock:
                if not room.picture.says(notices.SERVER_MOVING):
                    self._publish(room, [])
                    room.tell(now)
        if now - self.moving_since > MOVING_SECONDS:
            log.info("the web process ends")
            os._exit(0)


def row(session_row, user_id):
    """The row of one participant as it is now."""
    return rooms().row(session_row.id, user_id)


def snapshot(session_row):
    """The picture of a live session (contract monitoring 2 and 3)."""
    return rooms().snapshot(session_row.id)
