"""The scale on which idle agents spread evenly."""

from __future__ import annotations

import numpy as np
import pytest

from sim.description import SystemDescription
from surrogates.coordinates import FlowBalance, relearn_coordinates
from surrogates.coordinates.idling import UNBENT, evened, likeliest_bend, unevened
from surrogates.coordinates.learnt import BENDS
from surrogates.dataset import Transitions


def test_idle_agents_beside_a_load_that_any_team_could_bear_spread_in_even_steps() -> None:
    """How many are busy has nothing to do with how many more there are."""
    random = np.random.default_rng(0)
    size = random.integers(50, 100, 2_000).astype(float)
    busy = random.poisson(30.0, 2_000)
    assert likeliest_bend(size[:, None], size - busy) <= 3.0


def test_idle_agents_of_a_team_kept_close_to_its_work_spread_in_even_ratios() -> None:
    """From a few to hundreds, each known to a third of itself."""
    random = np.random.default_rng(1)
    level = random.uniform(0.0, 6.0, 2_000)
    idle = np.rint(np.sinh(level + 0.3 * random.standard_normal(2_000)))
    assert likeliest_bend(level[:, None], idle) == UNBENT


@pytest.mark.parametrize("bend", [1.0, 3.0, 100.0, UNBENT])
def test_the_scale_has_even_ratios_before_its_bend_and_even_steps_beyond(bend: float) -> None:
    """And there is a way back from however far a draw goes."""
    idle = np.linspace(-2_000.0, 2_000.0, 801)
    assert unevened(evened(idle, bend), bend) == pytest.approx(idle, abs=1e-6)
    assert evened(-idle, bend) == pytest.approx(-evened(idle, bend))
    if bend < 100.0:
        assert np.diff(evened(idle, bend))[-100:] == pytest.approx(5.0 / bend, rel=1e-3)
    near = np.array([0.02, 0.04]) * min(bend, 1_000.0)
    assert evened(near, bend) == pytest.approx(np.arcsinh(near), rel=1e-3)
    far = unevened(np.array([-5_000.0, 5_000.0]), bend)
    assert np.isfinite(far).all()


@pytest.mark.parametrize(
    "idle", [np.arange(99.0), np.zeros(500)], ids=["too few", "always the same"]
)
def test_what_tells_of_no_scale_leaves_the_first(idle: np.ndarray) -> None:
    """A choice by chance would differ with every refit."""
    inputs = np.random.default_rng(2).standard_normal((len(idle), 3))
    assert likeliest_bend(inputs, idle) == UNBENT


def test_the_bank_has_a_bend_for_each_team_and_they_are_kept(
    transitions: Transitions, description: SystemDescription
) -> None:
    """Weights that were learnt on a scale mean nothing on another, also where one learns on."""
    balance = FlowBalance.learn(description, transitions)
    bends = {c.name: c.bend for c in balance.coordinates if c.kind == "idle"}
    assert bends["tier1_calls_busy"] > 1.0
    assert bends["tier1_cases_busy"] <= 10.0
    again = FlowBalance.from_tensors(balance.to_tensors(), description)
    assert again.coordinates == balance.coordinates
    for coordinate in again.coordinates:
        first = -300.0 if coordinate.kind == "idle" else 0.0
        counts = np.arange(first, 1000.0)
        assert np.array_equal(np.rint(coordinate.unscale(coordinate.scale(counts))), counts)
    few = transitions.take(np.arange(60))
    assert FlowBalance.learn(description, few).coordinates != balance.coordinates
    assert relearn_coordinates(again, few).coordinates == balance.coordinates


def test_a_law_saved_before_bends_were_learnt_has_none(
    transitions: Transitions, description: SystemDescription
) -> None:
    """It was fitted on that scale."""
    saved = FlowBalance.learn(description, transitions).to_tensors()
    del saved[BENDS]
    old = FlowBalance.from_tensors(saved, description)
    assert {c.bend for c in old.coordinates} == {UNBENT}
    assert relearn_coordinates(old, transitions).coordinates == old.coordinates
