"""Everything but stepping, in one object."""

from __future__ import annotations

from typing import Self

from service.client.jobs import JobsClient
from service.client.keys import KeysClient
from service.client.models import ModelsClient
from service.client.monitors import MonitorsClient
from service.client.schedules import SchedulesClient
from service.client.sessions import SessionsClient
from service.client.transport import Transport
from service.client.webhooks import WebhooksClient
from service.scenarios.schemas import Scenario


class Client:
    """A service; close it, or use it in a `with` block."""

    def __init__(
        self,
        address: str | None = None,
        key: str | None = None,
        *,
        patience_seconds: float = 60.0,
    ) -> None:
        """Address and key are SURROGYM_URL and SURROGYM_KEY where they are not given.

        Whatever may be asked twice is asked again for `patience_seconds` while the service is away.
        """
        self._transport = Transport(address, key, patience_seconds=patience_seconds)
        self.models = ModelsClient(self._transport)
        self.sessions = SessionsClient(self._transport)
        self.jobs = JobsClient(self._transport)
        self.monitors = MonitorsClient(self._transport)
        self.schedules = SchedulesClient(self._transport)
        self.webhooks = WebhooksClient(self._transport)
        self.keys = KeysClient(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its connections."""
        self._transport.close()

    def scenarios(self) -> list[str]:
        """Names of the systems that the service knows."""
        return [str(item["name"]) for item in self._transport.items("/v1/scenarios")]

    def scenario(self, name: str) -> Scenario:
        """One system explained."""
        answer = self._transport.request("GET", f"/v1/scenarios/{name}")
        return Scenario.model_validate(answer.json())
