"""What the rooms are measured against: the least Flask-SocketIO server there is, on eventlet too.

A POST is told to all sockets of `/monitor` as an emit of the size that it asks for; nobody is known, nothing is stored.
`PORT=5001 python -m benchmarks.bare`
"""

import os
import warnings

warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()

from flask import Flask, jsonify, request  # noqa: E402
from flask_socketio import Namespace, SocketIO, join_room  # noqa: E402

MOST_SOCKETS = 20_000

app = Flask("bare")
socketio = SocketIO(app, async_mode="eventlet")


class Bare(Namespace):
    """Whoever connects is in."""

    def on_connect(self, auth=None):
        """Nothing is asked."""

    def on_join(self, data):
        """A room, as a class has it."""
        join_room(str(data["session_id"]))
        return {"success": True}


@app.post("/echo")
def echo():
    """Emit as many characters as are wanted to everybody, then answer."""
    wanted = request.get_json()
    socketio.emit("echo", {"number": wanted["number"], "text": "x" * wanted["size"]}, namespace="/monitor")
    return jsonify(success=True)


@app.get("/readyz")
def ready():
    """It answers."""
    return jsonify(success=True)


def main():
    """Serve until stopped."""
    socketio.on_namespace(Bare("/monitor"))
    socketio.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), max_size=MOST_SOCKETS, log_output=False)


if __name__ == "__main__":
    main()
