"""All detectors by name, each calibrated by one call on days in control."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSettings, suggestion
from surrogates.dataset import Transitions
from surrogates.errors import NotFitted
from surrogates.interface import Surrogate
from training.drift.null import AlwaysAlarm, NeverAlarm
from training.drift.residual_cusum import ResidualCusum, calibrate_residual_cusum
from training.drift.residuals import ComponentResiduals
from training.drift.river_charts import RIVER_CHARTS, RiverChart
from training.drift.score_cusum import ScoreCusum, calibrate_detector
from training.drift.settings import DetectorSettings
from training.drift.streams import StreamDetector, calibrate_stream
from training.drift.verdict import Detector
from training.likelihood import DayLikelihood, LikelihoodSurrogate


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a detector is calibrated on."""

    surrogate: Surrogate
    in_control: Transitions
    """Days simulated at the reference, under the policy that will be in charge."""
    reference: Float[np.ndarray, "parameter"]
    """Parameters believed true."""
    settings: DetectorSettings
    seed: int
    """Of what residuals draw from the surrogate."""

    @property
    def residuals(self) -> ComponentResiduals:
        """One-epoch residuals of the system's parts, learnt on the days in control."""
        return ComponentResiduals.learn(self.surrogate, self.in_control, self.reference, self.seed)


@runtime_checkable
class SupportsRecord(Protocol):
    """A detector whose calibration can be kept as JSON."""

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate."""
        ...


Calibrate = Callable[[Setting, np.random.Generator], Detector[Any]]


def _score_cusum(setting: Setting, random: np.random.Generator) -> Detector[Any]:
    if not isinstance(setting.surrogate, LikelihoodSurrogate):
        raise NotFitted(
            f"surrogate {setting.surrogate.name!r} has no likelihood, so that days have no scores: "
            "take 'residual cusum'"
        )
    likelihood = DayLikelihood.at(setting.surrogate, setting.reference)
    return calibrate_detector(setting.in_control, likelihood, setting.settings, random)


def _residual_cusum(setting: Setting, random: np.random.Generator) -> Detector[Any]:
    return calibrate_residual_cusum(setting.residuals, setting.in_control, setting.settings, random)


def _of_river(chart: RiverChart, setting: Setting, random: np.random.Generator) -> Detector[Any]:
    return calibrate_stream(chart, setting.residuals, setting.in_control, setting.settings, random)


DETECTORS: Mapping[str, Calibrate] = {
    "score cusum": _score_cusum,
    "residual cusum": _residual_cusum,
    **{name: partial(_of_river, chart) for name, chart in RIVER_CHARTS.items()},
    "always alarm": lambda setting, _: AlwaysAlarm(names=setting.residuals.names),
    "never alarm": lambda setting, _: NeverAlarm(names=setting.residuals.names),
}
"""Every detector by the name that settings and tables give it."""


def calibrate(name: str, setting: Setting, random: np.random.Generator) -> Detector[Any]:
    """The detector of this name, calibrated.

    Raises InvalidSettings for an unknown name, InvalidDataset for too few days, and NotFitted where
    the detector asks more of the surrogate than it can say.
    """
    if name not in DETECTORS:
        raise InvalidSettings(f"unknown detector {name!r}{suggestion(name, DETECTORS)}")
    return DETECTORS[name](setting, random)


def restore(
    name: str, record: dict[str, Any], surrogate: Surrogate, reference: Float[np.ndarray, "_"]
) -> Detector[Any]:
    """A calibrated detector from its record, around the same surrogate and reference.

    Raises InvalidSettings for a name whose detectors leave no record.
    """
    if name == "score cusum" and isinstance(surrogate, LikelihoodSurrogate):
        return ScoreCusum.from_record(record, DayLikelihood.at(surrogate, reference))
    if name == "residual cusum":
        return ResidualCusum.from_record(record, surrogate)
    if name in RIVER_CHARTS:
        return StreamDetector.from_record(record, surrogate)
    raise InvalidSettings(f"detector {name!r} leaves no record: calibrate it again")
