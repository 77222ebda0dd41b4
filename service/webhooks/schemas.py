"""Webhooks over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.bodies import Strict

EventName = Literal[
    "monitor.alarm",
    "monitor.failed",
    "model.promoted",
    "model.kept",
    "job.failed",
    "run.ended",
    "run.failed",
    "schedule.paused",
]
TEST = "webhook.test"


class WebhookOrder(Strict):
    """A receiver that is to be told."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "url": "https://example.com/hooks/surrogym",
                    "events": ["monitor.alarm", "model.promoted", "run.failed"],
                }
            ]
        },
    )

    url: str = Field(max_length=2000, pattern=r"^https?://[!-~]+$")
    events: list[EventName] = Field(
        default=["monitor.alarm", "monitor.failed", "model.promoted", "job.failed", "run.failed"],
        min_length=1,
        max_length=8,
        description="`model.kept` is a promotion that the evidence did not allow, `job.failed` any "
        "job that is not tried again, also one that a run of a schedule began",
    )
    hears_all: bool = Field(
        default=False, description="Told what happens to everybody; for admins alone"
    )


class Webhook(BaseModel):
    """A receiver, but for its secret."""

    id: str
    owner: str
    url: str
    events: list[str]
    hears_all: bool
    is_enabled: bool
    reason: str | None = Field(description="Why it is disabled")
    failures: int = Field(description="In a row")
    created_at: datetime


class NewWebhook(Webhook):
    """A receiver as it is told once."""

    secret: str = Field(
        description="Keep it: it is not told again. Verify each delivery with it: the HMAC-SHA256 "
        "of `webhook-id.webhook-timestamp.body` is in `webhook-signature` (Standard Webhooks)"
    )


class Delivery(BaseModel):
    """One thing that it was told, or is to be told; receivers know repeats by the id."""

    id: str
    event: str
    state: Literal["pending", "delivered", "given up"]
    attempts: int
    next_at: datetime
    status: int | None = Field(description="HTTP status of the last answer")
    error: str | None
    created_at: datetime
    ended_at: datetime | None
