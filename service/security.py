"""Who asks: keys in headers for programs, a signed cookie for pages."""

from __future__ import annotations

import hmac
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

from anyio import CapacityLimiter
from anyio.to_thread import run_sync
from fastapi import Depends, Query
from starlette.requests import HTTPConnection

from service.clock import Clock
from service.keys.repository import Keyring, Principal, Scope
from service.problems import Problem, retry_after
from service.sessions.allowance import Allowance, Pace
from service.settings import LimitSettings

COOKIE = "surrogym"
SECRET = re.compile(r"sgk_[0-9a-f]{12}_[A-Za-z0-9_-]+")
"""What a key looks like, for whoever keeps keys out of logs."""
_KNOWN = "principal"
"""Under which the state of a request has who sent it."""
_REMEMBERED_SECONDS = 5.0
"""For which a key that was good is taken to be good: so long may a revoked one still work."""
_MOST_REMEMBERED = 10_000
_LOOKED_UP_AT_ONCE = 8
"""Keys, in threads of their own: all others may wait to write to a database that is locked."""
_SIGNED_IN_SECONDS = 7 * 24 * 3600


class Doorkeeper:
    """Tells who asks, and stops those who ask too much."""

    def __init__(
        self, keyring: Keyring, clock: Clock, limits: LimitSettings, cookie_secret: bytes
    ) -> None:
        self._keyring, self._clock, self._secret = keyring, clock, cookie_secret
        self._limits, self._paces = limits, dict[str, Pace]()
        self._requests = Rate(limits.requests_per_minute, clock)
        self._failures = Rate(limits.failures_per_minute, clock)
        self._remembered: dict[str, tuple[float, Principal]] = {}
        self._threads = CapacityLimiter(_LOOKED_UP_AT_ONCE)

    async def principal(self, connection: HTTPConnection) -> Principal:
        """Whoever sent a request or opened a socket; raises Problem for nobody we know.

        Asked again for the same request it is the same, and counts once.
        """
        known = known_of(connection.scope)
        if known is None:
            known = connection.scope["state"][_KNOWN] = await self._known(connection)
        return known

    async def _known(self, connection: HTTPConnection) -> Principal:
        token = token_of(connection.headers)
        cookie = None if token else connection.cookies.get(COOKIE)
        if cookie is not None:
            _refuse_cross_site(connection)
            return self._within_rate(await self._signed_in(cookie))
        return await self.holder(token or "", _address(connection))

    async def holder(self, token: str, address: str) -> Principal:
        """Who holds a key; raises Problem where nobody does, or who asks too often."""
        known = self._remembered.get(token)
        if known is not None and self._clock.monotonic() < known[0]:
            return self._within_rate(known[1])
        if not self._failures.has_left(address):
            raise Problem("rate_limited", "too many keys were refused", headers=retry_after(60))
        found = await self._look_up(self._keyring.find, token) if token else None
        if found is None:
            self._remembered.pop(token, None)
            if token:
                self._failures.take(address)
            raise Problem("unauthenticated", "send a key as 'Authorization: Bearer sgk_...'")
        if len(self._remembered) >= _MOST_REMEMBERED:
            self._remembered.clear()
        self._remembered[token] = (self._clock.monotonic() + _REMEMBERED_SECONDS, found)
        return self._within_rate(found)

    def allowance(self, principal: Principal) -> Allowance:
        """What a key may ask on streams, in each process that serves them."""
        limits = self._limits
        return Allowance(
            key_id=principal.key_id,
            per_minute=limits.requests_per_minute,
            json_depth=limits.json_depth,
            json_nodes=limits.json_nodes,
            body_bytes=limits.body_bytes,
        )

    def pace(self, principal: Principal) -> Pace:
        """Of the commands of a key on all streams that are served here."""
        if principal.key_id not in self._paces:
            self._paces[principal.key_id] = Pace(self.allowance(principal), self._clock.monotonic)
        return self._paces[principal.key_id]

    def cookie(self, principal: Principal) -> str:
        """What a browser brings back instead of a key; good for a week, and while the key is."""
        expires = int(self._clock.now().timestamp()) + _SIGNED_IN_SECONDS
        body = f"{principal.key_id}.{expires}"
        return f"{body}.{self._signature(body)}"

    async def _signed_in(self, cookie: str) -> Principal:
        body, _, signature = cookie.rpartition(".")
        key_id, _, expires = body.partition(".")
        is_ours = hmac.compare_digest(signature.encode(), self._signature(body).encode())
        if not is_ours or int(expires) < self._clock.now().timestamp():
            raise Problem("unauthenticated", "sign in again")
        found = await self._look_up(self._keyring.holder, key_id)
        if found is None:
            raise Problem("unauthenticated", "the key of this browser was revoked")
        return found

    async def _look_up(self, find: Callable[[str], Principal | None], key: str) -> Principal | None:
        return await run_sync(find, key, limiter=self._threads)

    def _within_rate(self, principal: Principal) -> Principal:
        if not self._requests.take(principal.key_id):
            raise Problem("rate_limited", "wait for the next minute", headers=retry_after(60))
        return principal

    def _signature(self, body: str) -> str:
        return hmac.new(self._secret, body.encode(), sha256).hexdigest()


