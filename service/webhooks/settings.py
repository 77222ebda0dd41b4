"""What an operator may set of webhooks: `SURROGYM_WEBHOOKS__MAY_BE_PRIVATE` and so on."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class WebhookSettings(BaseModel):
    """Of telling others."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    may_be_private: bool = False
    """Whether receivers on this machine and in private networks are called as well."""
    per_owner: int = Field(default=20, ge=1)
    """Most webhooks of one owner."""
    timeout_seconds: float = Field(default=10.0, gt=0, le=60)
    """In which a receiver has to answer."""
    wait_seconds: float = Field(default=5.0, gt=0)
    """Before the second try, doubled with every further one."""
    longest_wait_seconds: float = Field(default=4 * 3600.0, gt=0)
    """Between two tries."""
    attempts: int = Field(default=14, ge=1)
    """After which a delivery is given up: in about a day."""
    failures: int = Field(default=50, ge=1)
    """Tries in a row, of whatever deliveries, after which a webhook is disabled."""
    at_once: int = Field(default=8, ge=1, le=64)
    """Receivers that are called at the same time; each has one delivery at a time."""
    look_seconds: float = Field(default=1.0, gt=0)
    """Between two looks for what is due."""
    keep_days: float = Field(default=30.0, gt=0)
    """For which ended deliveries are kept to be looked at."""
