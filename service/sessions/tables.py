"""Sessions and snapshots as they are kept; actions are in files beside the database."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Base, Document, UtcDateTime


class SessionRow(Base):
    """One session."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_owner", "owner", "created_at", "id"),)

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    state: Mapped[str] = mapped_column(String(20), index=True)
    spec: Mapped[dict[str, Any]] = mapped_column(Document)
    about: Mapped[dict[str, Any]] = mapped_column(Document)
    idle_seconds: Mapped[float] = mapped_column(Float)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    code: Mapped[str | None] = mapped_column(String(40))
    detail: Mapped[str | None] = mapped_column(String(1000))


class SnapshotRow(Base):
    """Where a session once was; how to get there is in a file of the same name."""

    __tablename__ = "session_snapshots"

    id: Mapped[str] = mapped_column(String(40), primary_key=True)
    owner: Mapped[str] = mapped_column(String(200))
    session_id: Mapped[str] = mapped_column(String(40))
    spec_digest: Mapped[str] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(Document)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
