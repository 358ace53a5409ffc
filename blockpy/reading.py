"""Reading requests: JSON bodies into models, and lists by pages."""

from typing import Annotated

from flask import request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from models.errors import Invalid, Unreadable
from models.events import storable

MOST_ITEMS = 500
ITEMS = 50
MOST_DIGITS = 10

RowId = Annotated[int, Field(gt=0, lt=2**31)]


class Body(BaseModel):
    """A JSON body; unknown fields are ignored, texts are stripped of nothing but what no database takes."""

    model_config = ConfigDict(extra="ignore", str_max_length=2_000_000)

    @field_validator("*")
    @classmethod
    def _storable(cls, value):
        return storable(value) if isinstance(value, str) else value


def body(model):
    """The request's JSON as a model; raises `Unreadable` for no JSON, `Invalid` that names the first wrong field."""
    try:
        told = request.get_json()
    except (BadRequest, UnsupportedMediaType, RecursionError) as error:
        raise Unreadable("The body is not JSON.") from error
    if not isinstance(told, dict):
        raise Unreadable("The body is a JSON object.")
    try:
        return model.model_validate(told)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise Invalid(f"{field}: {first['msg']}.", field=field) from None


def whole_argument(name, default=None, *, least=0, most=2**31 - 1):
    """A whole number of the query string; raises `Invalid` for anything else."""
    text = request.args.get(name)
    if text is None or text == "":
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS and least <= int(text) <= most):
        raise Invalid(f"{name} is a whole number from {least} to {most}.", field=name)
    return int(text)


def asked_for(query, *columns):
    """The query with only the rows whose columns are as the query string asks, each by the column's name."""
    for column in columns:
        wanted = whole_argument(column.key)
        query = query.where(column == wanted) if wanted is not None else query
    return query


def page_of(query, key, tell, session):
    """One page of rows by ascending `key`: `{"items": [...], "next": cursor or null}` (contract api.md)."""
    limit = whole_argument("limit", ITEMS, least=1, most=MOST_ITEMS)
    after = whole_argument("after", 0)
    rows = session.scalars(query.where(key > after).order_by(key).limit(limit + 1)).all()
    more = len(rows) > limit
    items = [tell(row) for row in rows[:limit]]
    return {"items": items, "next": getattr(rows[limit - 1], key.key) if more else None}
