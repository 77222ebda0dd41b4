"""Long lists in pages: a cursor says where the next one begins."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from service.ownership import Place
from service.problems import Problem

Item = TypeVar("Item")
Limit = Annotated[int, Query(ge=1, le=200, description="Most items on the page")]
Cursor = Annotated[
    str | None, Query(max_length=400, description="`next_cursor` of the page before")
]


class Page(BaseModel, Generic[Item]):
    """Some of a list."""

    items: list[Item]
    next_cursor: str | None = Field(default=None, description="Absent on the last page")


def encode_cursor(*place: str | int | float) -> str:
    """A place in a list as one word."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *kinds: type) -> list[str | int | float]:
    """The place that a cursor says; raises Problem for what was not made by encode_cursor."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        is_ours = [type(part) for part in place] == list(kinds) and all(map(_is_stored, place))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise Problem("invalid_request", "cursor: give the next_cursor of a page") from error
    if not is_ours:
        raise Problem("invalid_request", "cursor: give the next_cursor of a page of this list")
    return list(place)


def _is_stored(part: str | int | float) -> bool:
    """Whether a database can look for it."""
    if isinstance(part, str):
        return "\0" not in part and part.isprintable()
    return abs(part) < 2**63


def decode_place(cursor: str | None) -> Place | None:
    """The place in a list by time and id; None for its beginning."""
    if cursor is None:
        return None
    at, identifier = decode_cursor(cursor, str, str)
    try:
        return datetime.fromisoformat(str(at)), str(identifier)
    except ValueError as error:
        raise Problem("invalid_request", "cursor: give the next_cursor of a page") from error


def paged(
    rows: Sequence[Item], limit: int, place: Callable[[Item], tuple[str | int | float, ...]]
) -> tuple[list[Item], str | None]:
    """The first `limit` of rows, of which one more was asked for, and the next cursor."""
    shown = list(rows[:limit])
    return shown, encode_cursor(*place(shown[-1])) if len(rows) > limit else None
