"""The one write path: `append(events)`, with its group commit (domain 6).

Everyone who waits shares one transaction. The acknowledgement waits for its commit and for nothing else; once it has
committed, the signal `stored` tells the rest of the house.
"""

import logging
import threading
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

stored = Signal()


class GroupCommit:
    """Whoever finds nobody writing writes for all who wait; the others line up behind and find their answer."""

    def __init__(self, engine):
        self.engine = engine
        self.waiting = deque()
        self.writing = threading.Lock()

    def submit(self, unit):
        """Store one unit, together with others; raises its error. Answers what was newly stored by this call."""
        self.waiting.append(unit)
        fresh = []
        with self.writing:
            while not unit.finished:
                batch = self._take()
                try:
                    fresh += self._write(batch)
                finally:
                    _release_waiters(batch)
        return fresh

    def _take(self):
        batch, size = [], 0
        while self.waiting and (not batch or size + len(self.waiting[0].events) <= MOST_EVENTS):
            batch.append(self.waiting.popleft())
            size += len(batch[-1].events)
        return batch

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
                    fresh = store(session, alive)
                    session.commit()
                except KeyTaken:
                    continue
                except UnitRefused as refused:
                    refused.unit.refuse(refused.error)
                    continue
            for unit in alive:
                unit.finished = True
            return fresh
        return []


def _release_waiters(batch):
    """Nobody waits for ever for a writer that was stopped half-way."""
    for unit in batch:
        if not unit.finished:
            unit.refuse(Unavailable("The event could not be stored now; send it again."))


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
    if in_transaction():
        return _join(unit)
    release()
    fresh = current_app.extensions["ingest"].submit(unit)
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
