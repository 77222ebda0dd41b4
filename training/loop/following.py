"""Taking a surrogate after parameters that leave the box it has learnt.

An estimate that pushes against the box says only that the truth lies beyond. So the true simulator
is run there, the surrogate learns on in a wider box, and the same days are looked at again, until
the estimate lies inside. What happened there may be no parameter's doing at all: at a bound nothing
is explained, whatever has changed. So at the end a test says whether the days are explained now.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions
from training.calibrate import Calibration, calibrate_parameters
from training.digests import digest_of
from training.forms import RecordForm
from training.journal import Journal
from training.likelihood import LikelihoodSurrogate
from training.loop.decision import Change, Decision, Findings, corrected, decide
from training.loop.investigating import Found, Investigation
from training.loop.renewal import Incumbent, RenewalSettings, renew
from training.plant import Plant

_MOST_BOXES = 4
"""Times that a surrogate is taken further."""
_FOUND = RecordForm(from_record=Found.from_record)

SimulateUnder = Callable[[Incumbent, Float[np.ndarray, "parameter"], int], Transitions]
"""Telemetry of so many days at the given parameters, whoever is in charge deciding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Following:
    """What it takes to follow."""

    days: Transitions
    """Observed since the change, recorded at the parameters that were believed."""
    before: Investigation
    """Where the first estimate began."""
    renewal: Callable[[int], RenewalSettings]
    """How much is simulated, by the number of the box."""
    simulate: SimulateUnder
    given: tuple[str, ...] = ()
    """Parameters that are left as they are believed."""
    smallest_change: float = 0.05
    """Relative change of a parameter that is answered."""

    @property
    def refining_days(self) -> int:
        """Simulated at each new place, to know what its days look like in control."""
        return max(1, self.before.refining_days)

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
    unexplained: tuple[str, ...]
    """Parts that stay unusual there too, the clearest first: the beliefs are then wrong."""
    simulator_epochs: int
    """Of the true simulator: learnt from, and simulated to estimate again and to test."""


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
        asked = _asked(plant, incumbent, following, first)
        found = part.step("find", partial(_estimate, incumbent, following, first), _FOUND, asked)
        calibration = found.calibration
        beliefs = corrected(plant.description, incumbent.beliefs, calibration, following.given)
        incumbent = replace(incumbent, beliefs=beliefs)
        epochs += renewed.simulator_epochs + found.simulated_days * plant.description.epochs
    tested = Found(calibration=calibration, unexplained=(), simulated_days=0)
    if epochs and following.before.structure is not None:
        asked = _asked(plant, incumbent, following, calibration)
        make = partial(_test, incumbent, following, calibration)
        tested = journal.step("test", make, _FOUND, asked)
    return Followed(
        incumbent=incumbent,
        calibration=calibration,
        unexplained=tested.unexplained,
        simulator_epochs=epochs + tested.simulated_days * plant.description.epochs,
    )


def _asked(
    plant: Plant, incumbent: Incumbent, following: Following, known: Calibration
) -> dict[str, Any]:
    """What a look depends on."""
    return {
        "days": digest_of(following.days),
        "data": digest_of(incumbent.transitions),
        "beliefs": incumbent.beliefs.tolist(),
        "policy": digest_of(incumbent.policy.to_tensors()),
        "simulator": digest_of(plant.build, plant.description),
        "refining_days": following.refining_days,
        "first": known.to_record(),
    }


def _estimate(incumbent: Incumbent, following: Following, first: Calibration) -> Found:
    """Estimate again, about the bound at which the last estimate stopped.

    It is held against what was believed before anything changed, and not against that bound, which
    was only the nearest the box had. Intervals go on allowing for the search for the day.
    """
    there = _looking(incumbent, following)
    calibration = calibrate_parameters(there.likelihood, following.days, there.control)
    return Found(
        calibration=calibration.held_against(first),
        unexplained=(),
        simulated_days=following.refining_days,
    )


def _test(incumbent: Incumbent, following: Following, calibration: Calibration) -> Found:
    """Whether parameters of the last box explain the days."""
    there = _looking(incumbent, following)
    unexplained, days = there.unexplained(following.days, partial(following.simulate, incumbent))
    return Found(
        calibration=calibration,
        unexplained=unexplained,
        simulated_days=following.refining_days + days,
    )


def _looking(incumbent: Incumbent, following: Following) -> Investigation:
    """With the surrogate of now, about what is believed now."""
    assert isinstance(incumbent.surrogate, LikelihoodSurrogate)
    simulated = following.simulate(incumbent, incumbent.beliefs, following.refining_days)
    return following.before.moved_to(incumbent.surrogate, incumbent.beliefs, simulated)
