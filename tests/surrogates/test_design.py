"""Plans of simulator runs must not tie what they are meant to tell apart."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.design import BEHAVIOURS, plan_episodes
from tests.systems import small_centre


@pytest.mark.parametrize("seed", [1, 2003])
def test_every_behaviour_meets_every_corner_of_the_box(seed: int) -> None:
    """Behaviour tied to parameters would leave situations that no one has ever acted in."""
    description = small_centre().describe()
    plans = plan_episodes(description, 400, seed)
    names = [p.name for p in description.parameters][:2]
    centre = {p.name: (p.low + p.high) / 2 for p in description.parameters}
    met = {
        (plan.behaviour, *(plan.parameters[name] > centre[name] for name in names))
        for plan in plans
    }
    assert len(met) == 4 * len(BEHAVIOURS)


def test_plans_are_reproducible_and_their_seeds_distinct() -> None:
    """A data set can be extended or repeated only if its plan can."""
    description = small_centre().describe()
    plans = plan_episodes(description, 64, 7)
    assert plans == plan_episodes(description, 64, 7)
    assert len({plan.seed for plan in plans}) == 64


def test_a_share_of_the_plan_is_where_the_system_is_today() -> None:
    """Most decisions will be taken at nominal parameters."""
    description = small_centre().describe()
    plans = plan_episodes(description, 100, 3, nominal_share=0.3)
    at_nominal = [all(v == 1.0 for v in plan.parameters.values()) for plan in plans]
    assert np.sum(at_nominal) == 30
