"""The one write path: `append(events)`, with its group commit (domain 6).

Everyone who waits shares one transaction. The acknowledgement waits for its commit and for nothing else; once it has
committed, the signal `stored` tells the rest of the house.
"""

import logging
import threading
import time
import uuid
from collections import deque

from blinker import Signal
from flask import current_app
from sqlalchemy.exc import OperationalError, TimeoutError
from sqlalchemy.orm import Session

from models.db import after_commit, begin_writing, db, in_transaction, release
from models.errors import Conflict, Unavailable
from models.storing import DUPLICATE, REJECTED, STORED, KeyTaken, Unit, UnitRefused, lock_streams, store

__all__ = ["DUPLICATE", "REJECTED", "STORED", "append", "append_one", "init_app", "lock_streams", "stored"]

log = logging.getLogger(__name__)

MOST_EVENTS = 500
MOST_LOOKS = 8
# So many share the cost of a transaction well enough: it begins, and the next ones are parsed meanwhile.
ENOUGH_EVENTS = 20
MOST_READY = 100_000

stored = Signal()


class GroupCommit:
    """Whoever finds nobody writing writes for all who wait; the others line up behind and find their answer."""

    def __init__(self, engine):
        self.engine = engine
        self.waiting = deque()
        self.lock = threading.Lock()
        self.has_leader = False
        self.ready = set()
        # SQLite writes in this thread and nothing goes on meanwhile: the fewer its commits, the better.
        self.enough = MOST_EVENTS if engine.dialect.name == "sqlite" else ENOUGH_EVENTS

    def submit(self, unit):
        """Store one unit, together with others. Answers what was newly stored by this call."""
        if self._lines_up(unit):
            unit.turn.acquire()
        return [] if unit.finished else self._lead(unit)

    def _lines_up(self, unit):
        """Whether somebody else leads: then the unit waits for its turn, as finished or as the next leader."""
        with self.lock:
            if self.has_leader:
                self.waiting.append(unit)
                return True
            self.has_leader = True
            return False

    def _lead(self, unit):
        batch = [unit]
        try:
            self._gather(batch)
            return self._write(batch)
        finally:
            _release_waiters(batch)
            self.hand_over()

    def _gather(self, batch):
        """Whoever is ready at this moment shares the transaction: look again as long as a few more come."""
        size = len(batch[0].events)
        for _ in range(MOST_LOOKS):
            if size < self.enough:
                time.sleep(0)
            before = size
            while self.waiting and size + len(self.waiting[0].events) <= MOST_EVENTS:
                batch.append(self.waiting.popleft())
                size += len(batch[-1].events)
            if size == before:
                return

    def hand_over(self):
        """The first of those who wait leads from now on."""
        with self.lock:
            if self.waiting:
                self.waiting.popleft().turn.release()
            else:
                self.has_leader = False

    def _write(self, batch):
        """One transaction for the batch. One caller's fault must not cost the others their events."""
        try:
            return self._commit(batch)
        except (OperationalError, TimeoutError) as error:
            # The database is away or busy: trying each alone would make everybody wait that often.
            log.warning("a batch of %s was not stored: %s", len(batch), error)
            return []
        except Exception as error:
            if len(batch) == 1:
                batch[0].refuse(error)
                return []
        return [event for unit in batch for event in self._write([unit])]

    def _commit(self, batch):
        while alive := [unit for unit in batch if not unit.finished]:
            with Session(self.engine) as session:
                try:
                    begin_writing(session)
                    fresh = store(session, alive, ready=self.ready)
                    session.commit()
                except KeyTaken:
                    self.ready.clear()
                    continue
                except UnitRefused as refused:
                    refused.unit.refuse(refused.error)
                    continue
            self._finish(alive)
            return fresh
        return []

    def _finish(self, units):
        if len(self.ready) > MOST_READY:
            self.ready.clear()
        for unit in units:
            unit.finished = True
            self.ready.update(event.user_id for event in unit.events)


def _release_waiters(batch):
    """Nobody waits for ever for a writer that was stopped half-way."""
    for unit in batch:
        if not unit.finished:
            unit.refuse(Unavailable("The event could not be stored now; send it again."))
        unit.turn.release()


def init_app(app):
    """One group commit per process and application, made before the first request."""
    with app.app_context():
        app.extensions["ingest"] = GroupCommit(db.engine)


def append(events, *, write=None):
    """Store events; answers an `Answer` for each, in order. The commit has happened when it returns.

    `write(session)` writes what must be there when the request answers. It runs in the same transaction, under the
    lock of the events' streams, and only if the first event is new. It may fill in fields of its events, may answer
    further events that follow from them, may run again after a roll-back, and refuses the whole unit by raising an
    `AppError`. Inside `transaction()` the events join that transaction. An event whose id is known with other
    content is answered `rejected`.
    """
    if not events:
        return []
    for event in events:
        event.event_id = event.event_id or str(uuid.uuid4())
    unit = Unit(events, write)
    has_session = db.session.registry.has
    if has_session() and in_transaction():
        return _join(unit)
    if has_session():
        release()
    fresh = current_app.extensions["ingest"].submit(unit)
    if has_session():
        release()  # others' `write` ran here: what one of them read by mistake must not be this caller's picture
    if fresh:
        _tell(fresh)
    if unit.error:
        raise unit.error
    return unit.answers


def append_one(event, *, write=None):
    """Store one event; a known id with other content raises `Conflict`."""
    answer = append([event], write=write)[0]
    if answer.status == REJECTED:
        raise Conflict(answer.message, field="event_id")
    return answer


def _join(unit):
    try:
        fresh = store(db.session(), [unit])
    except UnitRefused as refused:
        raise refused.error from refused
    except KeyTaken as taken:
        raise Conflict("Somebody else used one of these event ids at this moment.", field="event_id") from taken
    if fresh:
        after_commit(lambda: _tell(fresh))
    return unit.answers


def _tell(fresh):
    stored.send(current_app._get_current_object(), events=fresh)
