"""Empties the outbox: a thread that finds what is due, and one for each call."""

from __future__ import annotations

import threading
from datetime import timedelta

import structlog
from prometheus_client import Counter

from service.platform import Platform
from service.stopping import join_all
from service.webhooks import repository
from service.webhooks.sending import Answer, Parcel, new_client, send, wait_after
from service.webhooks.signatures import secret_of
from service.webhooks.tables import DeliveryRow, WebhookRow

_log = structlog.get_logger("surrogym.webhooks")
_TIDY_SECONDS = 600.0
_GRACE_SECONDS = 2.0


class Teller:
    """Makes each delivery at least once, with the same id each time.

    While a call is under way its row is put off, so that another service does not make it too,
    unless this one dies.
    """

    def __init__(self, platform: Platform) -> None:
        self._database, self._clock = platform.database, platform.clock
        self._data, self._settings = platform.settings.data, platform.settings.webhooks
        self._client = new_client(self._settings)
        self._wake = threading.Event()
        self._is_stopping = False
        self._thread: threading.Thread | None = None
        self._calling: dict[str, threading.Thread] = {}
        """By webhook: each is told one thing at a time."""
        self._lock = threading.Lock()
        self._tidied: float | None = None
        self.key = b""
        """What secrets are made from."""
        self._calls = Counter(
            "surrogym_webhook_calls_total", "Calls of webhooks by what became of them.",
            ["outcome"], registry=platform.metrics,
        )  # fmt: skip

    def start(self) -> None:
        """Go on telling what a predecessor did not come to."""
        self._thread = threading.Thread(target=self._run, name="webhooks", daemon=True)
        self._thread.start()

    def stop(self, seconds: float) -> None:
        """Let calls end for a moment; those that do not are made again by whoever comes after."""
        self._is_stopping = True
        self.wake()
        with self._lock:
            threads = [self._thread, *self._calling.values()]
        join_all(filter(None, threads), min(seconds, _GRACE_SECONDS))
        self._client.close()

    @property
    def is_well(self) -> bool:
        """Whether its thread turns."""
        return self._thread is not None and self._thread.is_alive()

    def wake(self) -> None:
        """Something is to be told."""
        self._wake.set()

    def tell_due(self) -> int:
        """Begin every call that is due; how many were begun."""
        parcels = self._claimed()
        for parcel in parcels:
            thread = threading.Thread(target=self._tell, args=(parcel,), daemon=True)
            with self._lock:
                self._calling[parcel.webhook_id] = thread
            thread.start()
        return len(parcels)

    def _claimed(self) -> list[Parcel]:
        """What is due, put off by more than a call may take."""
        with self._lock:
            busy = set(self._calling)
        free, now = self._settings.at_once - len(busy), self._clock.now()
        beyond = now + timedelta(seconds=self._settings.longest_wait_seconds + 60)
        if free <= 0:
            return []
        with self._database.read() as session:
            if not repository.due(session, now, beyond, busy, 1):
                return []
        parcels = []
        with self._database.begin() as session:
            for found in repository.due(session, now, beyond, busy, free):
                attempts = found.attempts
                webhook = session.get(WebhookRow, found.webhook_id, with_for_update=True)
                session.refresh(found)
                if webhook is None or found.attempts != attempts:
                    # Another service was quicker.
                    continue
                found.attempts += 1
                found.next_at = now + timedelta(seconds=4 * self._settings.timeout_seconds)
                parcels.append(self._parcel(webhook, found))
        return parcels

    def _parcel(self, webhook: WebhookRow, delivery: DeliveryRow) -> Parcel:
        return Parcel(
            delivery_id=delivery.id,
            webhook_id=webhook.id,
            attempt=delivery.attempts,
            url=webhook.url,
            body=delivery.body,
            secret=secret_of(self.key, webhook.id, webhook.salt),
        )

    def _tell(self, parcel: Parcel) -> None:
        try:
            answer = send(self._client, parcel, self._clock.now(), self._settings)
            if answer.is_taken or not self._is_stopping:
                self._note(parcel, answer)
        except Exception as error:
            _log.error("a webhook could not be told", webhook=parcel.webhook_id, exc_info=error)
        finally:
            with self._lock:
                del self._calling[parcel.webhook_id]
            self.wake()

    def _note(self, parcel: Parcel, answer: Answer) -> None:
        now = self._clock.now()
        self._calls.labels("taken" if answer.is_taken else "failed").inc()
        with self._database.begin() as session:
            webhook = session.get(WebhookRow, parcel.webhook_id, with_for_update=True)
            delivery = session.get(DeliveryRow, parcel.delivery_id)
            if webhook is None or delivery is None or delivery.state != repository.PENDING:
                return
            delivery.status, delivery.error = answer.status, answer.error
            if answer.is_taken:
                delivery.state, delivery.ended_at = repository.DELIVERED, now
                webhook.failures = 0
                return
            webhook.failures += 1
            if delivery.attempts >= self._settings.attempts:
                delivery.state, delivery.ended_at = repository.GIVEN_UP, now
            else:
                wait = wait_after(delivery.attempts, delivery.id, self._settings)
                delivery.next_at = now + timedelta(seconds=wait)
            self._perhaps_disable(webhook, answer)

    def _perhaps_disable(self, webhook: WebhookRow, answer: Answer) -> None:
        if answer.is_gone:
            webhook.reason = "the receiver is gone (410)"
        elif webhook.failures >= self._settings.failures:
            webhook.reason = f"{webhook.failures} calls in a row failed"
        else:
            return
        webhook.is_enabled = False
        _log.warning("webhook disabled", webhook=webhook.id, reason=webhook.reason)

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake.clear()
            try:
                self.tell_due()
                self._tidy()
            except Exception as error:
                if not self._is_stopping:
                    _log.error("webhooks could not be looked after", exc_info=error)
            self._wake.wait(self._settings.look_seconds)

    def _tidy(self) -> None:
        now = self._clock.monotonic()
        if self._tidied is not None and now - self._tidied < _TIDY_SECONDS:
            return
        self._tidied = now
        with self._database.begin() as session:
            before = self._clock.now() - timedelta(days=self._settings.keep_days)
            repository.forget(session, before)
