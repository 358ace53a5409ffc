"""Whether this process sees Redis: its lease there, what happens while Redis is away, and when it is back."""

import logging
import time

import redis

from models.db import iso, utcnow
from monitoring import broadcast, notices, presence

log = logging.getLogger(__name__)


class Sight:
    """What one process sees of Redis. `since_ms` is when it saw again: before that nobody could renew a lease."""

    def __init__(self, here):
        self.here = here
        self.lease_at = None
        self.since_ms = 0
        self.stands_still = self.has_seen = False

    def run(self):
        """Hold the lease whatever else waits: a database that stands still must not make this process look dead."""
        while True:
            with self.here.app.app_context():
                try:
                    self.hold()
                except redis.RedisError as error:
                    log.debug("the lease was not held: %s", error)
            self.here.app.extensions["socketio"].sleep(presence.LEASE_EVERY_SECONDS)

    def hold(self):
        """Say that this process lives."""
        presence.hold_lease(self.here.process_id)
        self.lease_at = time.monotonic()

    def keep(self, now):
        """See at once that Redis was emptied; and that this process itself stood still, before it judges others."""
        if self.lease_at is None or (now - self.lease_at) * 1000 > presence.LEASE_MS / 2:
            self.hold()
        if self.here.blind or not presence.remembers(self.here.process_id):
            self.hold()
            self._regain()

    def lose(self, error):
        """Redis is away: nobody is shown as lost because the server is blind; pictures grey until it sees again."""
        here = self.here
        if not self.stands_still:
            log.warning("Redis is away, the live rooms stand still: %s", error)
            with here.lock:
                for room in here.rooms.values():
                    room.picture.publish([], [notices.notice(notices.REDIS_AWAY, iso(utcnow()))])
                    room.tell(time.monotonic())
        here.blind = self.stands_still = True
        here.next_look = 0.0
        here.app.extensions["socketio"].sleep(1)

    def _regain(self):
        here = self.here
        presence.restore(here.process_id, here.lines)
        if self.has_seen:
            log.warning("Redis is back, or was emptied: every watcher gets a new picture")
            self.since_ms = presence.clock_ms()
        self.has_seen = True
        for session_id, sid in list(here.ended):
            presence.disconnect(session_id, sid, **here.ended[session_id, sid])
            del here.ended[session_id, sid]
        here.blind = self.stands_still = False
        with here.lock:
            watched = {session_id: list(room.watchers) for session_id, room in here.rooms.items() if room.watchers}
            here.rooms.clear()
        for session_id, sids in watched.items():
            broadcast.dismiss(session_id, sids, "the server was blind for a while")
