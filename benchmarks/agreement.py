"""Whether two contestants simulated the same system: their statistics must agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.errors import NotComparable
from sim.output import Estimate, paired_interval

Statistics = dict[str, float]
"""What a contestant says of one run: customers, shares who gave up, mean waits in minutes."""

CONFIDENCE = 0.999


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far apart two contestants are in one statistic."""

    statistic: str
    difference: Estimate
    precision: float
    """Half the interval's width may be this much; a wider one would let anything pass."""

    @property
    def half_width(self) -> float:
        """Half the interval's width."""
        return (self.difference.high - self.difference.low) / 2

    @property
    def fault(self) -> str | None:
        """What speaks against a comparison, if anything does."""
        d = self.difference
        if not d.low <= 0.0 <= d.high:
            return f"{self.statistic} differs by {d.value:.4g} [{d.low:.4g}, {d.high:.4g}]"
        if self.half_width > self.precision:
            return (
                f"{self.statistic} is only known to ±{self.half_width:.4g}, needed is "
                f"±{self.precision:.4g}: run more pairs"
            )
        return None


def compare(
    first: Sequence[Statistics], second: Sequence[Statistics], precision: Mapping[str, float]
) -> tuple[Agreement, ...]:
    """How far two contestants are apart in each statistic, over runs that are paired by seed."""
    return tuple(
        Agreement(
            statistic=name,
            difference=paired_interval(
                [run[name] for run in first], [run[name] for run in second], CONFIDENCE
            ),
            precision=allowed,
        )
        for name, allowed in precision.items()
    )


def require_agreement(agreements: Sequence[Agreement], contestants: str) -> None:
    """Raise NotComparable unless every statistic agrees as precisely as asked."""
    faults = [agreement.fault for agreement in agreements if agreement.fault is not None]
    if faults:
        raise NotComparable(f"{contestants} did not simulate the same: {'; '.join(faults)}")
