"""What the whole room should know: pure functions of who is away and of what the process knows of itself."""

from models.db import from_ms, iso

MASS_DROP, SERVER_MOVING = "mass_drop", "server_moving"
COUNTS_BEHIND, REDIS_AWAY = "counts_behind", "redis_away"
MOST_NOTICES = 5
MASS_DROP_PEOPLE = 5
MASS_DROP_SHARE = 0.2
MASS_DROP_MS = 20_000
BEHIND_SECONDS = 5

_SAID = {
    MASS_DROP: "{n} students lost the network at once. Probably it is the room's network, not they.",
    SERVER_MOVING: "The server is being restarted. This picture comes back by itself in a few seconds.",
    COUNTS_BEHIND: "The counts are being worked out and are behind. What students do is shown at once all the same.",
    REDIS_AWAY: "The server cannot see who is connected. Nothing that students write is lost.",
}


def notice(kind, at, **more):
    """One notice of the contract; `at` is an ISO time."""
    return {"kind": kind, "at": at, **more, "message": _SAID[kind].format(**more)}


def mass_drop(gone_ms, *, came):
    """The notice that many who were here are gone at once, or None; it stands for as long as so many are away.

    `gone_ms` are the moments at which those who are away without a goodbye were cut off, `came` is how many ever came.
    Many are five and a fifth of all, within 20 seconds.
    """
    most = max(_within(sorted(gone_ms)), key=len, default=[])
    if len(most) < max(MASS_DROP_PEOPLE, MASS_DROP_SHARE * came):
        return None
    return notice(MASS_DROP, iso(from_ms(most[0])), n=len(most))


def _within(moments):
    """For each of the moments, in order, itself and those that follow within the window."""
    end = 0
    for start, first in enumerate(moments):
        while end < len(moments) and moments[end] <= first + MASS_DROP_MS:
            end += 1
        yield moments[start:end]


def newest(notices):
    """Those that are there, newest first, at most five."""
    return sorted(filter(None, notices), key=lambda item: item["at"], reverse=True)[:MOST_NOTICES]
