"""Following a job's events as they come, from anywhere in its story."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

from anyio.to_thread import run_sync

from service.jobs.job import Event, Job
from service.jobs.repository import JobRepository

_BATCH = 500


class Bell:
    """Wakes who waits for news of a job; news of another service's jobs is found by looking."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def open(self) -> None:
        """Belong to the running event loop."""
        self._loop = asyncio.get_running_loop()

    def ring(self, job_id: str) -> None:
        """There is news; from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._ring, job_id)

    def listen(self, job_id: str) -> Listener:
        """Someone who waits for news of a job."""
        return Listener(self._waiting, job_id)

    def _ring(self, job_id: str) -> None:
        for event in self._waiting.get(job_id, ()):
            event.set()


class Listener:
    """Registered for the length of a `with` block."""

    def __init__(self, waiting: dict[str, set[asyncio.Event]], job_id: str) -> None:
        self._waiting, self._job_id = waiting, job_id
        self._event = asyncio.Event()

    def __enter__(self) -> Listener:
        self._waiting.setdefault(self._job_id, set()).add(self._event)
        return self

    def __exit__(self, *_: object) -> None:
        others = self._waiting[self._job_id]
        others.discard(self._event)
        if not others:
            del self._waiting[self._job_id]

    async def wait(self, seconds: float) -> None:
        """Until there is news, or so long."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._event.wait(), seconds)
        self._event.clear()


async def follow(
    repository: JobRepository,
    bell: Bell,
    job_id: str,
    after: int,
    *,
    look_seconds: float,
    is_stopping: Callable[[], bool],
) -> AsyncIterator[Event]:
    """Every event after one, each once and in order, to the end of the job.

    A job that has ended tells its last events and no more, so that a stream taken up again after
    the end ends at once.
    """
    with bell.listen(job_id) as listener:
        while not is_stopping():
            job: Job = await run_sync(repository.get, job_id, None)
            events = await run_sync(repository.events, job_id, after, _BATCH)
            for event in events:
                after = event.sequence
                yield event
            if events:
                continue
            if job.state.is_final and after >= job.last_event:
                return
            await listener.wait(look_seconds)
