"""Webhooks, and the outbox of what they are to be told."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.database import Base, Document, UtcDateTime


class WebhookRow(Base):
    """One receiver."""

    __tablename__ = "webhooks"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    owner: Mapped[str] = mapped_column(String(100))
    url: Mapped[str] = mapped_column(String(2000))
    events: Mapped[list[str]] = mapped_column(Document)
    hears_all: Mapped[bool] = mapped_column()
    """Whether it is told what happens to everybody."""
    salt: Mapped[str] = mapped_column(String(32))
    """Its secret is made of this and of a key that is not in the database."""
    is_enabled: Mapped[bool] = mapped_column()
    reason: Mapped[str | None] = mapped_column(String(500))
    """Why it is disabled."""
    failures: Mapped[int] = mapped_column(Integer)
    """In a row."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    __table_args__ = (Index("ix_webhooks_owner", "owner", "created_at", "id"),)


class DeliveryRow(Base):
    """One thing that one receiver is to be told; written in the transaction of what happened."""

    __tablename__ = "webhook_deliveries"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    webhook_id: Mapped[str] = mapped_column(ForeignKey("webhooks.id", ondelete="CASCADE"))
    event: Mapped[str] = mapped_column(String(40))
    body: Mapped[str] = mapped_column(Text)
    """To the letter, so that every try carries the same."""
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    """Not tried before; while it is tried, when it is taken to be lost."""
    status: Mapped[int | None] = mapped_column(Integer)
    """HTTP status of the last answer."""
    error: Mapped[str | None] = mapped_column(String(500))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    __table_args__ = (
        Index("ix_webhook_deliveries_due", "state", "next_at"),
        Index("ix_webhook_deliveries_webhook", "webhook_id", "created_at", "id"),
        Index("ix_webhook_deliveries_ended_at", "ended_at"),
    )
