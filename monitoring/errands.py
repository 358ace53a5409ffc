"""What Redis is told after an answer has left: nobody who waits for an acknowledgement waits for it.

A web process does its errands in the background, and what comes meanwhile goes as one. Everywhere else, in commands,
workers and tests, they are done at once. An errand that is lost costs latency only.
"""

import logging
import threading

from flask import current_app

log = logging.getLogger(__name__)

PAUSE_SECONDS = 0.05
FIRST_SECONDS = 0.005


class Errands:
    """What this process still has to tell: {errand: its items}."""

    def __init__(self, app):
        self.app = app
        self.waiting = {}
        self.news = threading.Event()
        self.is_serving = False

    def start(self):
        """From now on errands wait for the background task."""
        self.is_serving = True
        self.app.extensions["socketio"].start_background_task(self._run)

    def add(self, errand, item):
        """`errand([item, ...])` is called soon, in an application context, with all that came till then."""
        if not self.is_serving:
            errand([item])
            return
        self.waiting.setdefault(errand, []).append(item)
        self.news.set()

    def _run(self):
        while True:
            self.news.wait()
            # The answer leaves first, and what the rooms of this process show of it.
            self.app.extensions["socketio"].sleep(FIRST_SECONDS)
            self.news.clear()
            with self.app.app_context():
                while self.waiting:
                    self._do(*self.waiting.popitem())
            # The first goes out at once; what follows on its heels goes together.
            self.app.extensions["socketio"].sleep(PAUSE_SECONDS)

    def _do(self, errand, items):
        try:
            errand(items)
        except Exception:
            # The task must outlive whatever one errand meets: all of them are made up for by a sweep or a beat.
            log.exception("an errand failed: %s", errand.__name__)


def later(errand, item=None):
    """Have `errand([item, ...])` done, after the answer where somebody waits for one."""
    current_app.extensions["errands"].add(errand, item)
