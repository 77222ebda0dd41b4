"""The running part of training jobs."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator

from anyio.to_thread import run_sync

from service.jobs.attempts import PROGRAM
from service.jobs.job import Event, Job
from service.jobs.leases import Holder, Leases
from service.jobs.metrics import JobMetrics
from service.jobs.operations import Desk, Material
from service.jobs.processes import this_host, this_process
from service.jobs.publishing import Publisher
from service.jobs.registry import Registry
from service.jobs.repository import JobRepository
from service.jobs.specs import Spec
from service.jobs.supervision import Supervisor
from service.jobs.watching import Bell, follow
from service.platform import Platform
from service.scenarios.catalogue import Catalogue

_LOOK_SECONDS = 1.0
"""Between two looks for events of jobs that other services hold."""


class Jobs:
    """Jobs of one running service.

    `registry` is where models are looked up and registered, `program` what does an attempt.
    """

    def __init__(
        self,
        platform: Platform,
        catalogue: Catalogue,
        registry: Registry,
        program: tuple[str, ...] = PROGRAM,
    ) -> None:
        self._platform = platform
        self.settings = platform.settings.jobs
        self.data = platform.settings.data.absolute()
        self.repository = JobRepository(platform.database, platform.clock)
        self._bell = Bell()
        self.host = this_host()
        self._desk = Desk(
            repository=self.repository,
            registry=registry,
            catalogue=catalogue,
            settings=self.settings,
            data=self.data,
            clock=platform.clock,
        )
        holder = Holder(id=secrets.token_hex(8), host=self.host, process=this_process())
        leases = Leases(platform.database, platform.clock, holder, self.settings)
        self.on_failure = leases.on_failure
        """Who hears of jobs that fail for good, in the transactions that note it."""
        self.supervisor = Supervisor(
            leases=leases,
            settings=self.settings,
            data=self.data,
            clock=platform.clock,
            publisher=Publisher(registry=registry, data=self.data),
            metrics=JobMetrics(
                platform.metrics, lambda: self.repository.counts(self.host), self.settings.cores
            ),
            on_news=self._bell.ring,
            program=program,
            catalogue=catalogue,
        )

    async def start(self) -> None:
        """Take up work, what a killed predecessor has left included."""
        self._bell.open()
        self.supervisor.start()

    async def stop(self, seconds: float) -> None:
        """Lay work down: processes end within seconds, jobs go back into the queue."""
        await run_sync(self.supervisor.stop, seconds)

    def missing(self) -> list[str]:
        """What is lacking to run jobs."""
        return [] if self.supervisor.is_well else ["the supervisor of jobs does not turn"]

    def submit(
        self,
        owner: str,
        spec: Spec,
        idempotency_key: str | None = None,
        material: Material | None = None,
    ) -> Job:
        """Put a job into the queue; the same key and spec again give the same job.

        `material` are folders that come along, for inputs that the spec calls `given`. Raises
        Problem, and SurrogymError for a spec that cannot be done as it is.
        """
        job = self._desk.submit(owner, spec, idempotency_key, material)
        self.supervisor.wake()
        return job

    def get(self, job_id: str, owner: str | None = None) -> Job:
        """One job, of this owner where one is named; raises Problem where there is none."""
        return self.repository.get(job_id, owner)

    def cancel(self, job_id: str, owner: str | None = None, reason: str | None = None) -> Job:
        """Cancel it, whether it waits or runs; raises Problem where it has ended otherwise."""
        job = self.repository.cancel(job_id, owner, reason)
        self._changed(job_id)
        return job

    def resume(self, job_id: str, owner: str | None = None) -> Job:
        """Go on with a failed or cancelled job after its last finished step."""
        return self._again(job_id, owner, afresh=False)

    def retry(self, job_id: str, owner: str | None = None) -> Job:
        """Begin a failed or cancelled job from the start."""
        return self._again(job_id, owner, afresh=True)

    def follow(
        self, job_id: str, after: int = 0, leaves: asyncio.Event | None = None
    ) -> AsyncIterator[Event]:
        """Every event after one, each once and in order, until the job or the service ends.

        Who sets `leaves` has enough of it; the end comes within a second.
        """
        stopping = self._platform.stopping
        return follow(
            self.repository,
            self._bell,
            job_id,
            after,
            look_seconds=_LOOK_SECONDS,
            is_stopping=lambda: stopping.is_set() or (leaves is not None and leaves.is_set()),
        )

    async def wait(self, job_id: str, seconds: float | None = None) -> Job:
        """Until a job has ended; raises TimeoutError after so long."""
        async with asyncio.timeout(seconds):
            async for _ in self.follow(job_id):
                pass
        return await run_sync(self.get, job_id)

    def _again(self, job_id: str, owner: str | None, *, afresh: bool) -> Job:
        most = self.settings.queued_per_owner
        job = self.repository.renew(job_id, owner, most, afresh=afresh)
        self._changed(job_id)
        return job

    def _changed(self, job_id: str) -> None:
        self._bell.ring(job_id)
        self.supervisor.wake()
