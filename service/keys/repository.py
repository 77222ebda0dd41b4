"""Keys in the database."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from sqlalchemy import select

from service.clock import Clock
from service.database import Database
from service.keys.tables import KeyRow
from sim.errors import SurrogymError, suggestion

Scope = Literal["read", "step", "train", "promote", "admin"]
"""read everything of one's own; step sessions and ask policies; submit jobs and telemetry; move
aliases; do all of it for everybody, and keep keys."""
SCOPES: tuple[Scope, ...] = get_args(Scope)

_FORM = re.compile(r"sgk_([0-9a-f]{12})_([A-Za-z0-9_-]{32,128})")
_OPERATORS = "operator"


class InvalidKey(SurrogymError):
    """A key that cannot be made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks."""

    key_id: str
    owner: str
    """Whom whatever is made belongs to."""
    scopes: frozenset[Scope]

    def may(self, scope: Scope) -> bool:
        """Whether the key allows it; admin allows all, and everybody who may do something reads."""
        return scope == "read" or scope in self.scopes or "admin" in self.scopes

    @property
    def actor(self) -> str:
        """How histories call whoever did something: the owner, and by which key."""
        return f"{self.owner} ({self.key_id})"

    @property
    def is_admin(self) -> bool:
        """Whether what belongs to others may be seen and touched."""
        return "admin" in self.scopes

    @property
    def whose(self) -> str | None:
        """Whose things are meant; None for everybody's."""
        return None if self.is_admin else self.owner


class Keyring:
    """Makes, finds and revokes keys."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def create(self, *, name: str, owner: str, scopes: Iterable[str]) -> str:
        """A new key, told this once; raises InvalidKey for a scope that there is not."""
        secret = secrets.token_urlsafe(32)
        return self._keep(secrets.token_hex(6), secret, name, owner, _checked(scopes))

    def adopt(self, secret: str, *, name: str, owner: str) -> None:
        """Make sure that an operator's own admin key is known, and is the only one of its kind."""
        with self._database.begin() as session:
            row = session.get(KeyRow, _OPERATORS)
            if row is None:
                row = KeyRow(id=_OPERATORS, name=name, owner=owner, created_at=self._clock.now())
                session.add(row)
            row.digest, row.scopes, row.revoked_at = _digest(secret), ["admin"], None

    def find(self, token: str) -> Principal | None:
        """Who holds this key; None where nobody does, or not any longer."""
        form = _FORM.fullmatch(token)
        identifier, secret = form.groups() if form else (_OPERATORS, token)
        with self._database.read() as session:
            row = session.get(KeyRow, identifier)
        if row is None or row.revoked_at is not None:
            return None
        if not hmac.compare_digest(row.digest, _digest(secret)):
            return None
        return _principal(row)

    def holder(self, key_id: str) -> Principal | None:
        """Whom a key that is still good belongs to."""
        with self._database.read() as session:
            row = session.get(KeyRow, key_id)
        return None if row is None or row.revoked_at is not None else _principal(row)

    def good_among(self, key_ids: Collection[str]) -> set[str]:
        """Those of some keys that were not revoked."""
        query = select(KeyRow.id).where(KeyRow.id.in_(key_ids), KeyRow.revoked_at.is_(None))
        with self._database.read() as session:
            return set(session.scalars(query))

    def all(self) -> list[KeyRow]:
        """Every key that was ever made, the oldest first."""
        with self._database.read() as session:
            return list(session.scalars(select(KeyRow).order_by(KeyRow.created_at, KeyRow.id)))

    def revoke(self, key_id: str) -> bool:
        """Make a key worthless; whether there was one to revoke."""
        with self._database.begin() as session:
            row = session.get(KeyRow, key_id)
            if row is None:
                return False
            row.revoked_at = row.revoked_at or self._clock.now()
            return True

    def _keep(
        self, identifier: str, secret: str, name: str, owner: str, scopes: list[Scope]
    ) -> str:
        made: datetime = self._clock.now()
        row = KeyRow(
            id=identifier, name=name, owner=owner, scopes=scopes, digest=_digest(secret),
            created_at=made,
        )  # fmt: skip
        with self._database.begin() as session:
            session.add(row)
        return f"sgk_{identifier}_{secret}"


def _principal(row: KeyRow) -> Principal:
    scopes = frozenset(scope for scope in SCOPES if scope in row.scopes)
    return Principal(key_id=row.id, owner=row.owner, scopes=scopes)


def _checked(scopes: Iterable[str]) -> list[Scope]:
    asked = set(scopes)
    for name in sorted(asked - set(SCOPES)):
        raise InvalidKey(f"no scope {name!r}{suggestion(name, SCOPES)}")
    if not asked:
        raise InvalidKey(f"a key without a scope: give one of {', '.join(SCOPES)}")
    return [scope for scope in SCOPES if scope in asked]


def _digest(secret: str) -> str:
    # Keys are long and random, so that one round of SHA-256 leaves nothing to guess.
    return hashlib.sha256(secret.encode()).hexdigest()
