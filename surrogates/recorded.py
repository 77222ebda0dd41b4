"""The settings of a fit, kept beside the arrays that came of it so that it can be gone on with."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import numpy as np

_PREFIX = "settings."
Settings = TypeVar("Settings")


def settings_to_tensors(settings: Any) -> dict[str, np.ndarray]:
    """Every field of a record of numbers, by name."""
    return {f"{_PREFIX}{f.name}": np.array(getattr(settings, f.name)) for f in fields(settings)}


def settings_from_tensors(kind: type[Settings], tensors: dict[str, np.ndarray]) -> Settings:
    """The record that was written, with defaults for what an older release did not have."""
    found = {
        f.name: tensors[_PREFIX + f.name].item()
        for f in fields(kind)  # type: ignore[arg-type]
        if _PREFIX + f.name in tensors
    }
    return kind(**found)
