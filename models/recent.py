"""What was true a moment ago: what every event asks for, kept for at most a second in this process.

A right that is withdrawn stops counting at once in the process that withdraws it, since every committed
`transaction()` empties this, and within the second in all others. What is refused is asked for again each time.
"""

import time

from flask import current_app
from sqlalchemy import event

from models.db import db

SECONDS = 1.0
REFRESH_SECONDS = 0.5
IN_USE_SECONDS = 30.0
MOST = 10_000


class _Kept:
    def __init__(self, answer, read_at, used_at):
        self.answer = answer
        self.read_at = read_at
        self.used_at = used_at


class Recent:
    """Answers by key. `read(keys)` answers many at once, and leaves out what is refused.

    What is in use, asked for within the last half minute, is read again together: two queries a second, however many
    people work, and nobody who comes every few seconds has to wait for his own.
    """

    def __init__(self, read):
        self.read = read
        self.kept = {}
        self.refreshed_at = 0.0

    def among(self, keys):
        """{key: answer} of these keys, without those that are refused."""
        now, found, missing = time.monotonic(), {}, []
        for key in keys:
            one = self.kept.get(key)
            if one is None or now - one.read_at > SECONDS:
                missing.append(key)
            else:
                one.used_at = now
                found[key] = one.answer
        if missing or now - self.refreshed_at > REFRESH_SECONDS:
            found |= self._read(missing, now)
        return {key: found[key] for key in keys if key in found}

    def _read(self, missing, now):
        kept, asked = self.kept, set(missing)
        if now - self.refreshed_at > REFRESH_SECONDS:
            # Whoever comes while this is read goes on with what is known, and does not read it too.
            self.refreshed_at = now
            self.kept = kept = {key: one for key, one in kept.items() if now - one.used_at <= IN_USE_SECONDS}
            missing = missing + [key for key in kept if key not in asked]
        fresh = self.read(missing) if missing else {}
        if len(kept) + len(fresh) > MOST:
            kept.clear()
        used = {key: one.used_at for key in missing if (one := kept.pop(key, None)) and key not in asked}
        # Where it was emptied meanwhile, this goes into what nobody looks at any more.
        kept.update({key: _Kept(answer, now, used.get(key, now)) for key, answer in fresh.items()})
        return fresh

    def forget(self):
        """Everything is asked for again."""
        self.kept = {}


def recent(read):
    """What the current application knows of what `read` answers."""
    known = current_app.extensions.setdefault("recent", {})
    return known.get(read) or known.setdefault(read, Recent(read))


@event.listens_for(db.session, "after_commit")
def _forget(session):
    if session.info.get("writing"):
        for one in list(current_app.extensions.get("recent", {}).values()):
            one.forget()