class Rate:
    """So much a minute for each; no setting of the machine's clock makes a minute longer."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most, self._clock = most, clock
        self._taken: dict[str, tuple[float, int]] = {}
        """When a minute began, and what was taken in it."""
        self._room = _MOST_REMEMBERED
        """Of whom so many are remembered before those whose minute is over are looked for."""

    def has_left(self, whose: str) -> bool:
        """Whether anything is left of this minute's."""
        return self._this_minute(whose)[1] < self._most

    def take(self, whose: str) -> bool:
        """Take one; whether it was there."""
        began, taken = self._this_minute(whose)
        if len(self._taken) >= self._room:
            self._taken = {each: of for each, of in self._taken.items() if not self._is_over(of[0])}
            self._room = max(_MOST_REMEMBERED, 2 * len(self._taken))
        self._taken[whose] = began, taken + 1
        return taken < self._most

    def _this_minute(self, whose: str) -> tuple[float, int]:
        began, taken = self._taken.get(whose, (float("-inf"), 0))
        return (self._clock.monotonic(), 0) if self._is_over(began) else (began, taken)

    def _is_over(self, began: float) -> bool:
        return self._clock.monotonic() - began >= 60.0


def known_of(scope: Mapping[str, Any]) -> Principal | None:
    """Who sent a request, where that was asked."""
    found: Principal | None = scope["state"].get(_KNOWN)
    return found


def requires(scope: Scope) -> Callable[[HTTPConnection], Awaitable[Principal]]:
    """A dependency: the principal of a request, who must hold the scope."""

    async def asks(connection: HTTPConnection) -> Principal:
        doorkeeper: Doorkeeper = connection.app.state.doorkeeper
        principal = await doorkeeper.principal(connection)
        demand(principal, scope)
        return principal

    return asks


def demand(principal: Principal, scope: Scope) -> None:
    """Raise Problem for who does not hold a scope."""
    if not principal.may(scope):
        raise Problem("forbidden", f"this needs the scope {scope!r}")


Reader = Annotated[Principal, Depends(requires("read"))]
Stepper = Annotated[Principal, Depends(requires("step"))]
Trainer = Annotated[Principal, Depends(requires("train"))]
Promoter = Annotated[Principal, Depends(requires("promote"))]
Admin = Annotated[Principal, Depends(requires("admin"))]


def _whose(
    asks: Reader,
    owner: Annotated[
        str | None,
        Query(max_length=100, description="Whose; others' and, if absent, all for an admin only"),
    ] = None,
) -> str | None:
    if owner is None:
        return asks.whose
    if owner != asks.owner and not asks.is_admin:
        raise Problem("forbidden", "this needs the scope 'admin'")
    return owner


Whose = Annotated[str | None, Depends(_whose)]
"""Whose things are listed: one's own; for an admin those of whom he names, or everybody's."""


def token_of(headers: Mapping[str, str]) -> str | None:
    """The key in a request's headers."""
    scheme, _, token = headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else headers.get("x-api-key")


def cookie_secret(data: Path) -> bytes:
    """What cookies are signed with: made once, readable by the service alone."""
    path = data / "cookie-secret"
    if not path.exists():
        partial = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        partial.touch(mode=0o600)
        partial.write_bytes(secrets.token_bytes(32))
        partial.rename(path)
    return path.read_bytes()


def _refuse_cross_site(connection: HTTPConnection) -> None:
    """A cookie comes by itself, so that what changes things must come from our own pages."""
    if connection.scope.get("method") in ("GET", "HEAD"):
        return
    origin = connection.headers.get("origin", "")
    if origin.partition("://")[2] != connection.headers.get("host", "?"):
        raise Problem("cross_site", "pages of other sites may not do this")


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else "unknown"
