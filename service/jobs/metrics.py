"""Jobs in numbers, for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy.exc import DBAPIError

from service.jobs.leases import Claim, End
from service.jobs.states import JobState

_SECONDS = (1, 3, 10, 30, 60, 180, 600, 1800, 3600, 3 * 3600, 12 * 3600)
Counts = Callable[[], tuple[dict[JobState, int], int]]
"""Jobs by state, and cores taken on this machine."""


class JobMetrics(Collector):
    """What is counted as it happens, and what is looked up when somebody asks."""

    def __init__(self, registry: CollectorRegistry, counts: Counts, cores: int) -> None:
        self._counts, self._cores = counts, cores
        self._waits = Histogram(
            "surrogym_job_queue_seconds", "Wait of a job for its cores", ["kind"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "surrogym_job_attempt_seconds", "Wall time of an attempt", ["kind", "end"],
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._attempts = Counter(
            "surrogym_job_attempts", "Attempts that ended", ["kind", "end"], registry=registry
        )
        registry.register(self)

    def claimed(self, claim: Claim) -> None:
        """A job got its cores."""
        self._waits.labels(claim.kind).observe(claim.waited_seconds)

    def ended(self, claim: Claim, end: End, seconds: float) -> None:
        """An attempt ended."""
        self._seconds.labels(claim.kind, end.state.value).observe(seconds)
        self._attempts.labels(claim.kind, end.state.value).inc()

    def describe(self) -> list[GaugeMetricFamily]:
        """What `collect` gives, without asking the database at the start."""
        return [_jobs(), _cores()]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Jobs by state and cores as they are now; nothing while the database is away."""
        try:
            states, taken = self._counts()
        except DBAPIError:
            return
        jobs = _jobs()
        for state in JobState:
            jobs.add_metric([state.value], states.get(state, 0))
        cores = _cores()
        cores.add_metric(["taken"], taken)
        cores.add_metric(["all"], self._cores)
        yield from (jobs, cores)


def _jobs() -> GaugeMetricFamily:
    return GaugeMetricFamily("surrogym_jobs", "Jobs by state", labels=["state"])


def _cores() -> GaugeMetricFamily:
    return GaugeMetricFamily("surrogym_job_cores", "Cores for jobs on this machine", labels=["of"])
