"""What a detector is tuned to, and what the tuning came to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorSettings:
    """What the detector is tuned to."""

    run_length: float = 250.0
    """Wanted mean number of days between false alarms of everything watched together."""
    allowance: float = 1.0
    """Daily drift taken off each sum, in standard deviations: half the shift that matters."""
    clip: float = 4.0
    """Largest daily value, in standard deviations, so that one freak day alone is no alarm."""
    leak: float = 0.25
    """A parameter is named only with this share of the clearest one's mean shift: far from the
    reference the likelihood is not quadratic, and a large shift of one leaks into the others."""
    assurance: float = 0.9
    """Share of resampled sets of days in control for which the run length is at least as wanted.
    Of cumulative sums alone; other detectors aim at the wanted run length itself."""
    resamples: int = 40
    """Resampled sets of days in control."""
    chains: int = 100
    """Simulated runs for each of them, and for detectors without resampled sets in all."""

    def __post_init__(self) -> None:
        positive = (self.run_length - 1, self.allowance, self.clip - self.allowance)
        few = self.resamples < 2 or self.chains < 1
        if min(positive) <= 0 or few or not 0 < self.assurance < 1:
            raise ValueError(
                f"{self}: run_length above 1, clip above an allowance above 0, assurance between "
                "0 and 1, 2 resamples or more"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLength:
    """Mean days between false alarms at the threshold, as simulated."""

    mean: float
    """Over resampled sets of days in control."""
    low: float
    """5% quantile over those sets. Not a bound: unseen tails make the true one shorter still."""
    high: float
    """95% quantile."""
