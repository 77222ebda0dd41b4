"""A job as the rest of the service sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.jobs.states import AttemptState, JobState
from service.jobs.tables import ArtefactRow, AttemptRow, EventRow, JobRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Where one job stands."""

    id: str
    owner: str
    kind: str
    title: str | None
    spec: dict[str, Any]
    state: JobState
    reason: str | None
    """Why it ended as it did, or waits again."""
    cores: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: float
    step: str | None
    seconds_left: float | None
    attempts: int
    generation: int
    last_event: int
    outcome: dict[str, Any] | None

    @classmethod
    def of(cls, row: JobRow) -> Job:
        """What a row says."""
        return cls(
            id=row.id,
            owner=row.owner,
            kind=row.kind,
            title=row.title,
            spec=row.spec,
            state=JobState(row.state),
            reason=row.reason,
            cores=row.cores,
            created_at=row.created_at,
            started_at=row.started_at,
            ended_at=row.ended_at,
            progress=row.progress,
            step=row.step,
            seconds_left=row.seconds_left,
            attempts=row.attempts,
            generation=row.generation,
            last_event=row.last_event,
            outcome=row.outcome,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One process that worked on a job."""

    number: int
    generation: int
    state: AttemptState
    reason: str | None
    last_lines: str | None
    exit_code: int | None
    started_at: datetime
    ended_at: datetime | None
    steps: int

    @classmethod
    def of(cls, row: AttemptRow) -> Attempt:
        """What a row says."""
        return cls(
            number=row.number,
            generation=row.generation,
            state=AttemptState(row.state),
            reason=row.reason,
            last_lines=row.last_lines,
            exit_code=row.exit_code,
            started_at=row.started_at,
            ended_at=row.ended_at,
            steps=row.steps,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One thing that happened to a job."""

    sequence: int
    kind: str
    at: datetime
    attempt: int | None
    payload: dict[str, Any]

    @classmethod
    def of(cls, row: EventRow) -> Event:
        """What a row says."""
        return cls(
            sequence=row.sequence,
            kind=row.kind,
            at=row.at,
            attempt=row.attempt,
            payload=row.payload,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """One thing that a finished job has made."""

    name: str
    kind: str
    folder: str
    """Within the data folder."""
    files: tuple[dict[str, Any], ...]
    facts: dict[str, Any]
    published: dict[str, Any] | None

    @classmethod
    def of(cls, row: ArtefactRow) -> Artefact:
        """What a row says."""
        return cls(
            name=row.name,
            kind=row.kind,
            folder=row.folder,
            files=tuple(row.files),
            facts=row.facts,
            published=row.published,
        )
