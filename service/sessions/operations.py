"""Sessions at work: made, found, stepped, kept, restored and ended."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from itertools import count

import msgspec
import structlog
from anyio.to_thread import run_sync

from service.ownership import is_seen
from service.platform import Platform
from service.problems import Problem, retry_after
from service.scenarios.catalogue import Catalogue
from service.sessions.frames import Frame, Kind
from service.sessions.metrics import SessionMetrics
from service.sessions.playing import Playing, problem_of
from service.sessions.repository import OPENING, SessionRecords
from service.sessions.session import End, Session
from service.sessions.sources import FolderSource, SurrogateSource
from service.sessions.spec import SessionSpec
from service.sessions.tables import SessionRow, SnapshotRow

_SECONDS_TO_RECORD = 5.0
_SECONDS_TO_REPLY = 2.0
"""For commands that are under way when the service is told to stop."""
_log = structlog.get_logger("surrogym.sessions")


class Sessions:
    """The running part of stepping."""

    def __init__(
        self,
        platform: Platform,
        catalogue: Catalogue,
        sources: Sequence[SurrogateSource] = (),
    ) -> None:
        self.catalogue = catalogue
        self._clock = platform.clock
        self.stopping = platform.stopping
        self.settings = platform.settings.sessions
        data = platform.settings.data.absolute()
        self.sources = [*sources, FolderSource(data / "surrogates")]
        self.records = SessionRecords(platform.database, data / "sessions")
        self.playing = Playing(
            self.settings, self.records.log, self._failed, self.touch, platform.requests
        )
        self.metrics = SessionMetrics(self._open_by_world, lambda: self.playing.workers.lost)
        self.playing.metrics = self.metrics
        platform.metrics.register(self.metrics)
        self._sessions: dict[str, Session] = {}
        self._handles = count(1)
        self._reaping: asyncio.Task[None] | None = None
        self._parting: asyncio.Task[None] | None = None
        self._told_used: dict[str, float] = {}
        self._ending: dict[str, Session] = {}
        """Sessions that are over, until that is recorded."""
        self._writing: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Take up the sessions that a stop or a kill left open."""
        for row in await run_sync(self.records.prepare):
            self._take_up(row)
        self.playing.start()
        self._parting = asyncio.create_task(self._part())
        self._reaping = asyncio.create_task(self._reap_for_ever())

    async def stop(self, seconds: float) -> None:
        """Lay all down, to be taken up again."""
        for task in (self._reaping, self._parting):
            if task is not None:
                task.cancel()
        if self._writing:
            await asyncio.wait(self._writing, timeout=1.0)
        await self.playing.stop()
        await run_sync(self._tell_used)

    def count(self, owner: str | None) -> int:
        """Open ones, of this owner where one is named."""
        return sum(is_seen(session.owner, owner) for session in self._sessions.values())

    def missing(self) -> list[str]:
        """What it lacks to be of use."""
        return self.playing.workers.missing()

    async def create(self, owner: str, spec: SessionSpec, idle_seconds: float | None) -> Session:
        """A new session, built; the slot is taken first and given back where it cannot be."""
        session = self._reserve(owner, spec, idle_seconds)
        try:
            await run_sync(self.records.add, self._row(session))
            opened = asyncio.get_running_loop().create_future()
            self.playing.open(session, lambda frame: _settle(opened, frame))
            reply: Frame = await opened
            if reply.kind != Kind.REPLY:
                raise Problem(*reply.told())
            session.about, session.is_new = _decoded(reply.content), False
            await run_sync(self.records.opened, session.id, session.about)
        except BaseException:
            self._sessions.pop(session.id, None)
            self.playing.drop(session)
            self._write(partial(self.records.forget, session.id))
            raise
        return session

    async def find(self, owner: str, session_id: str) -> Session:
        """An owner's session that can be asked; raises Problem with the reason for any other."""
        session = self.found(owner, session_id)
        if session is not None:
            return session
        end = self.ending(session_id)
        if end is not None and self._ending[session_id].owner == owner:
            raise problem_of(end)
        row = await run_sync(self.records.find, session_id)
        if row is None or row.owner != owner or row.code is None:
            raise Problem("not_found", "no session of that id")
        raise problem_of(End(row.state, row.code, row.detail or ""))

    def found(self, owner: str | None, session_id: str) -> Session | None:
        """An open one, of this owner where one is named, without asking the database."""
        session = self._sessions.get(session_id)
        if session is None or session.is_new or not is_seen(session.owner, owner):
            return None
        return session

    def ending(self, session_id: str) -> End | None:
        """Why a session is over, where that is not recorded yet."""
        session = self._ending.get(session_id)
        return None if session is None else session.end

    async def ask(self, session: Session, kind: Kind, form: int, content: bytes) -> Frame:
        """One request and its reply; raises Problem for a refusal."""
        replied = asyncio.get_running_loop().create_future()
        self.playing.submit(session, kind, form, content, lambda frame: _settle(replied, frame))
        reply: Frame = await replied
        self.touch(session)
        if reply.kind != Kind.REPLY:
            raise Problem(*reply.told())
        return reply

    def touch(self, session: Session) -> None:
        """A session was used."""
        session.last_used = self._clock.monotonic()
        session.is_used = True

    def time_of(self, monotonic: float) -> datetime:
        """The time of day at which the monotonic clock told that."""
        return self._clock.now() - timedelta(seconds=self._clock.monotonic() - monotonic)

    async def snapshot(self, session: Session) -> SnapshotRow:
        """Keep where a session is."""
        reply = await self.ask(session, Kind.SNAPSHOT, 0, b"")
        now = self._clock.now()
        document = {
            "id": f"snap_{secrets.token_hex(12)}",
            "session_id": session.id,
            "spec_digest": session.spec.digest,
            "seed": session.spec.seed,
            "step_id": reply.number,
            "log_bytes": len(reply.content),
            "created_at": now.isoformat(),
            "expires_at": (now + timedelta(seconds=self.settings.remembered_seconds)).isoformat(),
        }
        row = SnapshotRow(
            id=document["id"],
            owner=session.owner,
            session_id=session.id,
            spec_digest=session.spec.digest,
            document=document,
            created_at=now,
        )
        await run_sync(self.records.keep_snapshot, row, reply.content)
        return row

    async def restore(self, session: Session, snapshot_id: str) -> int:
        """Bring a session to where it, or one of the same spec, was; the next step id."""
        found = await run_sync(self.records.find_snapshot, snapshot_id, session.owner)
        if found is None:
            raise Problem("not_found", "no snapshot of that id: they are kept for a while only")
        row, content = found
        if row.spec_digest != session.spec.digest:
            raise Problem("spec_mismatch", "the snapshot is of another environment, seed or size")
        reply = await self.ask(session, Kind.RESTORE, 0, content)
        return reply.number + 1

    async def delete(self, owner: str | None, session_id: str, *, by: str) -> None:
        """End a session, of this owner where one is named; one that is over stays over.

        Raises Problem where that cannot be recorded now: it is tried on, but after a kill the
        session would be there again.
        """
        session = self.found(owner, session_id)
        if session is not None:
            who = "its owner" if by == session.owner else "an administrator"
            self._end(session, End("closed", "session_closed", f"{who} closed it"))
        ending = self._ending.get(session_id)
        recorded = None if ending is None else ending.recorded
        if ending is not None and recorded is not None and is_seen(ending.owner, owner):
            await asyncio.wait([recorded], timeout=_SECONDS_TO_RECORD)
            if not recorded.done():
                raise Problem("storage_unavailable", "it is over, and will be recorded: ask again")
            return
        row = await run_sync(self.records.find, session_id)
        if row is None or not is_seen(row.owner, owner):
            raise Problem("not_found", "no session of that id")

    def reap(self) -> None:
        """End the sessions that were idle for too long; busy ones are left alone."""
        now = self._clock.monotonic()
        for session in list(self._sessions.values()):
            idle, limit = now - session.last_used, self._limit(session)
            if idle > limit and not session.is_new and not self.playing.is_busy(session):
                what = "not stepped" if session.is_used else "never stepped"
                detail = f"{what} for {limit:g} seconds"
                self._end(session, End("expired", "session_expired", detail))

    async def _part(self) -> None:
        """Once the service stops, keep nobody waiting for a command that takes long."""
        await self.stopping.wait()
        await asyncio.sleep(_SECONDS_TO_REPLY)
        self.playing.part()

    async def _reap_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self.settings.reap_seconds)
            try:
                self.reap()
                await run_sync(self._tell_used)
                before = self._clock.now() - timedelta(seconds=self.settings.remembered_seconds)
                await run_sync(self.records.purge, before)
            except Exception as error:
                _log.error("reaping failed", exc_info=error)

    def _limit(self, session: Session) -> float:
        if session.is_used:
            return session.idle_seconds
        return min(self.settings.unused_seconds, session.idle_seconds)

    def _reserve(self, owner: str, spec: SessionSpec, idle_seconds: float | None) -> Session:
        owned = sum(one.owner == owner for one in self._sessions.values())
        if owned >= self.settings.quota:
            raise Problem(
                "quota", f"{owned} sessions of at most {self.settings.quota}: close some",
                headers=retry_after(self._next_expiry(owner)),
            )  # fmt: skip
        if len(self._sessions) >= self.settings.capacity:
            raise Problem(
                "capacity", f"all {self.settings.capacity} slots are taken",
                headers=retry_after(self._next_expiry(None)),
            )  # fmt: skip
        asked = idle_seconds or self.settings.idle_seconds
        session = Session(
            id=f"ses_{secrets.token_hex(12)}",
            owner=owner,
            spec=spec,
            handle=next(self._handles),
            idle_seconds=min(asked, self.settings.idle_seconds),
            created_at=self._clock.now(),
            last_used=self._clock.monotonic(),
            is_new=True,
        )
        self._sessions[session.id] = session
        self.playing.hold(session)
        return session

    def _next_expiry(self, owner: str | None) -> float:
        """Seconds until a slot may be free at the latest, if nobody steps."""
        now = self._clock.monotonic()
        mine = [one for one in self._sessions.values() if is_seen(one.owner, owner)]
        return max(min((one.last_used + self._limit(one) - now for one in mine), default=1.0), 1.0)

    def _take_up(self, row: SessionRow) -> None:
        session = Session(
            id=row.id,
            owner=row.owner,
            spec=SessionSpec.from_record(row.spec),
            handle=next(self._handles),
            idle_seconds=row.idle_seconds,
            created_at=row.created_at,
            # A kill may come before it was recorded that it was used; its log came first.
            is_used=row.used_at is not None or self.records.was_played(row.id),
            # Time in which nothing was served is nobody's idleness.
            last_used=self._clock.monotonic(),
            about=row.about,
        )
        self._sessions[row.id] = session
        self.playing.hold(session)

    def _end(self, session: Session, end: End) -> None:
        session.end = end
        self.playing.drop(session)
        self._over(session, end)

    def _failed(self, session: Session) -> None:
        assert session.end is not None
        if not session.is_new:
            self._over(session, session.end)

    def _over(self, session: Session, end: End) -> None:
        self._sessions.pop(session.id, None)
        self._told_used.pop(session.id, None)
        self._ending[session.id] = session
        self.metrics.verdicts[end.state] += 1
        _log.info("session over", session=session.id, verdict=end.state, reason=end.detail)
        for tell in session.on_end:
            tell(end)
        ended = partial(
            self.records.ended, session.id, self._clock.now(), end.state, end.code, end.detail
        )
        session.recorded = self._write(ended)
        session.recorded.add_done_callback(lambda _: self._ending.pop(session.id, None))

    def _write(self, write: Callable[[], None]) -> asyncio.Task[None]:
        """Have something written, however often it has to be tried, without waiting for it."""

        async def writing() -> None:
            while True:
                try:
                    return await run_sync(write)
                except Exception as error:
                    _log.error("session not recorded", exc_info=error)
                    await asyncio.sleep(self.settings.reap_seconds)

        task = asyncio.create_task(writing())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return task

    def _tell_used(self) -> None:
        used = {one.id: one.last_used for one in list(self._sessions.values()) if one.is_used}
        news = {k: at for k, at in used.items() if self._told_used.get(k) != at}
        if news:
            self.records.used((k, self.time_of(at)) for k, at in news.items())
            self._told_used.update(news)

    def _row(self, session: Session) -> SessionRow:
        return SessionRow(
            id=session.id,
            owner=session.owner,
            state=OPENING,
            spec=session.spec.to_record(),
            about={},
            idle_seconds=session.idle_seconds,
            created_at=session.created_at,
        )

    def _open_by_world(self) -> Counter[str]:
        return Counter(one.spec.world.kind for one in list(self._sessions.values()))


def _settle(future: asyncio.Future[Frame], frame: Frame) -> None:
    if not future.done():
        future.set_result(frame)


def _decoded(content: bytes) -> dict[str, object]:
    decoded: dict[str, object] = msgspec.json.decode(content)
    return decoded
