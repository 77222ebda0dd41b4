"""Requests that come again when the service was away, and refusals that can be caught by code."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from sim.errors import SurrogymError

ADDRESS, KEY = "SURROGYM_URL", "SURROGYM_KEY"
_SAFE = frozenset({"GET", "PUT", "DELETE"})
_AGAIN = frozenset({429, 502, 503, 504})


class NotReached(ConnectionError):
    """The service did not answer, for as long as was waited."""


class Refusal(SurrogymError):
    """The service refused; `code` is one of its problem codes, which stay."""

    def __init__(self, status: int, code: str, detail: str, request_id: str | None) -> None:
        super().__init__(f"{code}: {detail}")
        self.status, self.code, self.detail, self.request_id = status, code, detail, request_id


class Transport:
    """One service, one key."""

    def __init__(
        self,
        address: str | None = None,
        key: str | None = None,
        *,
        patience_seconds: float = 60.0,
        timeout_seconds: float = 60.0,
    ) -> None:
        """Address and key are SURROGYM_URL and SURROGYM_KEY where they are not given.

        `patience_seconds` is for how long a request that may be sent twice is sent again while the
        service is away or busy. Raises SurrogymError where nobody says the address or the key.
        """
        address = address or os.environ.get(ADDRESS) or "http://127.0.0.1:8000"
        key = key or os.environ.get(KEY)
        if key is None:
            raise SurrogymError(f"no key: give one, or set {KEY}")
        self.address, self.patience_seconds = address.rstrip("/"), patience_seconds
        self._http = httpx2.Client(
            base_url=self.address,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_seconds,
        )

    def close(self) -> None:
        """Close its connections."""
        self._http.close()

    def request(
        self, method: str, path: str, *, may_repeat: bool | None = None, **given: Any
    ) -> httpx2.Response:
        """An answer that is no refusal.

        A request that may be sent twice (by its method, or because the caller says so) is sent
        again when it was lost. Raises Refusal, and NotReached when patience is at its end.
        """
        repeats = method in _SAFE if may_repeat is None else may_repeat
        until, pause = time.monotonic() + (self.patience_seconds if repeats else 0.0), 0.1
        while True:
            try:
                answer = self._http.request(method, path, **given)
            except httpx2.TransportError as error:
                if time.monotonic() >= until:
                    raise NotReached(f"{self.address} does not answer: {error}") from error
                wait = pause
            else:
                if answer.status_code not in _AGAIN or time.monotonic() >= until:
                    return _accepted(answer)
                wait = float(answer.headers.get("retry-after", pause))
            time.sleep(max(0.0, min(wait, until - time.monotonic())))
            pause = min(2.0, 2 * pause)

    def items(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Everything of a list, page after page."""
        while True:
            page = self.request("GET", path, params=query).json()
            yield from page["items"]
            if not page.get("next_cursor"):
                return
            query["cursor"] = page["next_cursor"]

    @contextmanager
    def stream(self, path: str, **given: Any) -> Iterator[httpx2.Response]:
        """An answer that is read as it comes."""
        with self._http.stream("GET", path, **given) as answer:
            if answer.status_code >= 400:
                answer.read()
            yield _accepted(answer)


def _accepted(answer: httpx2.Response) -> httpx2.Response:
    if answer.status_code < 400:
        return answer
    try:
        told = answer.json()
        code, detail = str(told["code"]), str(told.get("detail") or told["title"])
        faults = "; ".join(f"{f['at']}: {f['reason']}" for f in told.get("errors", []))
        request_id = told.get("request_id")
    except (ValueError, KeyError, TypeError):
        code, detail, faults, request_id = "unknown", answer.reason_phrase, "", None
    raise Refusal(answer.status_code, code, f"{detail} {faults}".strip(), request_id)
