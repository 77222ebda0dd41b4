"""Webhooks from Python: who is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from service.client.transport import Transport
from service.webhooks.schemas import Delivery, NewWebhook, Webhook

_URL = "/v1/webhooks"


class WebhooksClient:
    """Receivers."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(self, url: str, *events: str) -> NewWebhook:
        """Have a receiver told; its secret is in this answer and nowhere else."""
        order: dict[str, Any] = {"url": url} | ({"events": list(events)} if events else {})
        return NewWebhook.model_validate(self._transport.request("POST", _URL, json=order).json())

    def list(self) -> list[Webhook]:
        """One's webhooks, the newest first."""
        return [Webhook.model_validate(item) for item in self._transport.items(_URL)]

    def get(self, webhook_id: str) -> Webhook:
        """One webhook."""
        answer = self._transport.request("GET", f"{_URL}/{webhook_id}")
        return Webhook.model_validate(answer.json())

    def test(self, webhook_id: str) -> Delivery:
        """Tell it something that says that it is a test."""
        answer = self._transport.request("POST", f"{_URL}/{webhook_id}/test")
        return Delivery.model_validate(answer.json())

    def deliveries(self, webhook_id: str) -> Sequence[Delivery]:
        """What it was told, or is to be told, the newest first."""
        found = self._transport.items(f"{_URL}/{webhook_id}/deliveries")
        return [Delivery.model_validate(item) for item in found]

    def enable(self, webhook_id: str) -> Webhook:
        """Tell a disabled one again, what waits for it first."""
        answer = self._transport.request("POST", f"{_URL}/{webhook_id}/enable")
        return Webhook.model_validate(answer.json())

    def delete(self, webhook_id: str) -> None:
        """Tell it nothing any more."""
        self._transport.request("DELETE", f"{_URL}/{webhook_id}")
