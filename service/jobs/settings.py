"""What an operator may set of training jobs."""

from __future__ import annotations

import os

from pydantic import BaseModel, ConfigDict, Field


def _cores() -> int:
    return len(os.sched_getaffinity(0))


class JobSettings(BaseModel):
    """How many jobs run, how long, and how closely they are watched."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cores: int = Field(default_factory=_cores, ge=0)
    """Cores that jobs may have on this machine, over all services on it; 0 runs none here."""
    queued_per_owner: int = Field(default=100, ge=1)
    """Jobs of one owner that may be waiting or running."""
    crashes: int = Field(default=3, ge=1)
    """Attempts in a row that may crash or stall without finishing a step."""
    losses: int = Field(default=100, ge=1)
    """Attempts in a row that may end with the service without finishing a step."""
    wait_seconds: float = Field(default=1.0, ge=0, le=60)
    """Before a crashed job is tried again, doubled each time in a row."""
    limit_seconds: float = Field(default=24 * 3600.0, gt=0)
    """Wall time of one attempt, at most and by default."""
    stall_seconds: float = Field(default=3600.0, gt=0)
    """Without any news after which an attempt is taken to be stuck, at most and by default."""
    lease_seconds: float = Field(default=60.0, ge=2)
    """For which a service holds a job after it was last able to say so: longer than a database may
    be away for."""
    heartbeat_seconds: float = Field(default=3.0, gt=0)
    """Between two times that it says so."""
    poll_seconds: float = Field(default=0.3, gt=0)
    """Between two looks at the processes and the queue."""
    grace_seconds: float = Field(default=2.0, ge=0)
    """From asking a process to end to ending it."""
    log_bytes: int = Field(default=16 << 20, ge=1 << 12)
    """Of one attempt's log; where it grows beyond, it begins anew."""
