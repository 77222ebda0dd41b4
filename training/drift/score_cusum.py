"""Which parameter has left its reference? Cumulative sums of daily scores.

Each evening the day's score under a surrogate with a likelihood gives a one-step estimate of how
far every hidden parameter has moved. Standardised by what simulated days in control show, kind of
day by kind of day, these run through two-sided cumulative sums.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from training.drift.cusum import SummingDetector
from training.drift.settings import DetectorSettings, RunLength
from training.drift.standard import Standard, refuse_few_days
from training.drift.thresholds import set_threshold
from training.drift.verdict import Seen, arrays_to_record
from training.likelihood import DayLikelihood, InControl, kinds_of_days, number_of_kinds


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreCusum(SummingDetector):
    """Two-sided cumulative sums of standardised one-step estimates, calibrated."""

    likelihood: DayLikelihood
    control: InControl
    standard: Standard
    settings: DetectorSettings
    threshold: float
    run_length: RunLength
    name: str = "score cusum"

    @property
    def names(self) -> tuple[str, ...]:
        """The hidden parameters."""
        return self.likelihood.names

    def residuals(self, days: Transitions) -> Float[np.ndarray, "day hidden"]:
        """Standardised one-step estimates of each day, not clipped."""
        estimates = self.control.one_step(self.likelihood.scores(days))
        description = self.likelihood.surrogate.description
        return self.standard.apply(estimates, kinds_of_days(description, days))

    def measure(self, days: Transitions) -> Sequence[Seen]:
        """Standardised one-step estimates of each day."""
        return list(self.residuals(days))

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate, as JSON takes it."""
        return {
            "reference": self.likelihood.reference.tolist(),
            "names": list(self.likelihood.names),
            "control": self.control.to_record(),
            "standard": arrays_to_record(self.standard),
            "settings": asdict(self.settings),
            "threshold": self.threshold,
            "run_length": asdict(self.run_length),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], likelihood: DayLikelihood) -> ScoreCusum:
        """Rebuild around the same surrogate; refuses a likelihood about another reference."""
        names, reference = tuple(record["names"]), record["reference"]
        if names != likelihood.names or reference != likelihood.reference.tolist():
            raise InvalidDataset(
                f"a detector of {names} at {reference} cannot watch {likelihood.names} at "
                f"{likelihood.reference.tolist()}: calibrate a new one"
            )
        return cls(
            likelihood=likelihood,
            control=InControl.from_record(record["control"]),
            standard=Standard(**{k: np.array(v) for k, v in record["standard"].items()}),
            settings=DetectorSettings(**record["settings"]),
            threshold=float(record["threshold"]),
            run_length=RunLength(**record["run_length"]),
        )


def calibrate_detector(
    in_control: Transitions,
    likelihood: DayLikelihood,
    settings: DetectorSettings,
    random: np.random.Generator,
) -> ScoreCusum:
    """Standardise and set the threshold on days simulated at the likelihood's reference.

    The days should run under the policy that will be in charge. Raises InvalidDataset below 20
    days; 200 is what keeps the true run length near the wanted one.
    """
    refuse_few_days(in_control)
    control = InControl.measure(likelihood, in_control)
    estimates = control.one_step(likelihood.scores(in_control))
    description = likelihood.surrogate.description
    kinds, number = kinds_of_days(description, in_control), number_of_kinds(description)
    threshold, achieved = set_threshold(
        lambda rows: Standard.of(estimates[rows], kinds[rows], number).apply(estimates, kinds),
        len(estimates),
        settings,
        random,
    )
    return ScoreCusum(
        likelihood=likelihood,
        control=control,
        standard=Standard.of(estimates, kinds, number),
        settings=settings,
        threshold=threshold,
        run_length=achieved,
    )
