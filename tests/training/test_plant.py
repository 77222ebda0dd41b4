"""The system under control, and what is wanted of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from envs.conditioning import Conditioned
from envs.objective import Objective, Target
from envs.preferences import Preferences
from envs.problem import Rollouts
from sim.description import Description
from sim.errors import InvalidSystem
from tests.envs.clockwork import DESCRIPTION, OBSERVATION, Clockwork, ClockworkSurrogate
from training.plant import Plant

OLD = Objective.from_costs(DESCRIPTION, {"strikes": 10.0}, {})
PREFERENCES = Preferences(objective=OLD, ranges={"strikes_cost": (0.0, 20.0)})
PLANT = Plant(
    build=Clockwork,
    objective=OLD,
    observation=Conditioned.of(OBSERVATION, preferences=PREFERENCES),
    preferences=PREFERENCES,
)


def test_practice_pays_for_what_is_wanted_now() -> None:
    """What does not vary is priced by the objective: one changed later must be trained for."""
    wanted = Objective.from_costs(
        DESCRIPTION,
        {"strikes": 3.0},
        {"wound": 7.0},
        targets=[Target(output="strikes", level=1.0, price=2.0)],
    )
    plant = PLANT.wanting(wanted)
    practice = plant.practice(ClockworkSurrogate())
    assert practice.preferences is not None
    drawn = practice.preferences.draw(1, np.random.default_rng(0))[0]
    at = practice.preferences.positions
    assert np.delete(drawn, at).tolist() == np.delete(wanted.numbers, at).tolist()
    assert Rollouts(practice, 1).numbers.tolist() == [wanted.numbers.tolist()]


def test_who_sees_what_is_wanted_is_told_of_a_change() -> None:
    """The observation names a number by its place in the objective, which may have moved."""
    wanted = Objective.from_costs(
        DESCRIPTION, {"strikes": 20.0}, {}, targets=[Target(output="strikes", level=0.0, price=0.0)]
    )
    seen = PLANT.wanting(wanted).observation
    assert isinstance(seen, Conditioned)
    assert seen.preferences is not None
    assert seen.preferences.objective is wanted
    assert seen(np.zeros((1, 2)))[0, -1] == 1.0


def test_an_objective_without_what_varies_is_refused() -> None:
    """A policy that was shown the price of a target would be shown something else."""
    ranges = {"strikes_target_price": (0.0, 1.0)}
    aimed = replace(OLD, targets=(Target(output="strikes", level=1.0, price=1.0),))
    preferences = Preferences(objective=aimed, ranges=ranges)
    plant = replace(
        PLANT,
        objective=aimed,
        preferences=preferences,
        observation=Conditioned.of(OBSERVATION, preferences=preferences),
    )
    with pytest.raises(InvalidSystem, match="no number 'strikes_target_price' to vary"):
        plant.wanting(OLD)


@pytest.mark.parametrize(
    ("foreign", "told"),
    [
        (
            {"output_names": ("bells",), "output_weights": np.ones(1)},
            "over 1 outputs for 'clockwork', which has 2: 'bells' is of one of them alone",
        ),
        ({"state_names": OLD.state_names[::-1]}, "in another order"),
    ],
)
def test_an_objective_of_another_system_is_refused(foreign: dict[str, Any], told: str) -> None:
    """Its weights would be multiplied with other numbers, or with too many of them."""
    plant = Plant(build=Clockwork, objective=OLD, observation=OBSERVATION)
    wanted = replace(OLD, **foreign)
    with pytest.raises(InvalidSystem, match=told):
        plant.wanting(wanted)
    with pytest.raises(InvalidSystem, match=told):
        replace(plant, objective=wanted)


class Longer(Clockwork):
    """Runs for an epoch more."""

    def describe(self) -> Description:
        return replace(DESCRIPTION, epochs=DESCRIPTION.epochs + 1, boundaries=())


def test_a_simulator_of_another_system_takes_nobodys_place() -> None:
    """Policies and beliefs stand on the numbers and decisions that the first one has."""
    assert PLANT.simulated_by(Clockwork).build is Clockwork
    with pytest.raises(InvalidSystem, match="simulator 'clockwork' has other epochs"):
        PLANT.simulated_by(Longer)
