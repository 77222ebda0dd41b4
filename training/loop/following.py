"""Taking a surrogate after parameters that leave the box it has learnt.

An estimate that pushes against the box says only that the truth lies beyond. So the true simulator
is run there, the surrogate learns on in a wider box, and the same days are looked at again, until
the estimate lies inside.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from training.calibrate import Calibration, calibrate_parameters
from training.digests import digest_of
from training.forms import RecordForm
from training.journal import Journal
from training.likelihood import DayLikelihood, InControl, LikelihoodSurrogate
from training.loop.decision import Change, Decision, Findings, corrected, decide
from training.loop.investigating import Found
from training.loop.renewal import Incumbent, RenewalSettings, renew
from training.plant import Plant

_MOST_BOXES = 4
"""Times that a surrogate is taken further."""

SimulateUnder = Callable[[Incumbent, Float[np.ndarray, "parameter"], int], Transitions]
"""Telemetry of so many days at the given parameters, whoever is in charge deciding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Following:
    """What it takes to follow."""

    days: Transitions
    """Observed since the change, recorded at the parameters that were believed."""
    control: InControl
    """As measured where the first estimate began."""
    renewal: Callable[[int], RenewalSettings]
    """How much is simulated, by the number of the box."""
    simulate: SimulateUnder
    refining_days: int
    """Simulated at each new place, to know what its days look like in control."""
    given: tuple[str, ...] = ()
    """Parameters that are left as they are believed."""
    smallest_change: float = 0.05
    """Relative change of a parameter that is answered."""

    def leads_on(self, calibration: Calibration) -> bool:
        """Whether what has moved pushes against the box; what stayed at a bound does not."""
        findings = Findings(calibration=calibration)
        due = decide(findings, smallest_change=self.smallest_change, given=self.given)
        return due.change is Change.OUTSIDE


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Followed:
    """Where it ended."""

    incumbent: Incumbent
    """With the surrogate of the wider box, what it was fitted to, and the new beliefs."""
    calibration: Calibration
    simulator_epochs: int
    """Of the true simulator: learnt from, and simulated to estimate again."""


def follow(
    plant: Plant,
    incumbent: Incumbent,
    decision: Decision,
    first: Calibration,
    following: Following,
    journal: Journal,
    executor: Executor,
) -> Followed:
    """Follow an estimate to where it lies inside the box, or four boxes far.

    `first` must have been taken over into `incumbent.beliefs`. Every step is kept in the journal.
    """
    calibration, epochs = first, 0
    for number in range(_MOST_BOXES):
        if not following.leads_on(calibration):
            break
        part = journal.within(f"box-{number}")
        renewed = renew(plant, incumbent, decision, following.renewal(number), part, executor)
        incumbent = replace(incumbent, surrogate=renewed.surrogate, transitions=renewed.transitions)
        found = part.step(
            "find",
            partial(_estimate, incumbent, following, first),
            RecordForm(from_record=Found.from_record),
            {
                "days": digest_of(following.days),
                "data": digest_of(incumbent.transitions),
                "beliefs": incumbent.beliefs.tolist(),
                "policy": digest_of(incumbent.policy.to_tensors()),
                "simulator": digest_of(plant.build, plant.description),
                "refining_days": following.refining_days,
                "first": first.to_record(),
            },
        )
        calibration = found.calibration
        beliefs = corrected(plant.description, incumbent.beliefs, calibration, following.given)
        incumbent = replace(incumbent, beliefs=beliefs)
        epochs += renewed.simulator_epochs + found.simulated_days * plant.description.epochs
    return Followed(incumbent=incumbent, calibration=calibration, simulator_epochs=epochs)


def _estimate(incumbent: Incumbent, following: Following, first: Calibration) -> Found:
    """Estimate again, about the bound at which the last estimate stopped.

    It is held against what was believed before anything changed, and not against that bound, which
    was only the nearest the box had. Intervals go on allowing for the search for the day.
    """
    assert isinstance(incumbent.surrogate, LikelihoodSurrogate)
    likelihood = DayLikelihood.at(incumbent.surrogate, incumbent.beliefs)
    number = max(1, following.refining_days)
    simulated = following.simulate(incumbent, incumbent.beliefs, number)
    control = following.control.moved_to(likelihood, simulated)
    calibration = calibrate_parameters(likelihood, following.days, control)
    return Found(calibration=calibration.held_against(first), unexplained=(), simulated_days=number)
