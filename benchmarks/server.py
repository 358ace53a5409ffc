"""The web process as `python app.py` starts it, with two more endpoints of which no product knows.

`/healthz/parse` only parses and answers: its address is one of those before which nobody is looked up, so that nothing
but the framework and the reading of the body is in what others are measured against. `/healthz/statements` tells how
many statements each join took, from the connection on.
"""

import os
import warnings

os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()

from flask import has_request_context, jsonify, request  # noqa: E402
from sqlalchemy import event  # noqa: E402

import app as application  # noqa: E402
from models.db import db  # noqa: E402
from monitoring import server  # noqa: E402
from monitoring.namespace import Monitor  # noqa: E402

counts = {}
joins = []


def parse():
    """Read the whole body as the real endpoints do, and answer in their form."""
    fields = request.get_json() if request.is_json else dict(request.form)
    return jsonify(success=True, ip=request.remote_addr or "", log_id=len(fields))


def count(*_statement):
    """One more statement of whose message is being answered; what runs in the background is nobody's."""
    if has_request_context() and hasattr(request, "sid"):
        counts[request.sid] = counts.get(request.sid, 0) + 1


class Counting(Monitor):
    """The namespace that notes what was asked of the database for each socket that has joined."""

    def on_join(self, data):
        """Join as always."""
        answer = super().on_join(data)
        joins.append(counts.pop(request.sid, 0))
        return answer


def main():
    """Serve until stopped."""
    server.Monitor = Counting
    application.ASYNC_MODE = "eventlet"
    made = application.create_app()
    made.add_url_rule("/healthz/parse", "parse", parse, methods=["POST"])
    made.add_url_rule("/healthz/statements", "statements", lambda: jsonify(joins=joins))
    with made.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
    server.serve(made)


if __name__ == "__main__":
    main()
