"""What watches a policy at one belief: detectors, and the means to find out what changed.

Two detectors by default: sums of scores name the parameter that moved, sums of residuals notice
parts that no parameter stands for. After an alarm parameters are re-estimated from the days since
the change, corrected for the surrogate's misfit, and a test says whether they explain what is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSettings
from sim.streams import stream
from surrogates.dataset import Transitions, concatenate
from surrogates.errors import NotFitted
from surrogates.interface import Surrogate
from training.calibrate import (
    Calibration,
    calibrate_since_change,
    refine_calibration,
)
from training.drift import (
    ComponentResiduals,
    Detector,
    DetectorSettings,
    Setting,
    StructureSettings,
    calibrate,
    calibrate_structure_test,
)
from training.likelihood import DayLikelihood, InControl, LikelihoodSurrogate, split_days

Simulate = Callable[[Float[np.ndarray, "parameter"], int], Transitions]
"""Runs so many days of the true simulator at the given parameters, under the policy in charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchSettings:
    """How closely a policy is watched."""

    detectors: tuple[str, ...] = ("score cusum", "residual cusum")
    """Names in `training.drift.DETECTORS`; an alarm of one is an alarm."""
    detector: DetectorSettings = field(default_factory=DetectorSettings)
    """What they are tuned to together: each alone is given its share of the false alarms."""
    in_control_days: int = 150
    """Simulated days on which they are calibrated."""
    refining_days: int = 30
    """Simulated days by which an estimate is corrected for the surrogate's misfit; 0 for none."""
    structure: StructureSettings | None = field(default_factory=StructureSettings)
    """How changes of structure are told from those of parameters; None takes all for the latter."""
    most_days_back: int = 10
    """Days among which the beginning of a change is sought."""

    def __post_init__(self) -> None:
        if not self.detectors:
            raise InvalidSettings("no detector: name one of training.drift.DETECTORS at least")
        if self.refining_days < 0 or self.most_days_back < 1:
            raise InvalidSettings(
                f"refining_days {self.refining_days} and most_days_back {self.most_days_back}: 0 "
                "or more, and 1 or more"
            )

    @property
    def each(self) -> DetectorSettings:
        """What every detector alone is tuned to."""
        longer = self.detector.run_length * len(self.detectors)
        return replace(self.detector, run_length=longer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What is behind an alarm."""

    calibration: Calibration
    unexplained: tuple[str, ...]
    """Parts that stay unusual at the re-estimated parameters, the clearest first."""
    simulated_days: int
    """Of the true simulator, to find out."""

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "calibration": self.calibration.to_record(),
            "unexplained": list(self.unexplained),
            "simulated_days": self.simulated_days,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Found:
        """Rebuild from a record."""
        return cls(
            calibration=Calibration.from_record(record["calibration"]),
            unexplained=tuple(record["unexplained"]),
            simulated_days=int(record["simulated_days"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surveillance:
    """Calibrated on days in control, simulated under the policy in charge at what is believed."""

    settings: WatchSettings
    detectors: Mapping[str, Detector[Any]]
    likelihood: DayLikelihood
    control: InControl
    residuals: ComponentResiduals
    seed: int

    @classmethod
    def calibrated(
        cls,
        surrogate: Surrogate,
        beliefs: Float[np.ndarray, "parameter"],
        in_control: Transitions,
        settings: WatchSettings,
        seed: int,
    ) -> Surveillance:
        """The same for the same days and seed.

        Raises NotFitted for a surrogate without a likelihood, InvalidDataset for too few days.
        """
        if not isinstance(surrogate, LikelihoodSurrogate):
            raise NotFitted(
                f"surrogate {surrogate.name!r} has no likelihood to watch by: pre-train on flow, "
                "ensemble or gp"
            )
        setting = Setting(
            surrogate=surrogate,
            in_control=in_control,
            reference=beliefs,
            settings=settings.each,
            seed=seed,
        )
        likelihood = DayLikelihood.at(surrogate, beliefs)
        return cls(
            settings=settings,
            detectors={
                name: calibrate(name, setting, stream(seed, "detector", name))
                for name in settings.detectors
            },
            likelihood=likelihood,
            control=InControl.measure(likelihood, in_control),
            residuals=setting.residuals,
            seed=seed,
        )

    def find(self, recent: Transitions, simulate: Simulate) -> Found:
        """Look into the days among which an alarm's drift began."""
        settings = self.settings
        first = calibrate_since_change(self.likelihood, recent, self.control)
        days = concatenate(split_days(recent)[-first.days :])
        unexplained: tuple[str, ...] = ()
        simulated = 0
        if settings.structure is not None:
            unexplained = self._unexplained(days, simulate, settings.structure)
            simulated += settings.structure.points * settings.structure.spans[-1]
        if settings.refining_days and first.moved:
            return Found(
                calibration=self._refined(first, days, simulate),
                unexplained=unexplained,
                simulated_days=simulated + settings.refining_days,
            )
        return Found(calibration=first, unexplained=unexplained, simulated_days=simulated)

    def _unexplained(
        self, days: Transitions, simulate: Simulate, settings: StructureSettings
    ) -> tuple[str, ...]:
        test = calibrate_structure_test(
            self.likelihood,
            self.control,
            self.residuals,
            lambda place: simulate(place, settings.spans[-1]),
            settings,
            stream(self.seed, "structure"),
        )
        return test.explain(days).unexplained

    def _refined(self, first: Calibration, days: Transitions, simulate: Simulate) -> Calibration:
        return refine_calibration(
            first,
            self.likelihood.surrogate,
            days,
            self.control,
            lambda place: simulate(place, self.settings.refining_days),
            rounds=1,
        )
