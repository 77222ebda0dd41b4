"""What an operator may set of monitors: `SURROGYM_MONITORS__PER_OWNER` and so on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class MonitorSettings(BaseModel):
    """Of watching."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_owner: int = Field(default=100, ge=1)
    """Most monitors of one owner."""
    epochs_per_request: int = Field(default=10_000, ge=1)
    """Most epochs in one request."""
    look_seconds: float = Field(default=2.0, gt=0)
    """How often it is looked for days that were waited for long enough."""
    calibration_seconds: float = Field(default=3600.0, gt=0)
    """Most time of a calibration, which simulates days in control."""
    observation_seconds: float = Field(default=120.0, gt=0)
    """Most time of judging one day."""
    attempts: int = Field(default=3, ge=1)
    """How often a calibration or a day is tried before the monitor fails."""
