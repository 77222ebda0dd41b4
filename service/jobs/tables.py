"""Jobs in the database: what was asked, who has charge of it, and all that happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Double, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Base, Document, UtcDateTime


class JobRow(Base):
    """One job."""

    __tablename__ = "jobs"
    __table_args__ = (
        UniqueConstraint("owner", "idempotency_key"),
        Index("ix_jobs_state", "state", "queued_at"),
        Index("ix_jobs_owner", "owner", "id"),
    )

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str | None] = mapped_column(String(200))
    spec: Mapped[dict[str, Any]] = mapped_column(Document)
    spec_digest: Mapped[str] = mapped_column(String(64))
    inputs: Mapped[dict[str, str]] = mapped_column(Document)
    """Folders of what it stands on, within the data folder, by the names that the spec gives."""
    idempotency_key: Mapped[str | None] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    cores: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    queued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    not_before: Mapped[datetime | None] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    progress: Mapped[float] = mapped_column(Double)
    step: Mapped[str | None] = mapped_column(String(100))
    seconds_left: Mapped[float | None] = mapped_column(Double)
    generation: Mapped[int]
    """How often it was begun from the start; steps of earlier times do not count."""
    attempts: Mapped[int]
    crashes: Mapped[int]
    """In a row, without a finished step."""
    losses: Mapped[int]
    """In a row, without a finished step."""
    last_event: Mapped[int]
    outcome: Mapped[dict[str, Any] | None] = mapped_column(Document)

    token: Mapped[int]
    """Grows whenever somebody takes charge: who holds an older one has no say any more."""
    holder: Mapped[str | None] = mapped_column(String(64))
    """The service that has charge of it."""
    host: Mapped[str | None] = mapped_column(String(200))
    holder_process: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


class AttemptRow(Base):
    """One process that worked on a job."""

    __tablename__ = "job_attempts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    last_lines: Mapped[str | None] = mapped_column(Text)
    exit_code: Mapped[int | None]
    host: Mapped[str] = mapped_column(String(200))
    process: Mapped[str | None] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    steps: Mapped[int]
    """Finished by it."""
    read_bytes: Mapped[int] = mapped_column(BigInteger)
    """How much of its notes has become events."""


class EventRow(Base):
    """One thing that happened to a job; never changed."""

    __tablename__ = "job_events"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    sequence: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempt: Mapped[int | None]
    payload: Mapped[dict[str, Any]] = mapped_column(Document)


class ArtefactRow(Base):
    """One thing that a finished job has made."""

    __tablename__ = "job_artefacts"

    job_id: Mapped[str] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True)
    name: Mapped[str] = mapped_column(String(60), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    folder: Mapped[str] = mapped_column(String(300))
    """Within the data folder."""
    files: Mapped[list[dict[str, Any]]] = mapped_column(Document)
    """Name, bytes and sha256 of each."""
    facts: Mapped[dict[str, Any]] = mapped_column(Document)
    published: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """Name and version under which it was registered."""
