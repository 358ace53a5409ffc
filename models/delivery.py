"""What clients deliver: the fields of `log_event` become events, whichever way they come (form, batch, socket)."""

import hashlib
import hmac
import ipaddress
import re
import uuid
from datetime import UTC, datetime
from functools import lru_cache

from flask import current_app

from models import access, ingest
from models.db import to_ms
from models.errors import AppError, Invalid, TooLarge
from models.events import SERVER_ONLY, Event, natural_id, storable
from models.submission import MOST_CODE_BYTES

NOTHING = ("", "null", "undefined", "NaN")
MOST_NAME = 255
MOST_MESSAGE_BYTES = 1024 * 1024
TEXT_FIELDS = ("category", "label", "file_path")
KEPT_FIELDS = ("version", "assignment_version", "assignment_group_id", "timezone", "part_id")
HASH_KEY_ID = "k1"
MOST_REMEMBERED = 4096
_BROWSERS = (
    ("Edge", r"Edg/(\d+)"),
    ("Firefox", r"Firefox/(\d+)"),
    ("Chrome", r"Chrom(?:e|ium)/(\d+)"),
    ("Safari", r"Version/(\d+).*Safari"),
)
_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PLATFORMS = ("Android", "iPhone", "iPad", "CrOS", "Windows", "Macintosh", "Linux")


def optional_int(fields, name):
    """An optional whole number: empty, `null`, `undefined` and `NaN` mean none. Raises `Invalid` for other texts."""
    value = fields.get(name)
    if value is None or (isinstance(value, str) and value.strip() in NOTHING):
        return None
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise Invalid(f"{name} is a whole number.", field=name)
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        raise Invalid(f"{name} is a whole number.", field=name) from None
    if abs(number) >= 2**63:
        raise Invalid(f"{name} is too large.", field=name)
    return number


def required_id(fields, name):
    """A row's id; raises `Invalid` where it is missing. One that is too large for a row is no row's."""
    number = optional_int(fields, name)
    if number is None:
        raise Invalid(f"{name} is needed.", field=name)
    return number if 0 < number < 2**31 else 0


def text_field(fields, name, *, most=None):
    """A text, "" where it is missing; what databases do not take is replaced. Raises `Invalid` over `most`."""
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Invalid(f"{name} is a text.", field=name)
    if most is not None and len(value) > most:
        raise Invalid(f"{name} has at most {most} characters.", field=name)
    return storable(value)


def flag(fields, name):
    """A boolean as forms and JSON have it."""
    return str(fields.get(name, "")).lower() in ("true", "1")


def client_ms(fields):
    """The client's clock in ms: `occurred_at` (ISO, wins) or `timestamp`; None where it is missing or unreadable."""
    moment = fields.get("occurred_at")
    if isinstance(moment, str) and moment:
        return _iso_ms(moment)
    try:
        return optional_int(fields, "timestamp")
    except Invalid:
        return None


def _iso_ms(text):
    try:
        moment = datetime.fromisoformat(text)
        return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Invalid("occurred_at is an ISO 8601 time.", field="occurred_at") from None


def event_id_of(fields):
    """The client's id of an event in its one spelling, or None; raises `Invalid` for what is no UUID."""
    value = fields.get("event_id")
    if value is None or value == "":
        return None
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value
    try:
        return str(uuid.UUID(str(value)))
    except ValueError:
        raise Invalid("event_id is a UUID.", field="event_id") from None


def payload_id(endpoint, viewer, fields):
    """The id of a call that brings none: its whole payload, since a retry is byte-identical (blockpy 0.5)."""
    said = sorted((name, value) for name, value in fields.items() if name != "access_token")
    return natural_id(endpoint, viewer.user_id, said)


def stamp(environ, viewer):
    """Who sent an event, from where and with what, reduced before it is stored (domain 12)."""
    return {
        "actor_id": viewer.user_id,
        "session_id": hashed_session(viewer.login_key),
        "ip_address": coarse_ip(environ.get("REMOTE_ADDR")),
        "user_agent": coarse_agent(environ.get("HTTP_USER_AGENT", "")),
    }


def hashed_session(login_key):
    """A login session as a keyed hash with the id of its key: nobody can find the session from it."""
    return _keyed_hash(current_app.config["SECRET_KEY"], login_key)


@lru_cache(maxsize=MOST_REMEMBERED)
def _keyed_hash(secret, login_key):
    return f"{HASH_KEY_ID}.{hmac.new(secret.encode(), login_key.encode(), hashlib.sha256).hexdigest()}"


