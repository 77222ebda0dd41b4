"""What the bodies of requests have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Strict(BaseModel):
    """What is sent to us; a name that nobody reads is a mistake."""

    model_config = ConfigDict(extra="forbid")
