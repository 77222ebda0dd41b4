"""Streams that are open when their key is revoked: nobody asks for a key on them any more."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from service.keys.repository import Keyring, Principal

_LOOK_SECONDS = 2.0
_log = structlog.get_logger("surrogym.keys")


class Vigil:
    """Looks every two seconds whether the keys of open streams are still good."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring
        self._open: dict[str, list[asyncio.Event]] = {}
        """Of streams that are to end, by the id of their key."""
        self._looking: asyncio.Task[None] | None = None
        # A thread of its own: all others may wait to write to a database that is locked.
        self._thread = CapacityLimiter(1)

    async def start(self) -> None:
        """Begin to look."""
        self._looking = asyncio.create_task(self._look_for_ever())

    async def stop(self, seconds: float) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    def missing(self) -> list[str]:
        """Always ready."""
        return []

    @contextmanager
    def over(self, principal: Principal) -> Iterator[asyncio.Event]:
        """For as long as a stream is open: set when its key is not good any longer."""
        revoked = asyncio.Event()
        self._open.setdefault(principal.key_id, []).append(revoked)
        try:
            yield revoked
        finally:
            others = self._open[principal.key_id]
            others.remove(revoked)
            if not others:
                del self._open[principal.key_id]

    async def look(self) -> None:
        """End the streams of keys that were revoked."""
        asked = list(self._open)
        if not asked:
            return
        good = await run_sync(self._keyring.good_among, asked, limiter=self._thread)
        for key_id in set(asked) - good:
            _log.info("key revoked, its streams end", key=key_id)
            for revoked in self._open.get(key_id, ()):
                revoked.set()

    async def _look_for_ever(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                await self.look()
            except Exception as error:
                _log.error("keys were not looked at", exc_info=error)
