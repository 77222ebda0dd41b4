"""Signatures as Standard Webhooks has them, so that receivers verify them with any library."""

from __future__ import annotations

import base64
import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

_PREFIX = "whsec_"


def secret_of(key: bytes, webhook_id: str, salt: str) -> str:
    """The secret of a webhook, made anew each time: the database alone gives none away."""
    made = hmac.new(key, f"{webhook_id}.{salt}".encode(), sha256).digest()
    return _PREFIX + base64.b64encode(made).decode()


def sign(secret: str, delivery_id: str, timestamp: int, body: str) -> str:
    """What the header `webhook-signature` has."""
    key = base64.b64decode(secret.removeprefix(_PREFIX))
    signed = f"{delivery_id}.{timestamp}.{body}".encode()
    return "v1," + base64.b64encode(hmac.new(key, signed, sha256).digest()).decode()


def signing_key(data: Path) -> bytes:
    """What secrets are made from: drawn once, readable by the service alone."""
    path = data / "webhook-key"
    if not path.exists():
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        partial.touch(mode=0o600)
        partial.write_bytes(secrets.token_bytes(32))
        try:
            # Of two services that start at once, one draws it.
            os.link(partial, path)
        except FileExistsError:
            pass
        finally:
            partial.unlink()
    return path.read_bytes()
