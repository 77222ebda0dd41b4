"""Models over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from service.bodies import Strict
from service.jobs.registry import MODEL_NAME
from service.models.artefacts import Kind

NAME = MODEL_NAME
ALIAS = r"^[a-z][a-z0-9_-]{0,31}$"
_LARGEST = 4096
Row = Annotated[list[Annotated[float, Field(allow_inf_nan=False)]], Field(max_length=_LARGEST)]


class Version(BaseModel):
    """One immutable version."""

    name: str
    version: int
    kind: Kind
    system: str
    owner: str
    digest: str = Field(description="SHA-256 over the SHA-256 of manifest and weights")
    size_bytes: int
    lineage: dict[str, Any] = Field(description="Where it comes from: data, seeds, jobs, commit")
    created_at: datetime


class Alias(BaseModel):
    """Which version is meant by a name that stays."""

    alias: str
    version: int
    revision: int = Field(description="Counts its moves; the ETag to send back as If-Match")


class RolledBack(Alias):
    """An alias that went back."""

    from_version: int
    to_version: int


class Model(BaseModel):
    """A model: its newest version and its aliases."""

    name: str
    latest: Version
    aliases: list[Alias]


class AliasMove(BaseModel):
    """One entry of the history, which is only ever added to."""

    id: int
    alias: str
    revision: int
    from_version: int | None
    to_version: int
    returns_to: int | None = Field(description="Revision that a roll-back returned to")
    is_moved: bool = Field(description="False where the move was refused")
    actor: str
    reason: str
    evidence: dict[str, Any] | None
    at: datetime


class AliasOrder(Strict):
    """Which version an alias is to stand for."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"version": 3, "reason": "better on last month's days"}]},
    )

    version: int = Field(ge=1, le=99_999_999)
    reason: str = Field(min_length=1, max_length=500)


class RollBackOrder(Strict):
    """Why an alias goes back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "queues grew since the promotion"}]},
    )

    reason: str = Field(min_length=1, max_length=500)


class PromotionOrder(Strict):
    """A wish to make a version champion."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "version": 4,
                    "reason": "re-trained after arrivals rose",
                    "job": "job-0193a5c2f7e1a1b2c3d4e5f6",
                }
            ]
        },
    )

    version: int = Field(ge=1, le=99_999_999)
    reason: str = Field(min_length=1, max_length=500)
    job: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9_-]{1,40}$",
        description="The `retrain` job that made the version, and whose gate is the evidence",
    )


class Question(Strict):
    """Observations that need decisions: a row each, in the order that the policy was trained on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"observations": [[0.1, -0.4, 0.0]]}]}
    )

    observations: list[Row] = Field(min_length=1, max_length=_LARGEST)
    allowed: list[Annotated[list[bool], Field(max_length=_LARGEST)]] | None = Field(
        default=None, max_length=_LARGEST, description="Which decisions each row may take"
    )
    memory: list[Row] | None = Field(
        default=None, max_length=_LARGEST,
        description="What the last answer gave back, for a policy that remembers; absent at the "
        "beginning of episodes",
    )  # fmt: skip


class Answer(BaseModel):
    """A decision for each row."""

    actions: list[int] | list[list[int]] | list[list[float]] = Field(
        description="By the policy's form: a joint choice, a level for each lever, or numbers"
    )
    memory: list[list[float]] | None = Field(
        default=None, description="Give it back with the next observations of the same episodes"
    )
    model: str
    version: int
