"""What is told: one function per outgoing message; nothing else emits.

News between processes say only whom to look at again. They go to this process's rooms directly, and to the others
through Redis, which may lose them: every room looks at everything again with each beat.
"""

import logging
import time

import orjson
import redis

from monitoring import NAMESPACE, database_number, memory, rooms, sockets
from monitoring.errands import later

log = logging.getLogger(__name__)

ADMINS = "admins"
QUIET_SECONDS = 6.0


def watchers_room(session_id):
    """The Socket.IO room of those who watch a session."""
    return f"watch:{session_id}"


def students_room(session_id):
    """The Socket.IO room of a session's learners."""
    return f"session:{session_id}"


def news_channel():
    """Where the processes of this installation tell each other whom to look at again."""
    return f"blockpy:news:{database_number(memory())}"


def _send(message, payload, *, to, only_here=False):
    sockets().server.emit(message, payload, namespace=NAMESPACE, to=to, ignore_queue=only_here)


def frame(payload, *, to):
    """A frame to one watcher of this process."""
    _send("frame", payload, to=to, only_here=True)


def beat(payload, *, to):
    """A beat to one watcher of this process."""
    _send("beat", payload, to=to, only_here=True)


def resync(session_id, reason, *, to=None):
    """Watchers of this process throw their picture away and watch again."""
    _send("resync", {"session_id": session_id, "reason": reason}, to=to or watchers_room(session_id), only_here=True)


def session_changed(session):
    """A live session moved on: its learners and watchers are told, in every process."""
    for room in (students_room(session["id"]), watchers_room(session["id"])):
        _send("session_changed", session, to=room)
    _news(session_id=session["id"])


def recalculation(job):
    """Admins see how far a recalculation is."""
    _send("recalculation", job, to=ADMINS)


def closed(reason, *, to):
    """One socket of this process is told why it is closed, then it is."""
    _send("closed", {"reason": reason}, to=to, only_here=True)
    sockets().server.disconnect(to, namespace=NAMESPACE)


def activity(app, events):
    """After the commit: the rows of the learners who did something."""
    _news(user_ids=sorted({event["user_id"] for event in events}))


def counts_changed(app, changed):
    """After a fold: the rows of the learners whose counts moved."""
    _news(user_ids=sorted({item.user_id for item in changed}))


def everything_changed():
    """After a repair: every row of every room."""
    _news()


def participants_changed(session_id, user_ids):
    """Somebody came to a session or left it."""
    _news(user_ids=user_ids, session_id=session_id)


def _news(user_ids=None, session_id=None):
    rooms().mark(user_ids, session_id)
    later(_publish, (user_ids, session_id))


def _publish(news):
    """Tell the other processes: one message for each session, and one for whatever sessions these people are in."""
    if rooms().blind:
        return
    try:
        for session_id, user_ids in _merged(news).items():
            told = {"from": rooms().process_id, "user_ids": user_ids, "session_id": session_id}
            memory().publish(news_channel(), orjson.dumps(told))
    except redis.RedisError as error:
        log.warning("news were not published, the rooms will look by themselves: %s", error)


def _merged(news):
    """{session_id: whom to look at}; None means all of them."""
    merged = {}
    for user_ids, session_id in news:
        known = merged.get(session_id, [])
        merged[session_id] = None if None in (user_ids, known) else sorted({*known, *user_ids})
    return merged


def listen(app):
    """Hear the news of other processes, for ever. After any silence the rooms look at everything again."""
    with app.app_context():
        while True:
            try:
                _hear(rooms())
            except (redis.RedisError, ValueError, KeyError) as error:
                log.warning("deaf for news, subscribing again: %s", error)
                sockets().sleep(1)
                rooms().mark()


def _hear(here):
    """Listen until the connection breaks or stays quiet although this process itself speaks."""
    pubsub = memory().pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe(news_channel())
    heard = spoken = time.monotonic()
    try:
        while True:
            message = pubsub.get_message(timeout=1.0)
            now = time.monotonic()
            if message:
                heard = now
                _take_news(here, orjson.loads(message["data"]))
            if now - heard > QUIET_SECONDS:
                raise redis.ConnectionError("no news, not even our own")
            if now - spoken > QUIET_SECONDS / 3:
                spoken = now
                memory().publish(news_channel(), orjson.dumps({"from": here.process_id}))
    finally:
        pubsub.close()


def _take_news(here, told):
    if told["from"] != here.process_id:
        here.mark(told.get("user_ids"), told.get("session_id"))
