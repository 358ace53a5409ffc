"""Students who write whatever happens to the server, each in a way of its own, and what must hold of it afterwards."""

import contextlib
import threading
import time

import requests
import sqlalchemy

from tests.clients import eventually

AGAIN_SECONDS = 0.1
KINDS = ("Run.Program", "File.Edit", "Compile.Error")
WRITTEN = "SELECT event_id, id FROM study_events WHERE event_type IN ('Run.Program', 'File.Edit', 'Compile.Error')"


class Writer(threading.Thread):
    """A student who posts one event after the other, each until it is acknowledged, as the editor does."""

    def __init__(self, pupil, *, pause_seconds=0.02):
        super().__init__()
        self.pupil = pupil
        self.pause_seconds = pause_seconds
        self.acknowledged = []
        self.retries = 0
        self.longest_seconds = 0.0
        self.stopped = threading.Event()
        self.wrong = []

    def run(self):
        while not self.stopped.is_set():
            self.write()
            self.stopped.wait(self.pause_seconds)

    def write(self):
        """Post one run."""
        self._deliver(self.pupil.fields("Run.Program"))

    def _deliver(self, fields):
        began = time.monotonic()
        answer = self.until_answered(lambda: self.pupil.post(fields))
        self.longest_seconds = max(self.longest_seconds, time.monotonic() - began)
        if not answer.get("success"):
            self.wrong.append(answer)
        self.acknowledged.append((fields["event_id"], answer.get("log_id")))

    def until_answered(self, ask):
        """What `ask()` answers, however often the server is not there."""
        while True:
            try:
                return ask()
            except requests.RequestException:
                self.retries += 1
                time.sleep(AGAIN_SECONDS)

    def stop(self):
        """Finish the event at hand."""
        self.stopped.set()
        self.join(timeout=60)
        assert not self.is_alive()


class Mixer(Writer):
    """Runs, edits and errors by turns; each third event is sent once more though it was acknowledged."""

    def write(self):
        """Post one event, and perhaps again."""
        number = len(self.acknowledged)
        fields = self.pupil.fields(KINDS[number % len(KINDS)])
        self._deliver(fields)
        if number % 3 == 0:
            self._deliver(fields)


class Sender(Writer):
    """Sends what it has in batches, as an editor does that was offline."""

    size = 20

    def write(self):
        """Send a batch until it is acknowledged, and the first half of it again with the next one."""
        self.send(self.size)

    def send(self, size):
        """Send so many events in one call."""
        batch = [self.pupil.fields(KINDS[number % len(KINDS)]) for number in range(size)]
        batch += batch[: size // 10]
        results = self.until_answered(lambda: self._post(batch))
        self.wrong += [result for result in results if result["status"] == "rejected"]
        self.acknowledged += [(result["event_id"], result.get("log_id")) for result in results]

    def _post(self, batch):
        response = self.pupil.ask("POST", "/api/events", {"events": batch})
        response.raise_for_status()
        return response.json()["results"]


class Asker(Writer):
    """An admin who now and then asks for a recalculation, and waits for none."""

    def __init__(self, admin, scopes, *, pause_seconds=2):
        super().__init__(admin, pause_seconds=pause_seconds)
        self.scopes = scopes

    def write(self):
        """Ask for the next one."""
        scope, scope_id = self.scopes[len(self.acknowledged) % len(self.scopes)]
        self.acknowledged.append(self.until_answered(lambda: self.ask(scope=scope, id=scope_id)))

    def ask(self, **wanted):
        """Ask for one; answers its id."""
        response = self.pupil.ask("POST", "/api/recalculations", wanted)
        response.raise_for_status()
        return response.json()["id"]


@contextlib.contextmanager
def writing(writers):
    """These write all the while; afterwards `check_log` is due."""
    [writer.start() for writer in writers]
    try:
        yield writers
    finally:
        [writer.stopped.set() for writer in writers]
        [writer.stop() for writer in writers]


def until_written(writers, more):
    """Wait until each of them has so many more acknowledged events."""
    wanted = [len(writer.acknowledged) + more for writer in writers]
    eventually(
        lambda: all(len(w.acknowledged) >= n for w, n in zip(writers, wanted, strict=True)), 60, "events acknowledged"
    )


def query(house, text, **values):
    """Rows straight from the database."""
    engine = sqlalchemy.create_engine(house.installation.environment["DATABASE_URL"])
    with engine.connect() as connection:
        rows = connection.execute(sqlalchemy.text(text), values).all()
    engine.dispose()
    return rows


def check_written(house, writers):
    """Every acknowledged event is in the log once, at the place that was told, and nothing else that they write is."""
    for writer in writers:
        submission_id = writer.pupil.submission["id"]
        log = query(house, f"{WRITTEN} AND submission_id = :id", id=submission_id)
        assert writer.wrong == []
        assert len(log) == len(dict(log))
        assert set(writer.acknowledged) == {(event_id, log_id) for event_id, log_id in log}
