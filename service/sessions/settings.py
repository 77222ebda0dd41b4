"""What an operator may set of sessions: `SURROGYM_SESSIONS__CAPACITY` and so on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class SessionSettings(BaseModel):
    """Of stepping."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    capacity: int = Field(default=1024, ge=1)
    """Most sessions at once, of all owners."""
    quota: int = Field(default=512, ge=1)
    """Most sessions of one owner at once."""
    simulator_workers: int = Field(default=2, ge=1, le=256)
    """Processes in which true simulators run."""
    surrogate_workers: int = Field(default=1, ge=1, le=256)
    """Processes in which surrogates run; each has a copy of every surrogate in use."""
    worker_memory_mib: int | None = Field(default=None, ge=64)
    """Most address space of a worker beyond what it begins with."""
    step_seconds: float = Field(default=30.0, gt=0)
    """Most time of one step; the worker of a slower one is killed and its session fails."""
    survived_kills: int = Field(default=5, ge=0)
    """Times that a session is brought back after its worker was killed in one and the same command;
    beyond that its simulator is taken to be at fault: the kernel kills who takes all memory."""
    open_seconds: float = Field(default=120.0, gt=0)
    """Most time of building an environment, and of bringing one back."""
    unused_seconds: float = Field(default=120.0, gt=0)
    """After so long without any step a session that was never stepped expires."""
    idle_seconds: float = Field(default=1800.0, gt=0)
    """After so long without a step one that was stepped expires, unless it asked for less."""
    reap_seconds: float = Field(default=5.0, gt=0)
    """How often idle sessions are looked for."""
    remembered_seconds: float = Field(default=86_400.0, gt=0)
    """For how long the reason of an ended session, and an unused snapshot, are kept."""
    most_envs: int = Field(default=16_384, ge=1)
    """Copies in one session on a surrogate."""
    most_simulators: int = Field(default=256, ge=1)
    """Copies in one session on a true simulator."""
    log_bytes: int = Field(default=256 << 20, ge=1 << 10)
    """Most bytes of one session's action log; the step beyond is refused."""
    credit: int = Field(default=16, ge=1, le=256)
    """Commands of one stream that may be under way; as many replies are kept for repeats."""
