"""The recorder that knows the truth: when each student could be reached, against what the pages showed."""

import threading
import time

# A row may be on its way while its student comes back.
ON_THE_WAY_SECONDS = 3
# LOST is 20 s after the last sign of life; a dead process's connections end with its last lease, up to 5 s early.
GONE_SECONDS = 20 - 5 - 0.5


class Truth:
    """Times of life, monotonic: each line from its join to its end, each acknowledged call as a moment."""

    def __init__(self):
        self._lock = threading.Lock()
        self._lives = {}
        self._up = {}

    def up(self, user_id, line):
        """A student's line is joined."""
        with self._lock:
            self._up[user_id, line] = life = [time.monotonic(), None]
            self._lives.setdefault(user_id, []).append(life)

    def down(self, user_id, line):
        """It is down, whether or not anybody else knows."""
        with self._lock:
            if life := self._up.pop((user_id, line), None):
                life[1] = time.monotonic()

    def called(self, user_id):
        """A call of a student was acknowledged."""
        now = time.monotonic()
        with self._lock:
            self._lives.setdefault(user_id, []).append([now, now])

    def lines(self, user_id):
        """How many lines of a student are up now."""
        with self._lock:
            return sum(owner == user_id for owner, _ in self._up)

    def false_losses(self, *watchers):
        """[(when, whom)] where a page showed somebody as LOST who was there."""
        found = []
        for watcher in watchers:
            shown = [(at, user_id) for at, user_id, state in list(watcher.shown) if state == "LOST"]
            found += [(at, user_id) for at, user_id in shown if self._was_there(user_id, at)]
        return found

    def _was_there(self, user_id, at):
        with self._lock:
            lives = list(self._lives.get(user_id, ()))
        return any(
            began < at - ON_THE_WAY_SECONDS and (ended is None or ended > at - GONE_SECONDS) for began, ended in lives
        )
