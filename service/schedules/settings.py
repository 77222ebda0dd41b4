"""What an operator may set of schedules: `SURROGYM_SCHEDULES__PER_OWNER` and so on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ScheduleSettings(BaseModel):
    """Of the scheduler."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    per_owner: int = Field(default=100, ge=1)
    """Most schedules of one owner."""
    look_seconds: float = Field(default=2.0, gt=0)
    """How often it is looked for what is due."""
    retry_seconds: float = Field(default=60.0, gt=0)
    """Before an alarm whose run failed is answered again; doubled each time."""
    backfill: int = Field(default=100, ge=1)
    """Most runs that one backfill may ask for."""
