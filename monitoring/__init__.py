"""Who is told: the sockets, the rooms and the Redis of the current application."""

from flask import current_app

NAMESPACE = "/monitor"


def sockets():
    """The SocketIO object of the current application."""
    return current_app.extensions["socketio"]


def memory():
    """The Redis of the current application. It holds no truth: whoever asks must bear `redis.RedisError`."""
    return current_app.extensions["redis"]


def database_number(client):
    """The Redis database of a client. Channels are one for all databases of a server, so ours carry its number."""
    return client.connection_pool.connection_kwargs.get("db") or 0


def rooms():
    """The live rooms that somebody watches in this process."""
    return current_app.extensions["rooms"]
