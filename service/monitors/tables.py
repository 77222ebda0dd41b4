"""Monitors, their days and their epochs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Base, Document, UtcDateTime


class MonitorRow(Base):
    """One monitor as it stands."""

    __tablename__ = "monitors"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    system: Mapped[str] = mapped_column(String(130))
    surrogate: Mapped[str] = mapped_column(String(120))
    policy: Mapped[str] = mapped_column(String(120))
    beliefs: Mapped[dict[str, float]] = mapped_column(Document)
    watch: Mapped[dict[str, Any]] = mapped_column(Document)
    state: Mapped[str] = mapped_column(String(16))
    is_paused: Mapped[bool] = mapped_column()
    reason: Mapped[str | None] = mapped_column(String(1000))
    generation: Mapped[int] = mapped_column(Integer)
    attempts: Mapped[int] = mapped_column(Integer)
    first_day: Mapped[int] = mapped_column(BigInteger)
    """From which on days are expected."""
    next_day: Mapped[int] = mapped_column(BigInteger)
    states: Mapped[dict[str, Any] | None] = mapped_column(Document)
    calibration: Mapped[dict[str, Any] | None] = mapped_column(Document)
    alarm: Mapped[dict[str, Any] | None] = mapped_column(Document)
    shadow: Mapped[dict[str, Any] | None] = mapped_column(Document)
    """Who watches days to be compared with whom, and from which day on."""
    duplicates: Mapped[int] = mapped_column(Integer)
    conflicts: Mapped[int] = mapped_column(Integer)
    late: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_epoch_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_monitors_owner", "owner", "created_at", "id"),)


class MonitorDayRow(Base):
    """One day of a monitor: what came of it, and what the detectors said."""

    __tablename__ = "monitor_days"

    monitor_id: Mapped[str] = mapped_column(
        ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    received: Mapped[int] = mapped_column(Integer)
    length: Mapped[int | None] = mapped_column(Integer)
    """Epochs that it has, known once the last one came."""
    first_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    outcome: Mapped[str] = mapped_column(String(10))
    generation: Mapped[int | None] = mapped_column(Integer)
    verdicts: Mapped[dict[str, Any] | None] = mapped_column(Document)
    is_alarm: Mapped[bool] = mapped_column()
    shadow: Mapped[dict[str, Any] | None] = mapped_column(Document)


class MonitorEpochRow(Base):
    """One epoch, stored once."""

    __tablename__ = "monitor_epochs"

    monitor_id: Mapped[str] = mapped_column(
        ForeignKey("monitors.id", ondelete="CASCADE"), primary_key=True
    )
    day: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(String(32))
    content: Mapped[dict[str, Any]] = mapped_column(Document)
