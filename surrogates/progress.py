"""Who hears how far a fit has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float], None]
"""Told the share done, rising to 1."""


def unheard(share: float) -> None:
    """What hears the progress when the caller does not."""
