"""Sessions in workers: requests there, replies back, and what is done when a worker dies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from itertools import count
from pathlib import Path

import msgspec
import structlog

from service.problems import Problem
from service.request_metrics import RequestMetrics
from service.sessions.allowance import Allowance
from service.sessions.direct import Order
from service.sessions.frames import ROUTES, Frame, Kind
from service.sessions.link import Death, Handed, Link
from service.sessions.metrics import SessionMetrics
from service.sessions.session import Asked, End, Session, Tell
from service.sessions.settings import SessionSettings
from service.sessions.worker import Opening
from service.sessions.workers import Workers

_log = structlog.get_logger("surrogym.sessions")
MOST_BYTES = 64 << 20
"""Of one message on a socket."""
_KILLED = -9
_LOOK_SECONDS = 0.1
_WARM_SECONDS = 1.0
"""After the start: a service that is up for a moment only, as in tests, starts no processes."""


class Playing:
    """Holds the sessions by handle; each is in one worker, or in none until it is needed."""

    def __init__(
        self,
        settings: SessionSettings,
        log_of: Callable[[str], Path],
        on_failure: Callable[[Session], None],
        on_use: Callable[[Session], None],
        requests: RequestMetrics,
    ) -> None:
        self._settings, self._log_of = settings, log_of
        self._on_failure, self._on_use, self._requests = on_failure, on_use, requests
        self._sessions: dict[int, Session] = {}
        self._numbers = count(1)
        self.workers = Workers(self, settings)
        self.metrics: SessionMetrics | None = None
        self._watching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Look after workers; the first are there soon, or when they are needed sooner."""
        self._watching = asyncio.create_task(self._watch())
        asyncio.get_running_loop().call_later(_WARM_SECONDS, self.workers.warm)

    async def stop(self) -> None:
        """End all workers; what sessions were asked stays in their logs."""
        if self._watching is not None:
            self._watching.cancel()
        await self.workers.stop()

    def part(self) -> None:
        """Tell all who wait for a reply to ask again; what is done by then is in the log."""
        content = msgspec.msgpack.encode(["not_ready", "the service stops: ask the same again"])
        for session in self._sessions.values():
            waiting = list(session.asked)
            # Nobody waits for a session that is brought back, and its refusal would end it.
            session.asked.clear()
            session.asked.extend(one for one in waiting if one.frame.kind == Kind.OPEN)
            for one in waiting:
                if one.frame.kind != Kind.OPEN:
                    one.tell(Frame(Kind.REFUSED, one.frame.form, session.handle, content))

    def hold(self, session: Session) -> None:
        """Take up a session."""
        self._sessions[session.handle] = session

    def drop(self, session: Session) -> None:
        """Let go of a session that is over; its worker forgets it."""
        self._sessions.pop(session.handle, None)
        if session.link is not None:
            session.link.sessions.pop(session.handle, None)
            session.link.send(Frame(Kind.CLOSE, 0, session.handle, b""))
            session.link = None
        self._tell_all(session)

    def submit(self, session: Session, kind: Kind, form: int, content: bytes, tell: Tell) -> None:
        """Ask something of a session; replies come in the order of requests."""
        if session.end is not None:
            raise problem_of(session.end)
        if session.link is None:
            self._bring(session)
        self._ask(session, Asked(Frame(kind, form, session.handle, content), tell))

    async def hand_over(
        self,
        session: Session,
        descriptor: int,
        allowance: Allowance,
        credentials: list[tuple[bytes, bytes]] | None = None,
    ) -> Handed | None:
        """Have a session's worker serve a client's connection; None where it cannot be reached.

        Credentials are given where requests come over it, and else it is a WebSocket. The
        descriptor is closed here, whatever comes of it.
        """
        try:
            if session.end is not None:
                return None
            if session.link is None:
                self._bring(session)
            assert session.link is not None
            number, credit = next(self._numbers), self._settings.credit
            order = Order(session.id, number, credit, MOST_BYTES, allowance, credentials)
            return await session.link.hand(session.handle, order, descriptor)
        finally:
            os.close(descriptor)

    def is_busy(self, session: Session) -> bool:
        """Whether something is under way, for a connection or for whoever asks here."""
        return session.is_busy or (
            session.link is not None and session.link.playing == session.handle
        )

    def heard(self, link: Link, frame: Frame) -> None:
        """A worker replied, or told what it did for connections."""
        if frame.kind == Kind.ANSWERED:
            self._were_answered(frame)
            return
        session = self._sessions.get(frame.handle)
        if session is None or session.link is not link:
            return
        if frame.kind == Kind.PLAYED:
            self._was_played(session, frame)
            return
        if frame.kind == Kind.FAILED:
            self._fail(session, *frame.told())
            return
        if not session.asked:
            return
        asked = session.asked.popleft()
        session.number, session.survived = frame.number or session.number, 0
        if frame.kind == Kind.BROKEN:
            code, detail = frame.told()
            self._fail(session, code, detail)
        elif asked.frame.kind <= Kind.RESET and self.metrics is not None:
            self.metrics.played(session.spec.world.kind, session.rows, frame.seconds)
        asked.tell(frame)

    def _was_played(self, session: Session, frame: Frame) -> None:
        session.number, session.survived = frame.number or session.number, 0
        if self.metrics is not None:
            for seconds in msgspec.msgpack.decode(frame.content):
                self.metrics.played(session.spec.world.kind, session.rows, seconds)
        self._on_use(session)

    def _were_answered(self, frame: Frame) -> None:
        """A worker answered requests itself, of a session that may be over by now."""
        session_id, answered = msgspec.msgpack.decode(frame.content)
        for kind, seconds, identity in answered:
            route = ROUTES[kind]
            path = route.format(session_id=session_id)
            self._requests.answered("POST", route, 200, seconds, path=path, request_id=identity)

    def lost(self, link: Link, death: Death) -> None:
        """A worker died: whose fault it was fails, the others go on elsewhere."""
        for handle in list(link.sessions):
            session = self._sessions[handle]
            session.link = None
            if handle == death.playing and self._is_its_fault(session, death):
                code = "step_timeout" if death.was_slow else "simulator_crashed"
                self._fail(session, code, self._why(session, death))
            elif session.asked:
                self._ask_again(session)

    def _is_its_fault(self, session: Session, death: Death) -> bool:
        if death.was_slow or death.status != _KILLED:
            return True
        session.survived += 1
        return session.survived > self._settings.survived_kills

    def _why(self, session: Session, death: Death) -> str:
        if not death.was_slow:
            how = f"signal {-death.status}" if death.status < 0 else f"exit code {death.status}"
            return f"its process ended with {how} in the middle of a command"
        return f"a command took longer than {self._limit(session):g} seconds"

    def _ask_again(self, session: Session) -> None:
        """All that has no reply; what was done before the death is found in the log."""
        asked = [one for one in session.asked if one.frame.kind != Kind.OPEN]
        opening = next((one for one in session.asked if one.frame.kind == Kind.OPEN), None)
        session.asked.clear()
        self._bring(session, None if opening is None else opening.tell)
        for one in asked:
            self._ask(session, one)

    def _bring(self, session: Session, tell: Tell | None = None) -> None:
        """Have a worker build the session, or play it again from its log."""
        link = self.workers.place(session.spec)
        session.link = link
        link.sessions[session.handle] = session.spec.problem
        path = self._log_of(session.id)
        opening = Opening(
            spec=session.spec.to_record(),
            path=str(path),
            is_new=session.is_new,
            most_bytes=self._settings.log_bytes,
            kept=self._settings.credit,
        )
        if not session.is_new and self.metrics is not None:
            self.metrics.restored += 1
        frame = Frame(Kind.OPEN, 0, session.handle, msgspec.msgpack.encode(opening))
        self._ask(session, Asked(frame, tell or (lambda reply: self._brought(session, reply))))

    def open(self, session: Session, tell: Tell) -> None:
        """Build a new session."""
        self._bring(session, tell)

    def _brought(self, session: Session, reply: Frame) -> None:
        if reply.kind == Kind.REFUSED and session.end is None:
            self._fail(session, "session_lost", reply.told()[1])

    def _ask(self, session: Session, asked: Asked) -> None:
        assert session.link is not None
        session.asked.append(asked)
        session.link.send(asked.frame)

    def _fail(self, session: Session, code: str, detail: str) -> None:
        _log.warning("session failed", session=session.id, code=code, detail=detail)
        session.end = End("failed", code, detail)
        self.drop(session)
        self._on_failure(session)

    def _tell_all(self, session: Session) -> None:
        end = session.end or End("closed", "session_closed", "it was closed")
        content = msgspec.msgpack.encode([end.code, end.detail])
        while session.asked:
            asked = session.asked.popleft()
            asked.tell(Frame(Kind.BROKEN, asked.frame.form, session.handle, content))

    async def _watch(self) -> None:
        """Kill workers that play one command for too long."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for link in self.workers.all():
                session = self._sessions.get(link.playing)
                limit = self._settings.step_seconds if session is None else self._limit(session)
                if link.seconds_in_command() > limit:
                    link.kill()

    def _limit(self, session: Session) -> float:
        settings = self._settings
        return settings.open_seconds if session.is_being_built else settings.step_seconds


def problem_of(end: End) -> Problem:
    """Why a session cannot be asked any more."""
    return Problem(end.code, end.detail)
