"""What every answer bears, whoever writes it: the request's id, and what browsers are told."""

from __future__ import annotations

import re
import uuid

SAFE = tuple(
    (name.lower().encode(), value.encode())
    for name, value in {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Content-Security-Policy": (
            "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
            "frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        ),
    }.items()
)
"""Headers of every answer that does not say otherwise."""
_GOOD_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")


def identity_of(given: str) -> str:
    """The id that a request came with, a new one where that is none."""
    return given if _GOOD_ID.fullmatch(given) else uuid.uuid4().hex
