"""HTTP connections that are lent to workers: of clients who step one session time and again.

A step that the service passes on to a worker takes longer than one that the worker is asked for
itself. So when a few came over one connection, in a row and all for one session, the worker that
plays it is handed the connection. It gives it back with the first request that is not like those.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import AbstractContextManager, suppress
from typing import Any, NamedTuple

import structlog
from starlette.requests import HTTPConnection
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from service.errors import respond
from service.patience import PatientProtocol
from service.problems import Problem
from service.security import token_of
from service.sessions.allowance import Allowance
from service.sessions.direct_requests import CREDENTIALS
from service.sessions.handing import any_of, end_of, until_left
from service.sessions.link import Handed
from service.sessions.operations import Sessions
from service.sessions.playing import problem_of
from service.sessions.session import Session

_KEY = "surrogym.connection"
_IN_A_ROW = 3
"""Commands before a connection is lent; after each loan that many times two."""
_MOST_IN_A_ROW = 1 << 20
_MOST_CREDENTIALS = 4 << 10
"""Bytes of them that a worker is told."""
_log = structlog.get_logger("surrogym.sessions")


class Loan(NamedTuple):
    """What a worker has to know to be lent a connection, and what ends it."""

    sessions: Sessions
    session: Session
    allowance: Allowance
    over_key: AbstractContextManager[asyncio.Event]
    """Within it the event tells that the key is revoked."""


class LendableProtocol(PatientProtocol):
    """Uvicorn's protocol, of a connection that others may answer for a while."""

    def __init__(self, *given: Any, may_lend: bool = True, **named: Any) -> None:
        super().__init__(*given, **named)
        self._may_lend = may_lend
        self._loan: Loan | None = None
        """To be begun when the answer is out."""
        self._stepped, self._in_a_row, self._enough = "", 0, _IN_A_ROW
        self._lending: asyncio.Task[None] | None = None
        self._is_to_close = False

    def on_headers_complete(self) -> None:
        """Let the app find the connection."""
        extensions: dict[str, Any] = {_KEY: self}
        self.scope["extensions"] = extensions
        super().on_headers_complete()

    def is_regular(self, session_id: str) -> bool:
        """Count a step or a reset of a session; whether enough came in a row for it."""
        is_same, self._stepped = self._stepped == session_id, session_id
        self._in_a_row = self._in_a_row + 1 if is_same else 1
        return self._in_a_row >= self._enough

    def lend(self, loan: Loan) -> None:
        """Lend the connection once the request that came last is answered."""
        self._loan = loan

    def on_response_complete(self) -> None:
        """Lend the connection, if that is to be and nothing else came over it."""
        super().on_response_complete()
        loan, self._loan = self._loan, None
        if loan is None or not self._is_at_rest or loan.sessions.stopping.is_set():
            return
        self._unset_keepalive_if_required()
        self.transport.pause_reading()
        self._lending = self.loop.create_task(self._lend(loan))

    def shutdown(self) -> None:
        """Close when nothing is under way."""
        if self._lending is None:
            super().shutdown()
        else:
            self._is_to_close = True

    @property
    def _is_at_rest(self) -> bool:
        """Whether no part of a next request was read."""
        is_waiting = (
            self._deadline is None and self.cycle.response_complete and self.cycle.keep_alive
        )
        return (
            is_waiting and self._may_lend and self.scheme == "http"
            and not self.pipeline and not self.transport.is_closing()
        )  # fmt: skip

    async def _lend(self, loan: Loan) -> None:
        handed: Handed | None = None
        try:
            with loan.over_key as revoked:
                handed = await self._handed(loan)
                if handed is not None:
                    await _until_back(loan, handed, revoked)
        except Exception as error:
            _log.error("a connection was not lent", exc_info=error)
        finally:
            self._lending = None
            self._in_a_row, self._enough = 0, min(2 * self._enough, _MOST_IN_A_ROW)
            try:
                if not self.transport.is_closing():
                    self._go_on(loan.session, handed)
            except OSError:
                self.transport.close()

    async def _handed(self, loan: Loan) -> Handed | None:
        credentials = [one for one in self.headers if one[0] in CREDENTIALS]
        size = sum(len(name) + len(value) for name, value in credentials)
        if size > _MOST_CREDENTIALS or self.transport.get_write_buffer_size():
            return None
        return await loan.sessions.playing.hand_over(
            loan.session, self._own().detach(), loan.allowance, credentials
        )

    def _go_on(self, session: Session, handed: Handed | None) -> None:
        """Read here again, unless nobody is there or nobody knows what he got."""
        if handed is not None and handed.is_gone:
            self.transport.close()
            return
        if handed is not None and not handed.left.is_set():
            # A command takes long, and is not waited for.
            self._part(session)
            return
        if handed is not None:
            with self._own() as own:
                own.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
            if handed.left_over:
                self.transport.write(handed.left_over)
        if self._is_to_close:
            self._part(session)
            return
        self.transport.resume_reading()
        self.timeout_keep_alive_task = self.loop.call_later(
            self.timeout_keep_alive, self.timeout_keep_alive_handler
        )

    def _part(self, session: Session) -> None:
        """Close, and tell why where a request waits; a worker that still has it sends no more."""
        with self._own() as own, suppress(OSError):
            if own.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT):
                own.send(_last_words(session), socket.MSG_DONTWAIT)
            own.shutdown(socket.SHUT_RDWR)
        self.transport.close()

    def _own(self) -> socket.socket:
        """The connection by a descriptor of one's own."""
        return socket.socket(fileno=os.dup(self.transport.get_extra_info("socket").fileno()))


async def _until_back(loan: Loan, handed: Handed, revoked: asyncio.Event) -> None:
    """Wait until the worker gives a connection back; not for long when the session or all ends."""
    stopping = loan.sessions.stopping
    with end_of(loan.session) as ended:
        try:
            await any_of(handed.left, ended, stopping, revoked)
        finally:
            handed.let_go()
        if revoked.is_set():
            # What was begun under the key is answered; what comes is refused.
            await any_of(handed.left, ended, stopping)
        await until_left(handed)


def _last_words(session: Session) -> bytes:
    """The answer to a request that is not waited for."""
    waits = Problem("not_ready", "the service stops: ask the same again")
    told = respond(None, waits if session.end is None else problem_of(session.end))
    head = b"".join(b"%b: %b\r\n" % one for one in (*told.raw_headers, (b"connection", b"close")))
    return b"%b%b\r\n%b" % (STATUS_LINE[told.status_code], head, bytes(told.body))


def lendable_of(request: HTTPConnection) -> LendableProtocol | None:
    """The connection of a request, where it can be lent; None of a test, or of another server."""
    found = request.scope.get("extensions", {}).get(_KEY)
    # With a cookie it has to be seen, request by request, that no page of another site sent it.
    is_by_key = bool(token_of(request.headers))
    return found if isinstance(found, LendableProtocol) and is_by_key else None
