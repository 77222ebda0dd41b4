"""What is counted and logged of requests, whoever answered them."""

from __future__ import annotations

import structlog
from prometheus_client import CollectorRegistry, Counter, Histogram

from service.sessions.frames import ROUTES, Kind

_log = structlog.get_logger("surrogym.requests")
_QUIET = ("/livez", "/readyz", "/metrics")
_STEPS = ROUTES[Kind.STEP]
"""Of which hundreds come a second: a line for each would cost more than the step. They are counted,
and those that fail are told."""


class RequestMetrics:
    """Counts of one service."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._count = Counter(
            "surrogym_http_requests_total", "Answers by route and status.",
            ["method", "route", "status"], registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "surrogym_http_request_seconds", "From the request to the end of the answer.",
            ["method", "route"], registry=registry,
            buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2, 10),
        )  # fmt: skip

    def answered(
        self, method: str, route: str, status: int, seconds: float, *, path: str, **about: str
    ) -> None:
        """A request was answered; `about` is for its line in the log."""
        self._count.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)
        if route not in _QUIET and (route != _STEPS or status >= 400):
            # Neither query nor headers: keys may be in them.
            _log.info("request", method=method, path=path, status=status,
                      milliseconds=round(1e3 * seconds, 2), **about)  # fmt: skip
