"""Ctrl-C, SIGTERM and a closed terminal: the first interrupts what is going on, a second while stopping kills."""

import os
import signal


class StopSignals:
    """Installs the handlers. Whoever starts to stop sets `is_stopping`, and `at_once` to what a second signal does."""

    def __init__(self):
        self.was_running = False
        self.is_stopping = False
        self.at_once = lambda: None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # `nohup bin/run` has asked to survive its terminal.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._on_signal)

    def _on_signal(self, number, frame):
        if self.is_stopping:
            self.at_once()
            os._exit(130)
        raise KeyboardInterrupt
