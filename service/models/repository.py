"""Versions and aliases in the database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.models.tables import AliasMoveRow, AliasRow, VersionRow
from service.problems import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A wish to have an alias stand for a version, by whom and why."""

    version: int
    actor: str
    reason: str
    evidence: dict[str, Any] | None = None
    """What speaks for it, where that was measured."""
    returns_to: int | None = None
    """Revision of the move that it goes back to, where it is a roll-back."""


def next_version(session: Session, name: str) -> int:
    """The number that a new version gets; call it in the transaction that adds the row."""
    newest = session.scalar(select(func.max(VersionRow.version)).where(VersionRow.name == name))
    return (newest or 0) + 1


def version_of(session: Session, name: str, version: int) -> VersionRow:
    """One version; raises Problem where there is none."""
    row = session.get(VersionRow, (name, version))
    if row is None:
        raise Problem("not_found", "no such version of this model")
    return row


def same_files(session: Session, name: str, digest: str) -> VersionRow | None:
    """The version of a model that has exactly these files."""
    query = select(VersionRow).where(VersionRow.name == name, VersionRow.digest == digest)
    return session.scalar(query.order_by(VersionRow.version).limit(1))


def first_of(session: Session, name: str) -> VersionRow | None:
    """The first version of a model, which says whose it is and of which kind."""
    query = select(VersionRow).where(VersionRow.name == name).order_by(VersionRow.version)
    return session.scalar(query.limit(1))


def owner_of(session: Session, name: str) -> str | None:
    """Whom a model belongs to: who made its first version; None before there is one."""
    first = first_of(session, name)
    return None if first is None else first.owner


def alias_of(session: Session, name: str, alias: str, *, lock: bool = False) -> AliasRow | None:
    """An alias as it stands; with `lock`, as it stays until the transaction ends."""
    return session.get(AliasRow, (name, alias), with_for_update=lock or None)


def aliases_of(session: Session, name: str) -> Sequence[AliasRow]:
    """All aliases of a model."""
    query = select(AliasRow).where(AliasRow.name == name).order_by(AliasRow.alias)
    return session.scalars(query).all()


def names(session: Session, after: str, limit: int) -> Sequence[str]:
    """Names of models, in order, after a given one."""
    query = select(VersionRow.name).where(VersionRow.name > after).distinct()
    return session.scalars(query.order_by(VersionRow.name).limit(limit)).all()


def versions(session: Session, name: str, before: int | None, limit: int) -> Sequence[VersionRow]:
    """Versions of a model, the newest first."""
    query = select(VersionRow).where(VersionRow.name == name)
    if before is not None:
        query = query.where(VersionRow.version < before)
    return session.scalars(query.order_by(VersionRow.version.desc()).limit(limit)).all()


def history(
    session: Session, name: str, alias: str | None, before: int | None, limit: int
) -> Sequence[AliasMoveRow]:
    """Moves of one alias of a model or of all, the newest first."""
    query = select(AliasMoveRow).where(AliasMoveRow.name == name)
    if alias is not None:
        query = query.where(AliasMoveRow.alias == alias)
    if before is not None:
        query = query.where(AliasMoveRow.id < before)
    return session.scalars(query.order_by(AliasMoveRow.id.desc()).limit(limit)).all()


def recent_moves(session: Session, limit: int) -> Sequence[AliasMoveRow]:
    """The last moves of all models, the newest first."""
    return session.scalars(select(AliasMoveRow).order_by(AliasMoveRow.id.desc()).limit(limit)).all()


def move_before(session: Session, row: AliasRow) -> AliasMoveRow | None:
    """The move that a roll-back returns to: to the last version before what was promoted here.

    A roll-back stands where the move stands that it returned to, so that a second one goes further
    back, and never forward again.
    """
    query = select(AliasMoveRow).where(
        AliasMoveRow.name == row.name, AliasMoveRow.alias == row.alias, AliasMoveRow.is_moved
    )
    moves = {each.revision: each for each in session.scalars(query)}
    place = _place(moves, row.revision)
    while place in moves and moves[place].to_version == row.version:
        place = _place(moves, place - 1)
    return moves.get(place)


def _place(moves: Mapping[int, AliasMoveRow], revision: int) -> int:
    """Where in the history an alias stood after one of its moves."""
    found = moves.get(revision)
    return revision if found is None or found.returns_to is None else found.returns_to


def move(session: Session, name: str, alias: str, wish: Move, now: datetime) -> AliasRow:
    """Let an alias stand for a version, and write it into the history, in one transaction."""
    version_of(session, name, wish.version)
    row = alias_of(session, name, alias)
    before = None if row is None else row.version
    if row is None:
        row = AliasRow(name=name, alias=alias, version=wish.version, revision=0)
        session.add(row)
    row.version, row.revision = wish.version, row.revision + 1
    session.add(_told(name, alias, row.revision, before, wish, now, is_moved=True))
    session.flush()
    return row


def refuse(session: Session, name: str, alias: str, wish: Move, now: datetime) -> None:
    """Write into the history that an alias was not moved, and why."""
    row = alias_of(session, name, alias)
    before, revision = (None, 0) if row is None else (row.version, row.revision)
    session.add(_told(name, alias, revision, before, wish, now, is_moved=False))


def _told(
    name: str, alias: str, revision: int, before: int | None, wish: Move, now: datetime,
    *, is_moved: bool,
) -> AliasMoveRow:  # fmt: skip
    return AliasMoveRow(
        name=name, alias=alias, revision=revision, from_version=before, to_version=wish.version,
        returns_to=wish.returns_to, is_moved=is_moved, actor=wish.actor, reason=wish.reason,
        evidence=wish.evidence, at=now,
    )  # fmt: skip
