"""What an operator does at the machine itself, with the service running or not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from service.clock import SystemClock
from service.database import Database
from service.keys.repository import InvalidKey, Keyring
from service.settings import Settings


def create_key(settings: Settings, name: str, owner: str, scopes: list[str]) -> str:
    """A new key; raises InvalidKey for a scope that there is not."""
    with _keyring(settings) as keyring:
        return keyring.create(name=name, owner=owner, scopes=scopes)


def list_keys(settings: Settings) -> list[str]:
    """A line for each key."""
    with _keyring(settings) as keyring:
        return [
            f"{row.id}  {row.created_at:%Y-%m-%d}  {'revoked' if row.revoked_at else 'good   '}  "
            f"{row.owner}  {','.join(row.scopes)}  {row.name}"
            for row in keyring.all()
        ]


def revoke_key(settings: Settings, key_id: str) -> None:
    """Make a key worthless; raises InvalidKey where there is none of that id."""
    with _keyring(settings) as keyring:
        if not keyring.revoke(key_id):
            raise InvalidKey(f"no key {key_id!r}: `surrogym keys list` has the ids")


@contextmanager
def _keyring(settings: Settings) -> Iterator[Keyring]:
    database = Database(settings.database)
    try:
        database.upgrade()
        yield Keyring(database, SystemClock())
    finally:
        database.close()
