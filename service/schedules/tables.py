"""Schedules and their runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Index, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Base, Document, UtcDateTime


class ScheduleRow(Base):
    """What is done about one monitor, and when."""

    __tablename__ = "schedules"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    monitor_id: Mapped[str] = mapped_column(ForeignKey("monitors.id", ondelete="CASCADE"))
    order: Mapped[dict[str, Any]] = mapped_column(Document)
    objective: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """Costs that are wanted in place of the scenario's."""
    objective_number: Mapped[int] = mapped_column(Integer)
    is_paused: Mapped[bool] = mapped_column()
    reason: Mapped[str | None] = mapped_column(String(1000))
    failures: Mapped[int] = mapped_column(Integer)
    """In a row."""
    runs: Mapped[int] = mapped_column(Integer)
    planned_until: Mapped[datetime] = mapped_column(UtcDateTime)
    """Cron times up to here are planned or passed over."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_schedules_owner", "owner", "created_at", "id"),
        Index("ix_schedules_monitor", "monitor_id"),
    )


class RunRow(Base):
    """One answer: from what asked for it to what came of it."""

    __tablename__ = "schedule_runs"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    schedule_id: Mapped[str] = mapped_column(ForeignKey("schedules.id", ondelete="CASCADE"))
    monitor_id: Mapped[str] = mapped_column(String(32))
    owner: Mapped[str] = mapped_column(String(100))
    number: Mapped[int] = mapped_column(Integer)
    trigger: Mapped[str] = mapped_column(String(12))
    key: Mapped[str] = mapped_column(String(120))
    """What it answers: asked for twice, there is one run."""
    planned_at: Mapped[datetime] = mapped_column(UtcDateTime)
    begin_at: Mapped[datetime] = mapped_column(UtcDateTime)
    state: Mapped[str] = mapped_column(String(12))
    reason: Mapped[str | None] = mapped_column(String(1000))
    base: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """What was in charge, believed and wanted when it began."""
    calibrate_job: Mapped[str | None] = mapped_column(String(40))
    retrain_job: Mapped[str | None] = mapped_column(String(40))
    decision: Mapped[dict[str, Any] | None] = mapped_column(Document)
    outcome: Mapped[dict[str, Any] | None] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        UniqueConstraint("schedule_id", "key"),
        Index("ix_schedule_runs_state", "state", "begin_at"),
        Index("ix_schedule_runs_schedule", "schedule_id", "created_at", "id"),
        Index("ix_schedule_runs_owner", "owner", "created_at", "id"),
    )
