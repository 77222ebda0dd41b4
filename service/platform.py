"""What every resource of the service stands on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from prometheus_client import CollectorRegistry

from service.clock import Clock, SystemClock
from service.database import Database
from service.request_metrics import RequestMetrics
from service.settings import Settings
from service.stopping import Stopping


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """Shared by all resources of one running service."""

    settings: Settings
    database: Database
    clock: Clock = field(default_factory=SystemClock)
    metrics: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: RequestMetrics = field(init=False)
    stopping: Stopping = field(init=False)
    """Set when the service is told to stop: who streams to somebody then ends the stream."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", RequestMetrics(self.metrics))
        object.__setattr__(self, "stopping", Stopping(self.settings.stop_seconds))


@runtime_checkable
class Resource(Protocol):
    """The running part of a resource."""

    async def start(self) -> None:
        """Take up work, what was left by a kill included."""
        ...

    async def stop(self, seconds: float) -> None:
        """Lay work down within so many seconds, so that it can be taken up again."""
        ...

    def missing(self) -> list[str]:
        """What it lacks to be of use, a phrase each; nothing when it is ready."""
        ...
