"""Who watches a room in this process, and how fast it may be told: flow control (contract monitoring 4)."""

import time
from collections import deque
from dataclasses import dataclass, field

from monitoring import broadcast
from monitoring.picture import TICK_SECONDS, Picture

OUTSTANDING = 3
LAG_SECONDS = 10.0


@dataclass
class Watcher:
    """A socket that watches: how far it was told, and which frames it has not acknowledged yet.

    One that never acknowledges gets everything, until its pings end. `lags_since` is when it was first left out.
    """

    sent: int
    outstanding: deque = field(default_factory=lambda: deque(maxlen=OUTSTANDING))
    acknowledges: bool = False
    lags_since: float | None = None

    def may_be_told(self):
        """Whether fewer frames than may be are under way to it."""
        return not self.acknowledges or len(self.outstanding) < OUTSTANDING

    def told(self, seq):
        """A frame up to here is under way to it."""
        self.sent, self.lags_since = seq, None
        self.outstanding.append(seq)

    def applied(self, seq):
        """It has applied frames up to here."""
        self.acknowledges = True
        while self.outstanding and self.outstanding[0] <= seq:
            self.outstanding.popleft()


class Room:
    """A picture, who watches it in this process, and when it is due."""

    def __init__(self, session_id):
        self.picture = Picture(session_id)
        self.watchers = {}
        self.last_frame = self.next_frame = self.next_load = self.next_beat = 0.0
        self.told_seq = 0
        self.hurries = False
        self.wanted_at = time.monotonic()

    def is_due(self, now):
        """Whether what is marked should be looked at: at once, then on the shortest tick."""
        return bool(self.picture.dirty or self.picture.session_dirty) and now >= self.next_load

    def due_in(self, now):
        """Seconds until the next frame may go out: a hand, or somebody who is lost, within the shortest tick."""
        return (self.last_frame + TICK_SECONDS if self.hurries else self.next_frame) - now

    def tell_if_due(self, now):
        """Send what is new on the room's tick."""
        if self.due_in(now) <= 0:
            self.tell(now)

    def tell(self, now):
        """Send each watcher all that it has not been told, in one frame; who lags is left out until it answers."""
        if self.picture.seq > self.told_seq:
            self.last_frame, self.hurries = now, False
            self.next_frame = now + self.picture.tick_seconds(self.picture.changes(self.told_seq))
            self.told_seq = self.picture.seq
        made = {}
        for sid, watcher in list(self.watchers.items()):
            if watcher.sent == self.picture.seq:
                continue
            if not watcher.may_be_told():
                watcher.lags_since = watcher.lags_since or now
            elif watcher.lags_since is not None and now - watcher.lags_since > LAG_SECONDS:
                watcher.lags_since = None
                broadcast.resync(self.picture.session_id, "you were behind", to=sid)
            else:
                frame = made.get(watcher.sent) or made.setdefault(watcher.sent, self.picture.frame(watcher.sent))
                watcher.told(frame["to"])
                broadcast.frame(frame, to=sid)

    def beat(self):
        """Tell who has the newest picture that it is the newest."""
        beat = self.picture.beat()
        for sid, watcher in list(self.watchers.items()):
            if watcher.sent == self.picture.seq:
                broadcast.beat(beat, to=sid)
