"""What watches a policy at one belief: detectors, and who looks into their alarms.

Two detectors by default: sums of scores name the parameter that moved, sums of residuals notice
parts that no parameter stands for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSettings
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.errors import NotFitted
from surrogates.interface import Surrogate
from training.drift import Detector, DetectorSettings, Setting, StructureSettings, calibrate
from training.likelihood import LikelihoodSurrogate
from training.loop.investigating import Investigation


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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surveillance:
    """Calibrated on days in control, simulated under the policy in charge at what is believed."""

    detectors: Mapping[str, Detector[Any]]
    investigation: Investigation
    """What follows an alarm."""

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
        return cls(
            detectors={
                name: calibrate(name, setting, stream(seed, "detector", name))
                for name in settings.detectors
            },
            investigation=Investigation.about(
                surrogate,
                beliefs,
                in_control,
                refining_days=settings.refining_days,
                structure=settings.structure,
                seed=seed,
            ),
        )
