"""Webhooks: made, tested, and filled with what happens in the transaction in which it happens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from typing import Any

from anyio.to_thread import run_sync
from sqlalchemy import event
from sqlalchemy.orm import Session

from service.jobs.runtime import Jobs
from service.jobs.tables import JobRow
from service.models import repository as models
from service.models.operations import CHAMPION, Models
from service.models.repository import Move
from service.ownership import count_owned
from service.platform import Platform
from service.problems import Problem
from service.webhooks import repository
from service.webhooks.addresses import check_url
from service.webhooks.schemas import TEST, EventName, WebhookOrder
from service.webhooks.signatures import secret_of, signing_key
from service.webhooks.tables import DeliveryRow, WebhookRow
from service.webhooks.telling import Teller


class Webhooks:
    """The webhooks of one running service. Call it from threads: it waits for the database."""

    def __init__(self, platform: Platform, known: Models, jobs: Jobs) -> None:
        self._database, self._clock = platform.database, platform.clock
        self._data = platform.settings.data
        self.settings = platform.settings.webhooks
        self.teller = Teller(platform)
        known.on_move.append(self._moved)
        jobs.on_failure.append(self._failed)

    async def start(self) -> None:
        """Go on telling what a predecessor did not come to."""
        self.teller.key = await run_sync(signing_key, self._data)
        self.teller.start()

    async def stop(self, seconds: float) -> None:
        """Lay it down."""
        await run_sync(self.teller.stop, seconds)

    def missing(self) -> list[str]:
        """What it lacks to be of use."""
        return [] if self.teller.is_well else ["nobody tells webhooks"]

    def create(self, owner: str, order: WebhookOrder) -> tuple[WebhookRow, str]:
        """A new webhook and its secret; raises Problem, and ForbiddenAddress for its URL."""
        check_url(order.url, may_be_private=self.settings.may_be_private)
        row = WebhookRow(
            id=f"whk_{secrets.token_hex(12)}",
            owner=owner,
            url=order.url,
            events=sorted(set(order.events)),
            hears_all=order.hears_all,
            salt=secrets.token_hex(16),
            is_enabled=True,
            failures=0,
            created_at=self._clock.now(),
        )
        with self._database.begin() as session:
            if count_owned(session, WebhookRow, owner) >= self.settings.per_owner:
                raise Problem("quota_exceeded", f"at most {self.settings.per_owner} webhooks")
            session.add(row)
        return row, secret_of(self.teller.key, row.id, row.salt)

    def remove(self, webhook_id: str, owner: str | None) -> None:
        """End a webhook; what it was not told yet it is not told."""
        with self._database.begin() as session:
            repository.find(session, webhook_id, owner, lock=True)
            repository.remove(session, webhook_id)

    def enable(self, webhook_id: str, owner: str | None) -> WebhookRow:
        """Tell a disabled one again, what waits for it first."""
        with self._database.begin() as session:
            row = repository.find(session, webhook_id, owner, lock=True)
            row.is_enabled, row.failures, row.reason = True, 0, None
        self.teller.wake()
        return row

    def test(self, webhook_id: str, owner: str | None) -> DeliveryRow:
        """Tell a webhook something that says that it is a test."""
        with self._database.begin() as session:
            row = repository.find(session, webhook_id, owner, lock=True)
            if not row.is_enabled:
                raise Problem("conflict", "the webhook is disabled: enable it first")
            delivery = self._put(session, row, TEST, {"webhook": row.id})
        self.teller.wake()
        return delivery

    def announce(
        self, session: Session, owner: str, event_name: EventName, data: Mapping[str, Any]
    ) -> None:
        """Something happened to an owner: who hears of it is told once the transaction is kept."""
        found = repository.hearing(session, owner, event_name)
        for row in found:
            self._put(session, row, event_name, data)
        if found:
            event.listen(session, "after_commit", lambda _: self.teller.wake(), once=True)

    def _moved(self, session: Session, name: str, alias: str, wish: Move, is_moved: bool) -> None:
        if alias != CHAMPION:
            return
        told = {
            "model": name,
            "alias": alias,
            "version": wish.version,
            "actor": wish.actor,
            "reason": wish.reason,
            "evidence": wish.evidence,
        }
        owner = models.owner_of(session, name) or ""
        self.announce(session, owner, "model.promoted" if is_moved else "model.kept", told)

    def _failed(self, session: Session, row: JobRow) -> None:
        told = {
            "job": row.id,
            "kind": row.kind,
            "title": row.title,
            "scenario": row.spec["scenario"],
            "reason": None if row.reason is None else row.reason[:1000],
        }
        self.announce(session, row.owner, "job.failed", told)

    def _put(
        self, session: Session, row: WebhookRow, event_name: str, data: Mapping[str, Any]
    ) -> DeliveryRow:
        now = self._clock.now()
        body = {"type": event_name, "timestamp": now.isoformat(), "data": dict(data)}
        delivery = DeliveryRow(
            # Later ones have larger ids, so that the oldest is the least.
            id=f"dlv_{int(now.timestamp() * 1000):012x}{secrets.token_hex(8)}",
            webhook_id=row.id,
            event=event_name,
            body=json.dumps(body, separators=(",", ":"), allow_nan=False),
            state=repository.PENDING,
            attempts=0,
            next_at=now,
            created_at=now,
        )
        session.add(delivery)
        return delivery
