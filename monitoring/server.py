"""The web server of the live rooms: the SocketIO object with its namespace, and the process that serves it."""

import gc
import logging
import signal

import orjson
import redis
from flask_socketio import SocketIO
from socketio.packet import Packet

from monitoring import NAMESPACE, database_number
from monitoring.errands import Errands
from monitoring.frames import Rooms
from monitoring.namespace import Monitor

log = logging.getLogger(__name__)

PING_SECONDS = 10
MOST_SOCKETS = 20_000
GARBAGE = 10_000


class PlainPacket(Packet):
    """Our messages carry no bytes, so nothing is gained by searching every payload for them."""

    uses_binary_events = False


class Orjson:
    """What SocketIO expects of a JSON module, by orjson."""

    @staticmethod
    def dumps(value, **_options):
        """JSON text."""
        return orjson.dumps(value).decode()

    @staticmethod
    def loads(text, **_options):
        """The value of a JSON text."""
        return orjson.loads(text)


def init_app(app, *, async_mode):
    """Give the application its sockets, its Redis and its rooms. Nothing connects before it is needed."""
    app.extensions["redis"] = redis.Redis.from_url(
        app.config["REDIS_URL"], socket_connect_timeout=1, socket_timeout=5, health_check_interval=30
    )
    socketio = SocketIO(
        app,
        async_mode=async_mode,
        message_queue=app.config["REDIS_URL"] if app.config["MESSAGE_QUEUE"] else None,
        channel=f"flask-socketio:{database_number(app.extensions['redis'])}",
        cors_allowed_origins=app.config["CORS_ORIGINS"],
        ping_interval=PING_SECONDS,
        ping_timeout=PING_SECONDS,
        async_handlers=False,
        json=Orjson,
        serializer=PlainPacket,
    )
    app.extensions["rooms"] = Rooms(app)
    app.extensions["errands"] = Errands(app)
    socketio.on_namespace(Monitor(NAMESPACE))


def serve(app):
    """Serve until stopped; SIGTERM lets those who watch know first.

    Deflate is refused: small frames cost more to compress than to send.
    """
    app.extensions["rooms"].start()
    app.extensions["errands"].start()
    app.wsgi_app = _without_deflate(app.wsgi_app)
    _collect_less()
    options = {"max_size": MOST_SOCKETS, "log_output": False} if _is_eventlet(app) else {"allow_unsafe_werkzeug": True}
    signal.signal(signal.SIGTERM, app.extensions["rooms"].move_away)
    log.info("serving host=%s port=%s", app.config["HOST"], app.config["PORT"])
    app.extensions["socketio"].run(app, host=app.config["HOST"], port=app.config["PORT"], **options)


def _collect_less():
    """What the process is made of stays: looking through it for garbage every few requests costs a tenth of them."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE, 20, 20)


def _is_eventlet(app):
    return app.extensions["socketio"].async_mode == "eventlet"


def _without_deflate(wsgi):
    def plain(environ, start_response):
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        return wsgi(environ, start_response)

    return plain
