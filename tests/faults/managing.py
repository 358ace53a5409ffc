"""Starts again whatever has ended, as `bin/run` and any service manager do."""

import contextlib
import threading

LOOK_SECONDS = 0.1


class Manager(threading.Thread):
    """Looks after the parts of an installation, and after servers with `process` and `spawn()`."""

    def __init__(self, installation, *servers):
        super().__init__()
        self.installation = installation
        self.servers = servers
        self.stopped = threading.Event()

    def run(self):
        while not self.stopped.wait(LOOK_SECONDS):
            for server in self.servers:
                if server.process.poll() is not None:
                    server.spawn()
            for name, process in list(self.installation.running.items()):
                if process.poll() is not None:
                    self.installation.spawn(name)


@contextlib.contextmanager
def managed(house, *servers):
    """Meanwhile nothing stays down."""
    manager = Manager(house.installation, *servers)
    manager.start()
    try:
        yield house
    finally:
        manager.stopped.set()
        manager.join()
