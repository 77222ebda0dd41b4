"""What a process is told about a monitor: where things are, and how closely is watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What a monitor is about, where a process finds it."""

    reference: str
    """Of the system, as `sim.scenario.load_scenario` takes it."""
    surrogate: Path
    policy: Path
    beliefs: tuple[tuple[str, float], ...]
    folder: Path
    """Of this calibration."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """How closely is watched."""

    detectors: tuple[str, ...]
    run_length: float
    in_control_days: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadowed:
    """Who is compared, and where a process finds what it needs."""

    reference: str
    """Of the system, as `sim.scenario.load_scenario` takes it."""
    surrogate: Path
    policy: Path
    challenger: Path
    beliefs: tuple[tuple[str, float], ...]
    objective: Mapping[str, Any] | None
    """Costs in place of the scenario's."""
