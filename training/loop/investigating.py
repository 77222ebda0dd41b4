"""What is behind an alarm: parameters that moved, or parts that no parameter explains.

Parameters are re-estimated from the days since the change and corrected for the surrogate's misfit,
and a test says whether they explain what is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.streams import stream
from surrogates.dataset import Transitions, concatenate
from training.calibrate import (
    Calibration,
    calibrate_since_change,
    refine_calibration,
)
from training.drift import ComponentResiduals, StructureSettings, calibrate_structure_test
from training.likelihood import DayLikelihood, InControl, LikelihoodSurrogate, split_days

Simulate = Callable[[Float[np.ndarray, "parameter"], int], Transitions]
"""Runs so many days of the true simulator at the given parameters, under the policy in charge."""


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
class Investigation:
    """Looks into days, knowing what days in control look like."""

    likelihood: DayLikelihood
    control: InControl
    residuals: ComponentResiduals | None = None
    """Of the system's parts; None where no change of structure is looked for."""
    refining_days: int = 30
    """Simulated days by which an estimate is corrected for the surrogate's misfit; 0 for none."""
    structure: StructureSettings | None = None
    """How changes of structure are told from those of parameters; None takes all for the latter."""
    seed: int = 0

    @classmethod
    def about(
        cls,
        surrogate: LikelihoodSurrogate,
        beliefs: Float[np.ndarray, "parameter"],
        in_control: Transitions,
        *,
        refining_days: int,
        structure: StructureSettings | None,
        seed: int,
    ) -> Investigation:
        """About what is believed, where these days were simulated."""
        likelihood, residuals = DayLikelihood.at(surrogate, beliefs), None
        if structure is not None:
            residuals = ComponentResiduals.learn(surrogate, in_control, beliefs, seed)
        return cls(
            likelihood=likelihood,
            control=InControl.measure(likelihood, in_control),
            residuals=residuals,
            refining_days=refining_days,
            structure=structure,
            seed=seed,
        )

    def moved_to(
        self,
        surrogate: LikelihoodSurrogate,
        beliefs: Float[np.ndarray, "parameter"],
        simulated: Transitions,
    ) -> Investigation:
        """By a surrogate that has learnt more, about other beliefs, at which days were simulated.

        How days in control vary is kept: it takes far more of them.
        """
        likelihood, residuals = DayLikelihood.at(surrogate, beliefs), self.residuals
        if residuals is not None:
            residuals = replace(residuals, surrogate=surrogate, reference=beliefs)
        return replace(
            self,
            likelihood=likelihood,
            control=self.control.moved_to(likelihood, simulated),
            residuals=residuals,
        )

    def find(self, recent: Transitions, simulate: Simulate) -> Found:
        """Look into the days among which an alarm's drift began."""
        first = calibrate_since_change(self.likelihood, recent, self.control)
        days = concatenate(split_days(recent)[-first.days :])
        unexplained, simulated = self.unexplained(days, simulate)
        if self.refining_days and first.moved:
            return Found(
                calibration=self._refined(first, days, simulate),
                unexplained=unexplained,
                simulated_days=simulated + self.refining_days,
            )
        return Found(calibration=first, unexplained=unexplained, simulated_days=simulated)

    def unexplained(self, days: Transitions, simulate: Simulate) -> tuple[tuple[str, ...], int]:
        """Parts that stay unusual wherever in the box, and the days simulated to know that.

        None, where no change of structure is looked for.
        """
        if self.structure is None or self.residuals is None:
            return (), 0
        most = self.structure.spans[-1]
        test = calibrate_structure_test(
            self.likelihood,
            self.control,
            self.residuals,
            lambda place: simulate(place, most),
            self.structure,
            stream(self.seed, "structure"),
        )
        return test.explain(days).unexplained, self.structure.points * most

    def _refined(self, first: Calibration, days: Transitions, simulate: Simulate) -> Calibration:
        return refine_calibration(
            first,
            self.likelihood.surrogate,
            days,
            self.control,
            lambda place: simulate(place, self.refining_days),
            rounds=1,
        )
