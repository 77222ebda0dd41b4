"""One call of a receiver."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

import httpx2

from service.webhooks.addresses import ForbiddenAddress, locate
from service.webhooks.settings import WebhookSettings
from service.webhooks.signatures import sign


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """What is sent, where, and signed with what."""

    delivery_id: str
    webhook_id: str
    attempt: int
    url: str
    body: str
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a receiver made of it."""

    status: int | None = None
    error: str | None = None

    @property
    def is_taken(self) -> bool:
        """Whether it need not be told again."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants to be told nothing any more."""
        return self.status == 410


def send(client: httpx2.Client, parcel: Parcel, now: datetime, settings: WebhookSettings) -> Answer:
    """Call a receiver at the address that was looked at; whatever it answers is not read."""
    timestamp = int(now.timestamp())
    try:
        target = locate(parcel.url, may_be_private=settings.may_be_private)
        with client.stream(
            "POST",
            target.url,
            content=parcel.body.encode(),
            headers={
                "host": target.host,
                "content-type": "application/json",
                "user-agent": "surrogym",
                "webhook-id": parcel.delivery_id,
                "webhook-timestamp": str(timestamp),
                "webhook-signature": sign(
                    parcel.secret, parcel.delivery_id, timestamp, parcel.body
                ),
            },
            extensions={"sni_hostname": target.name},
        ) as answer:
            if answer.is_redirect:
                return Answer(status=answer.status_code, error="redirects are not followed")
            return Answer(status=answer.status_code)
    except ForbiddenAddress as error:
        return Answer(error=str(error))
    except httpx2.TimeoutException:
        return Answer(error=f"no answer within {settings.timeout_seconds:g} seconds")
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
        # Texts of exceptions may hold addresses of ours; their kinds do not.
        return Answer(error=f"the call failed: {type(error).__name__}")


def new_client(settings: WebhookSettings) -> httpx2.Client:
    """Without proxies and settings of the surroundings, and each call on its own connection."""
    return httpx2.Client(
        timeout=settings.timeout_seconds,
        follow_redirects=False,
        trust_env=False,
        limits=httpx2.Limits(max_keepalive_connections=0),
    )


def wait_after(attempt: int, delivery_id: str, settings: WebhookSettings) -> float:
    """Seconds until the next try: doubled each time, and spread by up to a quarter."""
    longest = settings.longest_wait_seconds
    wait = min(longest, settings.wait_seconds * 2.0 ** min(attempt - 1, 40))
    drawn = int.from_bytes(sha256(f"{delivery_id}.{attempt}".encode()).digest()[:8]) / 2**64
    return wait * (0.75 + 0.25 * drawn)
