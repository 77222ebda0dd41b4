"""Webhooks and their outbox in the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import delete, func, or_, select
from sqlalchemy.orm import Session

from service.ownership import Place, find_owned, newest_first
from service.webhooks.tables import DeliveryRow, WebhookRow

PENDING, DELIVERED, GIVEN_UP = "pending", "delivered", "given up"


def find(session: Session, webhook_id: str, owner: str | None, *, lock: bool = False) -> WebhookRow:
    """One webhook, of this owner where one is named; raises Problem where there is none."""
    return find_owned(session, WebhookRow, webhook_id, owner, "webhook", lock=lock)


def page(
    session: Session, owner: str | None, before: Place | None, limit: int
) -> Sequence[WebhookRow]:
    """The newest first."""
    return session.scalars(newest_first(WebhookRow, owner, before, limit)).all()


def hearing(session: Session, owner: str, event: str) -> list[WebhookRow]:
    """Who is to be told of an event that happened to an owner."""
    query = select(WebhookRow).where(
        WebhookRow.is_enabled, or_(WebhookRow.owner == owner, WebhookRow.hears_all)
    )
    return [row for row in session.scalars(query) if event in row.events]


def remove(session: Session, webhook_id: str) -> None:
    """A webhook with all that it was to be told."""
    session.execute(delete(DeliveryRow).where(DeliveryRow.webhook_id == webhook_id))
    session.execute(delete(WebhookRow).where(WebhookRow.id == webhook_id))


def deliveries(
    session: Session, webhook_id: str, before: Place | None, limit: int
) -> Sequence[DeliveryRow]:
    """What a webhook was told or is to be told, the newest first."""
    query = newest_first(DeliveryRow, None, before, limit)
    return session.scalars(query.where(DeliveryRow.webhook_id == webhook_id)).all()


def due(
    session: Session, now: datetime, beyond: datetime, busy: Collection[str], limit: int
) -> list[DeliveryRow]:
    """What is to be tried now, one of each webhook, the oldest first.

    What lies `beyond` any wait is due as well: the clock was set back since it was put off.
    """
    first = (
        select(DeliveryRow.webhook_id, func.min(DeliveryRow.id).label("id"))
        .join(WebhookRow, WebhookRow.id == DeliveryRow.webhook_id)
        .where(
            DeliveryRow.state == PENDING,
            or_(DeliveryRow.next_at <= now, DeliveryRow.next_at > beyond),
            WebhookRow.is_enabled,
            DeliveryRow.webhook_id.not_in(busy),
        )
        .group_by(DeliveryRow.webhook_id)
        .limit(limit)
        .subquery()
    )
    query = select(DeliveryRow).join(first, first.c.id == DeliveryRow.id).order_by(DeliveryRow.id)
    return list(session.scalars(query))


def forget(session: Session, before: datetime) -> None:
    """Deliveries that ended before then."""
    session.execute(delete(DeliveryRow).where(DeliveryRow.ended_at < before))