@lru_cache(maxsize=MOST_REMEMBERED)
def coarse_ip(address):
    """The network an address is in: /24 of IPv4, /48 of IPv6; None where it is no address."""
    try:
        ip = ipaddress.ip_address(address or "")
    except ValueError:
        return None
    network = ipaddress.ip_network(f"{ip}/{24 if ip.version == 4 else 48}", strict=False)
    return str(network.network_address)


@lru_cache(maxsize=MOST_REMEMBERED)
def coarse_agent(agent):
    """Family, major version and platform of a browser, no more."""
    platform = next((name for name in _PLATFORMS if name in agent), "other")
    for family, pattern in _BROWSERS:
        found = re.search(pattern, agent)
        if found:
            return f"{family} {found.group(1)} {platform}"
    return f"other {platform}"


def event_from(fields, stamp_):
    """An `Event` of the fields of log_event, without owner and id; raises `Invalid` or `TooLarge`."""
    event_type = text_field(fields, "event_type", most=MOST_NAME)
    if not event_type:
        raise Invalid("event_type is needed.", field="event_type")
    properties = {name: text for name in TEXT_FIELDS if (text := text_field(fields, name, most=MOST_NAME))}
    message = text_field(fields, "message")
    if 4 * len(message) > MOST_MESSAGE_BYTES and len(message.encode()) > MOST_MESSAGE_BYTES:
        raise TooLarge("A message may have at most 1 MiB.", field="message")
    properties |= {name: _kept(value) for name in KEPT_FIELDS if (value := fields.get(name)) not in (None, "")}
    if flag(fields, "extended"):
        properties["extended"] = True
    event = Event(event_type, 0, event_id_of(fields), client_ms=client_ms(fields), timed=True, **stamp_)
    event.properties = properties
    if event_type in SERVER_ONLY:
        event.properties["claimed"] = True
    _keep_message(event, message)
    if event.client_ms is None and fields.get("timestamp"):
        event.properties["client_timestamp"] = _kept(fields["timestamp"])
    return event


def _kept(value):
    """What is only kept for repair: whatever it was, as a text."""
    return storable(str(value))[:MOST_NAME]


def _keep_message(event, message):
    """Program text goes beside the log under its hash; an echo of a save has none (blockpy 3.1, client G3)."""
    marks = (event.properties.get("category"), event.properties.get("label"))
    if event.event_type == "File.Edit" and not (message == "" and "save" in marks):
        if len(message.encode()) > MOST_CODE_BYTES:
            raise TooLarge("A file may have at most 750 KiB.", field="message")
        event.code = message
    elif message:
        event.properties["message"] = message


def take_event(viewer, fields, stamp_, *, endpoint):
    """Store one event that a client delivered; answers its `Answer`. Raises what is wrong with it."""
    submission_id = required_id(fields, "submission_id")
    required_id(fields, "assignment_id")
    event = event_from(fields, stamp_)
    submission = access.loggable_submission(viewer, submission_id)
    event.event_id = event.event_id or payload_id(endpoint, viewer, fields)
    event.submission_id, event.user_id = submission.id, submission.user_id
    return ingest.append_one(event)


def take_batch(viewer, items, stamp_):
    """Store what can be stored of a batch; answers a result for each, `rejected` ones with the reason.

    One wrong event costs the others nothing.
    """
    results, events = [None] * len(items), {}
    allowed = access.loggable_submissions(viewer, _ids_in(items))
    for index, fields in enumerate(items):
        try:
            events[index] = _batch_event(viewer, fields, stamp_, allowed)
        except AppError as error:
            results[index] = _rejected(fields, error)
    for index, answer in zip(events, ingest.append(list(events.values())), strict=True):
        results[index] = answer.as_dict()
    return results


def _ids_in(items):
    said = [fields.get("submission_id") for fields in items if isinstance(fields, dict)]
    ids = {i for i in said if type(i) is int and 0 < i < 2**31}
    ids |= {int(i) for i in said if isinstance(i, str) and i.isascii() and i.isdigit() and len(i) < 10}
    return sorted(ids)


def _batch_event(viewer, fields, stamp_, allowed):
    if not isinstance(fields, dict):
        raise Invalid("An event is an object.", field="events")
    event = event_from(fields, stamp_)
    if event.event_id is None:
        raise Invalid("event_id is needed.", field="event_id")
    submission = allowed.get(required_id(fields, "submission_id"))
    if submission is None:
        raise Invalid("There is no such submission.", field="submission_id")
    event.submission_id, event.user_id = submission.id, submission.user_id
    return event


def _rejected(fields, error):
    event_id = fields.get("event_id") if isinstance(fields, dict) else None
    return {"event_id": event_id, "status": ingest.REJECTED, "message": error.message}
