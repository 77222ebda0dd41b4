"""/v1/webhooks: who is told of alarms, promotions and failures."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from service.paging import Cursor, Limit, Page, decode_place, paged
from service.problems import Problem
from service.security import Reader, Trainer, Whose
from service.webhooks import repository, schemas
from service.webhooks.operations import Webhooks
from service.webhooks.tables import DeliveryRow, WebhookRow

router = APIRouter(prefix="/webhooks", tags=["webhooks"])

WebhookId = Annotated[str, Path(max_length=32, pattern=r"^whk_[0-9a-f]+$")]


@router.post("", status_code=201)
def create_webhook(
    request: Request, response: Response, order: schemas.WebhookOrder, principal: Trainer
) -> schemas.NewWebhook:
    """Have a receiver told; its secret is in this answer and nowhere else."""
    if order.hears_all and not principal.is_admin:
        raise Problem("forbidden", "hears_all needs the scope 'admin'")
    row, secret = _webhooks(request).create(principal.owner, order)
    response.headers["Location"] = f"/v1/webhooks/{row.id}"
    return schemas.NewWebhook(**_view(row).model_dump(), secret=secret)


@router.get("")
def list_webhooks(
    request: Request, whose: Whose, limit: Limit = 50, cursor: Cursor = None
) -> Page[schemas.Webhook]:
    """One's webhooks, the newest first; an admin sees everybody's."""
    with request.app.state.platform.database.read() as session:
        found = repository.page(session, whose, decode_place(cursor), limit + 1)
        rows, following = paged(found, limit, lambda row: (row.created_at.isoformat(), row.id))
    return Page(items=[_view(row) for row in rows], next_cursor=following)


@router.get("/{webhook_id}")
def get_webhook(request: Request, webhook_id: WebhookId, principal: Reader) -> schemas.Webhook:
    """One webhook, and whether it is enabled."""
    with request.app.state.platform.database.read() as session:
        return _view(repository.find(session, webhook_id, principal.whose))


@router.delete("/{webhook_id}", status_code=204)
def delete_webhook(request: Request, webhook_id: WebhookId, principal: Trainer) -> None:
    """Tell it nothing any more."""
    _webhooks(request).remove(webhook_id, principal.whose)


@router.post("/{webhook_id}/test", status_code=202)
def test_webhook(request: Request, webhook_id: WebhookId, principal: Trainer) -> schemas.Delivery:
    """Have it told something that says that it is a test; look at its deliveries for the answer."""
    return _delivery(_webhooks(request).test(webhook_id, principal.whose))


@router.post("/{webhook_id}/enable")
def enable_webhook(request: Request, webhook_id: WebhookId, principal: Trainer) -> schemas.Webhook:
    """Have one that was disabled told again, what waits for it first."""
    return _view(_webhooks(request).enable(webhook_id, principal.whose))


@router.get("/{webhook_id}/deliveries")
def list_deliveries(
    request: Request,
    webhook_id: WebhookId,
    principal: Reader,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[schemas.Delivery]:
    """What it was told, the newest first, and what came of it."""
    with request.app.state.platform.database.read() as session:
        repository.find(session, webhook_id, principal.whose)
        found = repository.deliveries(session, webhook_id, decode_place(cursor), limit + 1)
        rows, following = paged(found, limit, lambda row: (row.created_at.isoformat(), row.id))
    return Page(items=[_delivery(row) for row in rows], next_cursor=following)


def _view(row: WebhookRow) -> schemas.Webhook:
    return schemas.Webhook.model_validate(row, from_attributes=True)


def _delivery(row: DeliveryRow) -> schemas.Delivery:
    return schemas.Delivery.model_validate(row, from_attributes=True)


def _webhooks(request: Request) -> Webhooks:
    webhooks: Webhooks = request.app.state.webhooks
    return webhooks
