"""Which part of the system has left what a surrogate foretells? Cumulative sums of its residuals.

Each day the residuals of a part over all epochs come to one value. Between days these values are
correlated, since all epochs of a day share its luck; so they too are judged each given the earlier
ones. Then they run through the same sums, with a threshold set the same way, as the scores of
parameters do. No likelihood is asked for, and no parameter needs to tell of the change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import solve_triangular

from surrogates.dataset import Transitions
from surrogates.interface import Surrogate
from training.drift.cusum import SummingDetector
from training.drift.residuals import ComponentResiduals, daily
from training.drift.settings import DetectorSettings, RunLength
from training.drift.standard import Standard
from training.drift.thresholds import set_threshold
from training.drift.verdict import Seen, arrays_to_record
from training.likelihood import kinds_of_days, number_of_kinds

_DAYS_TRUSTED_UNCORRELATED = 10.0
"""Weight, in days, of no correlation in the covariance between days: a resample may hold fewer
different days than there are parts, and their covariance alone then has no root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResidualCusum(SummingDetector):
    """Two-sided cumulative sums of each part's daily residual, calibrated."""

    source: ComponentResiduals
    root: Float[np.ndarray, "component component"]
    """Lower triangular root of the covariance between days."""
    standard: Standard
    settings: DetectorSettings
    threshold: float
    run_length: RunLength
    name: str = "residual cusum"

    @property
    def names(self) -> tuple[str, ...]:
        """The parts."""
        return self.source.names

    def measure(self, days: Transitions) -> Sequence[Seen]:
        """Standardised residuals of each day, a value for each part."""
        kinds = kinds_of_days(self.source.surrogate.description, days)
        values = _uncorrelated(daily(self.source.samples(days)), self.root)
        return list(self.standard.apply(values, kinds))

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate, as JSON takes it."""
        return {
            "source": self.source.to_record(),
            "root": self.root.tolist(),
            "standard": arrays_to_record(self.standard),
            "settings": asdict(self.settings),
            "threshold": self.threshold,
            "run_length": asdict(self.run_length),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], surrogate: Surrogate) -> ResidualCusum:
        """Rebuild around the same surrogate. Raises InvalidDataset for one of another system."""
        return cls(
            source=ComponentResiduals.from_record(record["source"], surrogate),
            root=np.array(record["root"]),
            standard=Standard(**{k: np.array(v) for k, v in record["standard"].items()}),
            settings=DetectorSettings(**record["settings"]),
            threshold=float(record["threshold"]),
            run_length=RunLength(**record["run_length"]),
        )


def calibrate_residual_cusum(
    source: ComponentResiduals,
    in_control: Transitions,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> ResidualCusum:
    """Standardise and set the threshold on days in control under the policy in charge."""
    description = source.surrogate.description
    values = daily(source.samples(in_control))
    kinds, number = kinds_of_days(description, in_control), number_of_kinds(description)

    def standardised_by(rows: Int[np.ndarray, "row"]) -> Float[np.ndarray, "day component"]:
        root, standard = _usual(values[rows], kinds[rows], number)
        return standard.apply(_uncorrelated(values, root), kinds)

    threshold, achieved = set_threshold(standardised_by, len(values), settings, random)
    root, standard = _usual(values, kinds, number)
    return ResidualCusum(
        source=source,
        root=root,
        standard=standard,
        settings=settings,
        threshold=threshold,
        run_length=achieved,
    )


def _usual(
    values: Float[np.ndarray, "day component"], kinds: Int[np.ndarray, "day"], number: int
) -> tuple[Float[np.ndarray, "component component"], Standard]:
    """Root of the covariance between these days, and what is usual once it is taken off."""
    covariance, count = np.atleast_2d(np.cov(values.T)), len(values)
    variances = np.diag(np.diag(covariance))
    root = np.linalg.cholesky(
        (count * covariance + _DAYS_TRUSTED_UNCORRELATED * variances)
        / (count + _DAYS_TRUSTED_UNCORRELATED)
    )
    return root, Standard.of(_uncorrelated(values, root), kinds, number)


def _uncorrelated(
    values: Float[np.ndarray, "day component"], root: Float[np.ndarray, "component component"]
) -> Float[np.ndarray, "day component"]:
    return np.asarray(solve_triangular(root, values.T, lower=True).T)
