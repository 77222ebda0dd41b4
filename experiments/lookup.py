"""Settings of studies by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from experiments.errors import UnknownSetting
from sim.errors import suggestion

S = TypeVar("S")


def found(name: str, known: Mapping[str, S], what: str) -> S:
    """The one of that name; raises UnknownSetting, with the nearest, where there is none."""
    if name not in known:
        raise UnknownSetting(f"no {what} {name!r} here{suggestion(name, known)}")
    return known[name]
