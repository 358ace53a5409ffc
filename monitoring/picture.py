"""One live session's picture in this process: rows worked out from facts and presence, and what changed since when.

A picture is kept whole and refilled from SQL and Redis; news only say which rows to look at again, so news that are
lost cost latency and no truth.
"""

import secrets
import time
from collections import deque

from models import access
from models.db import begin_reading, db, iso, release, utcnow
from models.live import SessionModel
from monitoring import notices, presence, rooms, rows
from monitoring.repositories import sql_session_repository as repository
from monitoring.repositories.sql_facts_repository import load_facts

TICK_SECONDS = 0.1
CAUGHT_UP_SECONDS = 1.0
SLOW_TICKS = ((300, 2.0), (100, 0.5))


class Picture:
    """The rows, the session and the notices of one room. Its epoch lives as long as it does.

    `changed_at` has the sequence number with which each row changed last, so that a frame from any number on can be
    made at any time, and nobody's backlog is kept.
    """

    def __init__(self, session_id):
        self.session_id = session_id
        self.epoch = secrets.token_hex(8)
        self.seq = 0
        self.session = self.session_row = None
        self.expected = set()
        self.places = {}
        self.facts = {}
        self.rows = {}
        self.notices = []
        self.changed_at = {}
        self.session_changed_at = self.notices_changed_at = 0
        self.dirty = set()
        self.noted = set()
        self.here = {}
        self.session_dirty = self.urgent = False
        self.behind_since = None
        self.drop = None
        self.turns_ms = None
        self.recent = deque(maxlen=64)

    def load(self, user_ids=None):
        """Read the session, and the facts of these participants (all of them by default), as they are now."""
        release()
        begin_reading()
        self.session_row = db.session.get(SessionModel, self.session_id, populate_existing=True)
        session = self._session_as_told(user_ids is None)
        self.session_dirty = self.session_dirty or self.session not in (None, session)
        self.session = session
        if user_ids is None or not self.expected.issuperset(user_ids):
            self.expected = set(access.expected_students(self.session_row))
        self.places = {item["student_id"]: item for item in self.session_row.participants}
        # All who are expected, and who joined and were removed since.
        everybody = self.expected | self.places.keys()
        wanted = sorted(everybody if user_ids is None else everybody & set(user_ids))
        if user_ids is None and not everybody >= self.facts.keys():
            self._begin_anew()
        self.facts.update(load_facts(self.session_row, wanted, self.facts))
        release()

    def _begin_anew(self):
        """Somebody was taken off the list before he ever came: no frame can say that a row is gone."""
        self.epoch = secrets.token_hex(8)
        self.facts, self.rows, self.changed_at = {}, {}, {}
        self.dirty, self.noted = set(), set()

    def _session_as_told(self, with_names):
        """The session of the contract; the names of its class and exercise are read with the whole picture only."""
        if with_names or self.session is None:
            return repository.session_dict(self.session_row)
        names = {name: self.session[name] for name in ("class_name", "assignment_name")}
        return self.session_row.as_dict(**names)

    def mark(self, user_ids, *, urgent=False):
        """Look again at these people's rows; None means at all, and at the session."""
        wanted = self.facts if user_ids is None else self.facts.keys() & set(user_ids)
        self.dirty.update(wanted)
        self.session_dirty = self.session_dirty or user_ids is None
        self.urgent = self.urgent or (urgent and bool(wanted))

    def note(self, event):
        """What a learner did is in his row as soon as it is stored; SQL is read then. Answers whether it was his."""
        fact = self.facts.get(event["user_id"])
        work = fact and fact.submission
        if not work or work.id != event["submission_id"] or event["actor_id"] != event["user_id"]:
            return False
        if fact.last_activity is not None and event["created_at"] < fact.last_activity:
            return False
        fact.last_event_type, fact.last_activity = event["event_type"], event["created_at"]
        self.noted.add(fact.user_id)
        return True

    def show_noted(self):
        """Work out the rows of who was noted, by presence as last seen; answers the ids of those that changed."""
        now_ms = presence.clock_ms()
        noted, self.noted = self.noted, set()
        return [user_id for user_id in noted if self._look_at(user_id, self.here.get(user_id), now_ms)]

    def look(self, user_ids=None):
        """Work these rows (all by default) out again from facts and presence; answers the ids of those that changed."""
        now_ms = presence.clock_ms()
        self.here = here = presence.read(self.session_id, now_ms=now_ms, sees_since_ms=rooms().sight.since_ms)
        wanted = self.facts if user_ids is None else [user_id for user_id in user_ids if user_id in self.facts]
        changed = [user_id for user_id in wanted if self._look_at(user_id, here.get(user_id), now_ms)]
        if user_ids is None or changed:
            self._look_for_drops(here)
        return changed

    def _look_at(self, user_id, person, now_ms):
        fact, place = self.facts[user_id], self.places.get(user_id)
        state = rows.state_of(
            fact,
            person,
            session_row=self.session_row,
            place=place,
            is_expected=user_id in self.expected,
            now_ms=now_ms,
        )
        if state.until_ms is not None:
            self.turns_ms = min(state.until_ms, self.turns_ms or state.until_ms)
        row = rows.row_of(fact, state, place=place, now_ms=now_ms, since=self.session_row.scheduled_at)
        known = self.rows.get(user_id)
        if known is not None and {**row, "version": known["version"]} == known:
            return False
        self.rows[user_id] = {**row, "version": known["version"] + 1 if known else 1}
        return True

    def _look_for_drops(self, here):
        away = [user_id for user_id, row in self.rows.items() if row["state"] in presence.AWAY_STATES]
        gone_ms = [here[user_id].gone_ms for user_id in away if user_id in here and not here[user_id].goodbye]
        came = sum(row["state"] not in presence.NEVER_HERE for row in self.rows.values())
        self.drop = notices.mass_drop([moment for moment in gone_ms if moment is not None], came=came)

    def turns(self):
        """Whether time alone has made another state of somebody's, which nobody should wait for."""
        if self.turns_ms is None or self.turns_ms > presence.clock_ms():
            return False
        self.turns_ms = None
        return True

    @property
    def behind_seconds(self):
        """The age of the oldest event that is not counted yet."""
        return max((utcnow() - self.behind_since).total_seconds(), 0.0) if self.behind_since else 0.0

    def publish(self, changed, own_notices=()):
        """Give what changed the next number; answers whether anything had."""
        found = notices.newest([self.drop, self._behind_notice(), *own_notices])
        told = found != self.notices
        if not (changed or told or self.session_dirty):
            return False
        self.seq += 1
        self.changed_at |= dict.fromkeys(changed, self.seq)
        if told:
            self.notices, self.notices_changed_at = found, self.seq
        if self.session_dirty:
            self.session_dirty, self.session_changed_at = False, self.seq
        return True

    def _behind_notice(self):
        """Told from five seconds on, until counting has caught up: a line that comes and goes is no calm one."""
        least = CAUGHT_UP_SECONDS if self.says(notices.COUNTS_BEHIND) else notices.BEHIND_SECONDS
        if self.behind_seconds <= least:
            return None
        return notices.notice(notices.COUNTS_BEHIND, iso(self.behind_since))

    def says(self, kind):
        """Whether a notice of this kind stands."""
        return any(item["kind"] == kind for item in self.notices)

    def snapshot(self):
        """Every row, the totals, the notices, and where frames go on."""
        return {
            "session_id": self.session_id,
            "epoch": self.epoch,
            "seq": self.seq,
            "at": iso(utcnow()),
            "session": self.session,
            "rows": [self.rows[user_id] for user_id in sorted(self.rows)],
            "totals": rows.totals(self.rows.values()),
            "notices": self.notices,
        }

    def frame(self, after):
        """All that changed after this number, in one frame up to now: rows whole, session and notices where changed."""
        frame = {
            "session_id": self.session_id,
            "epoch": self.epoch,
            "from": after + 1,
            "to": self.seq,
            "at": iso(utcnow()),
            "rows": [self.rows[user_id] for user_id, seq in self.changed_at.items() if seq > after],
        }
        if self.session_changed_at > after:
            frame["session"] = self.session
        if self.notices_changed_at > after:
            frame["notices"] = self.notices
        return frame

    def changes(self, after):
        """How many rows changed after this number."""
        return sum(seq > after for seq in self.changed_at.values())

    def beat(self):
        """Where the picture is, for who has heard nothing for a while."""
        place = {"session_id": self.session_id, "epoch": self.epoch, "seq": self.seq}
        return {**place, "at": iso(utcnow()), "behind_seconds": self.behind_seconds}

    def tick_seconds(self, count):
        """How long the next frame waits, by how many rows changed within the last second."""
        now = time.monotonic()
        self.recent.append((now, count))
        rate = sum(n for at, n in self.recent if now - at <= 1.0)
        return next((seconds for most, seconds in SLOW_TICKS if rate > most), TICK_SECONDS)
