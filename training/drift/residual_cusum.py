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
from jaxtyping import Float
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
        return list(self.standard.apply(_daily(self.source, self.root, days), kinds))

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
    root = np.linalg.cholesky(np.atleast_2d(np.cov(values.T)))
    values = _uncorrelated(values, root)
    kinds, number = kinds_of_days(description, in_control), number_of_kinds(description)
    threshold, achieved = set_threshold(values, kinds, number, settings, random)
    return ResidualCusum(
        source=source,
        root=root,
        standard=Standard.of(values, kinds, number),
        settings=settings,
        threshold=threshold,
        run_length=achieved,
    )


def _daily(
    source: ComponentResiduals, root: Float[np.ndarray, "component component"], days: Transitions
) -> Float[np.ndarray, "day component"]:
    return _uncorrelated(daily(source.samples(days)), root)


def _uncorrelated(
    values: Float[np.ndarray, "day component"], root: Float[np.ndarray, "component component"]
) -> Float[np.ndarray, "day component"]:
    return np.asarray(solve_triangular(root, values.T, lower=True).T)
