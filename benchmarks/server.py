"""The web process as `python app.py` starts it, with one more endpoint: `/healthz/parse` only parses and answers.

It stands in no product: the benchmarks start it. Its address is one of those before which nobody is looked up, so that
nothing but the framework and the reading of the body is in what others are measured against.
"""

import os
import warnings

os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")
warnings.filterwarnings("ignore", message=r"\s*Eventlet is deprecated")

import eventlet  # noqa: E402

eventlet.monkey_patch()

from flask import jsonify, request  # noqa: E402

import app as application  # noqa: E402
from monitoring import server  # noqa: E402


def parse():
    """Read the whole body as the real endpoints do, and answer in their form."""
    fields = request.get_json() if request.is_json else dict(request.form)
    return jsonify(success=True, ip=request.remote_addr or "", log_id=len(fields))


def main():
    """Serve until stopped."""
    application.ASYNC_MODE = "eventlet"
    made = application.create_app()
    made.add_url_rule("/healthz/parse", "parse", parse, methods=["POST"])
    server.serve(made)


if __name__ == "__main__":
    main()
