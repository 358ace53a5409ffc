"""What is told: one function per outgoing message; nothing else emits.

News between processes say only whom to look at again. They go to this process's rooms directly, and to the others
through Redis, which may lose them: every room looks at everything again with each beat.
"""

import logging
import time

import orjson
import redis
from flask import current_app

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


def dismiss(session_id, sids, reason):
    """These watchers of this process begin anew; until they ask again, and are checked again, they hear nothing."""
    resync(session_id, reason)
    for sid in sids:
        sockets().server.leave_room(sid, watchers_room(session_id), namespace=NAMESPACE)


def learner_room(session_id, user_id):
    """The Socket.IO room of one learner's tabs in a session."""
    return f"session:{session_id}:{user_id}"


def hand(session, user_id, *, is_up):
    """All tabs of a learner show his hand as it is now, whoever moved it."""
    _send("session_changed", {**session, "hand_up": is_up}, to=learner_room(session["id"], user_id))


def session_changed(session):
    """A live session moved on: its learners and watchers are told, in every process; in this one nothing is lost."""
    rooms().told[session["id"]] = session["status"]
    for room in (students_room(session["id"]), watchers_room(session["id"])):
        _send("session_changed", session, to=room)
    _news(session_id=session["id"])


def session_told(session):
    """The learners of this process hear how their session stands: the news of it may have been lost."""
    _send("session_changed", session, to=students_room(session["id"]), only_here=True)


def hint(payload, *, to, arrived):
    """A hint to one socket of this process; `arrived()` is called when its client acknowledges."""
    app = current_app._get_current_object()

    def acknowledged(*_answer):
        with app.app_context():
            arrived()

    sockets().server.emit("hint", payload, namespace=NAMESPACE, to=to, ignore_queue=True, callback=acknowledged)


def hint_told(session_id, user_ids):
    """A hint waits for these learners: every process hands it to their sockets."""
    rooms().hand_out(session_id, user_ids)
    later(_publish_hint, (session_id, tuple(user_ids)))


def _publish_hint(told):
    for session_id, user_ids in told:
        _publish_to_others({"session_id": session_id, "hint_to": list(user_ids)})


def hint_watched(told):
    """Who watches a session, in every process, sees a hint and how far it came."""
    _send("hint", told, to=watchers_room(told["session_id"]))


def recalculation(job):
    """Admins see how far a recalculation is."""
    _send("recalculation", job, to=ADMINS)


def closed(reason, *, to):
    """One socket of this process is told why it is closed, then it is."""
    _send("closed", {"reason": reason}, to=to, only_here=True)
    sockets().server.disconnect(to, namespace=NAMESPACE)


def activity(app, events):
    """After the commit: the rows of the learners who did something, in this process without reading anything."""
    rooms().note(events)
    _news(user_ids=sorted({event["user_id"] for event in events}))


def counts_changed(app, changed):
    """After a fold: the rows of the learners whose counts moved."""
    _news(user_ids=sorted({item.user_id for item in changed}))


def everything_changed():
    """After a repair: every row of every room."""
    _news()


def participants_changed(session_id, user_ids, *, urgent=False):
    """Somebody came to a session or left it, or is marked; `urgent` (a hand) waits for no slow tick."""
    _news(user_ids=user_ids, session_id=session_id, urgent=urgent)


def people_changed(session_id):
    """Who belongs to a session is another than before."""
    _news(session_id=session_id)


def _news(user_ids=None, session_id=None, *, urgent=False):
    rooms().mark(user_ids, session_id, urgent=urgent)
    later(_publish, (user_ids, session_id, urgent))


def _publish(news):
    """Tell the other processes: one message for each session, and one for whatever sessions these people are in."""
    for session_id, (user_ids, urgent) in _merged(news).items():
        _publish_to_others({"user_ids": user_ids, "session_id": session_id, "urgent": urgent})


def _publish_to_others(told):
    if rooms().blind:
        return
    try:
        memory().publish(news_channel(), orjson.dumps({"from": rooms().process_id, **told}))
    except redis.RedisError as error:
        log.warning("news were not published, the rooms will look by themselves: %s", error)


def _merged(news):
    """{session_id: (whom to look at, whether at once)}; None means all of them."""
    merged = {}
    for user_ids, session_id, urgent in news:
        known, before = merged.get(session_id, ([], False))
        whom = None if None in (user_ids, known) else sorted({*known, *user_ids})
        merged[session_id] = whom, urgent or before
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
    if told["from"] == here.process_id:
        return
    if "hint_to" in told:
        here.hand_out(told["session_id"], told["hint_to"])
    elif "user_ids" in told:
        here.mark(told["user_ids"], told["session_id"], urgent=told["urgent"])
