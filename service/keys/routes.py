"""/v1/keys: for whoever administers the service."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request

from service.keys.repository import Keyring
from service.keys.schemas import Key, KeyOrder, NewKey
from service.paging import Page
from service.problems import Problem
from service.security import Admin

router = APIRouter(prefix="/keys", tags=["keys"])


@router.post("", status_code=201)
def create_key(request: Request, order: KeyOrder, _: Admin) -> NewKey:
    """Make a key."""
    made = _keyring(request).create(name=order.name, owner=order.owner, scopes=order.scopes)
    return NewKey(key=made)


@router.get("")
def list_keys(request: Request, _: Admin) -> Page[Key]:
    """All keys that were ever made."""
    rows = _keyring(request).all()
    return Page(items=[Key.model_validate(row, from_attributes=True) for row in rows])


@router.delete("/{key_id}", status_code=204)
def revoke_key(
    request: Request, key_id: Annotated[str, Path(max_length=16)], principal: Admin
) -> None:
    """Make a key worthless, within seconds everywhere.

    Not the key that asks: whoever replaces it makes another one, and revokes the old one with that.
    """
    if key_id == principal.key_id:
        raise Problem("conflict", "a key does not revoke itself: do it with another one")
    if not _keyring(request).revoke(key_id):
        raise Problem("not_found", "no key of that id")


def _keyring(request: Request) -> Keyring:
    keyring: Keyring = request.app.state.keyring
    return keyring
