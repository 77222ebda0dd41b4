"""Keys from Python: who may do what, for whoever administers the service."""

from __future__ import annotations

from service.client.transport import Transport
from service.keys.repository import Scope
from service.keys.schemas import Key, NewKey

_URL = "/v1/keys"


class KeysClient:
    """The key ring."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, name: str, owner: str, *scopes: Scope) -> str:
        """A new key; it is in this answer and nowhere else."""
        order = {"name": name, "owner": owner, "scopes": scopes}
        return NewKey.model_validate(self._transport.request("POST", _URL, json=order).json()).key

    def list(self) -> list[Key]:
        """All keys that were ever made, but for their secrets, the oldest first."""
        return [Key.model_validate(item) for item in self._transport.items(_URL)]

    def revoke(self, key_id: str) -> None:
        """Make a key worthless, within seconds everywhere."""
        self._transport.request("DELETE", f"{_URL}/{key_id}")
