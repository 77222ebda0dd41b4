"""Rows that belong to somebody: found, counted, and listed the newest first."""

from __future__ import annotations

from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import Select, func, select, tuple_
from sqlalchemy.orm import Session

from service.database import Base
from service.problems import Problem

Row = TypeVar("Row", bound=Base)
Place = tuple[datetime, str]
"""In a list by time and id."""


def is_seen(owner: str, whose: str | None) -> bool:
    """Whether what is an owner's is among those of `whose`: all where that is None."""
    return whose is None or whose == owner


def find_owned(
    session: Session,
    table: type[Row],
    identifier: str,
    owner: str | None,
    what: str,
    *,
    lock: bool = False,
) -> Row:
    """One row, of this owner where one is named; raises Problem where there is none.

    The same for both, so that nobody learns what others have.
    """
    row: Any = session.get(table, identifier, with_for_update=lock)
    if row is None or not is_seen(row.owner, owner):
        raise Problem("not_found", f"no {what} of that id")
    found: Row = row
    return found


def count_owned(session: Session, table: Any, owner: str) -> int:
    """How many an owner has."""
    query = select(func.count()).select_from(table).where(table.owner == owner)
    return session.scalar(query) or 0


def newest_first(
    table: type[Row], owner: str | None, before: Place | None, limit: int
) -> Select[Row]:
    """Rows after a place in the list, of this owner where one is named."""
    columns: Any = table
    query = select(table).order_by(columns.created_at.desc(), columns.id.desc()).limit(limit)
    if owner is not None:
        query = query.where(columns.owner == owner)
    if before is not None:
        query = query.where(tuple_(columns.created_at, columns.id) < tuple_(*before))
    return query
