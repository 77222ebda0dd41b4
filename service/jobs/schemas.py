"""Jobs as they are told over HTTP."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.bodies import Strict
from service.jobs.states import AttemptState, JobState

KindName = Literal[
    "collect", "fit", "train", "fine_tune", "evaluate", "calibrate", "retrain", "pipeline"
]


class JobDocument(BaseModel):
    """Where a job stands."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    owner: str
    kind: KindName
    title: str | None
    state: JobState
    reason: str | None = Field(description="Why it ended as it did, or waits again")
    cores: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: float = Field(description="Share that is done, from 0 to 1")
    step: str | None
    seconds_left: float | None = Field(description="At the pace so far")
    attempts: int
    generation: int = Field(description="How often it was begun from the start")
    last_event: int = Field(description="For following it from here on")
    outcome: dict[str, Any] | None


class AttemptDocument(BaseModel):
    """One process that worked on a job."""

    model_config = ConfigDict(from_attributes=True)

    number: int
    generation: int
    state: AttemptState
    reason: str | None
    last_lines: str | None = Field(description="The end of its log, where it failed")
    exit_code: int | None = Field(description="Negative: the signal that ended it")
    started_at: datetime
    ended_at: datetime | None
    steps: int = Field(description="Steps that it has finished")


class JobStory(JobDocument):
    """A job with all that is known of it."""

    spec: dict[str, Any]
    attempts_made: list[AttemptDocument]


class EventDocument(BaseModel):
    """One thing that happened: `state`, `step`, `progress`, `point` of a curve, or `note`."""

    model_config = ConfigDict(from_attributes=True)

    sequence: int
    kind: str
    at: datetime
    attempt: int | None
    payload: dict[str, Any]


class PointDocument(BaseModel):
    """One point of a learning curve."""

    attempt: int | None
    training: str
    seconds: float
    steps: int
    episodes: int
    mean_return: float | None
    evaluation: float | None


class FileDocument(BaseModel):
    """One file of an artefact."""

    name: str
    bytes: int
    sha256: str


class ArtefactDocument(BaseModel):
    """One thing that a job has made."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    kind: str
    files: list[FileDocument]
    facts: dict[str, Any] = Field(description="Where it comes from")
    published: dict[str, Any] | None = Field(description="Model and version it was registered as")


class CancelOrder(Strict):
    """Why a job is cancelled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"reason": "the wrong scenario"}]})

    reason: str | None = Field(default=None, max_length=500)
