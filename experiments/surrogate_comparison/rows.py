"""One measurement: a contestant fitted to some transitions of a system, and judged."""

from __future__ import annotations

from dataclasses import dataclass

from surrogates.fidelity.ranking import at_twice_the_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One fit with all that was measured of it."""

    scenario: str
    contestant: str
    is_ours: bool
    rows: int
    """Transitions to learn from."""
    seed: int
    digest: str
    """Of all settings; rows of settings that have changed do not count."""
    crps: float
    """Standardised: mean over the numbers of an epoch, each over its held-out deviation."""
    energy: float
    coverage_50: float
    coverage_80: float
    coverage_95: float
    log_likelihood: float | None
    """Nats per transition; only families with a likelihood in the same coordinates compare."""
    tau: float
    tau_low: float
    tau_high: float
    tau_attainable: float
    """Between two halves of the runs of the simulator itself (see `attainable`)."""
    values: list[float]
    """Cost per minute of each policy on the surrogate."""
    true_values: list[float]
    fit_cpu_seconds: float
    fit_seconds: float
    """Wall-clock; where other work shares the machine only processor seconds compare."""
    samples_per_second: float
    """Per processor second of one core."""
    threads: int
    """While it was fitted."""
    commit: str
    date: str
    machine: str

    @property
    def attainable(self) -> float:
        """Tau of the simulator's values with those of as many other runs, from its halves."""
        return at_twice_the_days(self.tau_attainable)

    @property
    def key(self) -> tuple[str, str, int, int, str]:
        """What was measured."""
        return self.scenario, self.contestant, self.rows, self.seed, self.digest
