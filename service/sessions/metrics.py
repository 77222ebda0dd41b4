"""What is counted of sessions, for Prometheus.

Steps come by the thousand, so that they are counted in plain numbers and told when asked for.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

_BUCKETS = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)


class SessionMetrics(Collector):
    """Counts of one service."""

    def __init__(
        self, sessions_open: Callable[[], Counter[str]], workers_lost: Callable[[], int]
    ) -> None:
        self._open, self._lost = sessions_open, workers_lost
        self._commands = Counter[str]()
        self._steps = Counter[str]()
        self._seconds: dict[str, list[int]] = {}
        self._total: dict[str, float] = {}
        self.verdicts = Counter[str]()
        """By state, of sessions that are over."""
        self.restored = 0
        """Times that a session was played again from its log."""

    def played(self, world: str, rows: int, seconds: float) -> None:
        """A command was done."""
        self._commands[world] += 1
        self._steps[world] += rows
        self._total[world] = self._total.get(world, 0.0) + seconds
        counts = self._seconds.setdefault(world, [0] * (len(_BUCKETS) + 1))
        counts[bisect_left(_BUCKETS, seconds)] += 1

    def collect(self) -> Iterable[Metric]:
        """All of it, as it is now."""
        opened = GaugeMetricFamily(
            "surrogym_sessions_open", "Sessions that can be stepped.", labels=["world"]
        )
        for world, count in self._open().items():
            opened.add_metric([world], count)
        yield opened
        yield _counter("surrogym_session_commands", "Commands done.", self._commands, "world")
        yield _counter("surrogym_session_steps", "Environment steps done.", self._steps, "world")
        yield _counter("surrogym_session_verdicts", "Sessions over.", self.verdicts, "verdict")
        yield CounterMetricFamily(
            "surrogym_session_restores", "Sessions played again from their logs.", self.restored
        )
        yield CounterMetricFamily(
            "surrogym_session_worker_restarts", "Workers that died.", self._lost()
        )
        yield self._histogram()

    def _histogram(self) -> Metric:
        told = HistogramMetricFamily(
            "surrogym_session_command_seconds", "In the worker.", labels=["world"]
        )
        for world, counts in self._seconds.items():
            sums = [sum(counts[: k + 1]) for k in range(len(counts))]
            names = [*map(str, _BUCKETS), "+Inf"]
            told.add_metric([world], list(zip(names, sums, strict=True)), self._total[world])
        return told


def _counter(name: str, text: str, counts: Counter[str], label: str) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
