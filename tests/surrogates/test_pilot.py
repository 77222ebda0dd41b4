"""Who decides in a planned episode, and from when on."""

from __future__ import annotations

import numpy as np
import pytest

from surrogates.collect import run_episode
from surrogates.design import PlannedEpisode
from surrogates.errors import InvalidDataset
from surrogates.pilot import Pilot
from tests.fakes import TinyQueue


class Always:
    """The same joint choice in every state."""

    def __init__(self, choice: int) -> None:
        self._choice = choice

    def decide(self, states: np.ndarray) -> np.ndarray:
        return np.full(len(states), self._choice)


POLICIES = {"few": Always(0), "many": Always(2)}


def planned(**changes: object) -> PlannedEpisode:
    return PlannedEpisode(seed=3, parameters={"arrival_scale": 1.0}, **changes)  # type: ignore[arg-type]


def test_the_lead_decides_until_the_behaviour_takes_over() -> None:
    """A start in the middle is a replay: the way there must be the lead's, all else the plan's."""
    plan = planned(behaviour="many", lead="few", start=2)
    rows = run_episode(TinyQueue(), plan, POLICIES)
    assert rows.decision[:, 0].tolist() == [1.0, 1.0, 4.0, 4.0, 4.0, 4.0]
    assert set(rows.policy) == {"many"}


def test_a_plan_meets_the_same_customers_whoever_decides() -> None:
    """Slips have random numbers of their own, so that plans can be compared and replayed."""
    quiet, loud = planned(behaviour="linear"), planned(behaviour="linear", slips=0.5)
    first, again = (run_episode(TinyQueue(), quiet) for _ in range(2))
    assert np.array_equal(first.next_state, again.next_state)
    description, random = TinyQueue().describe(), np.random.default_rng(0)
    states = random.normal(size=(40, 2))
    sure, slipping = Pilot(quiet, description), Pilot(loud, description)
    changed = [not np.array_equal(sure.decide(s), slipping.decide(s)) for s in states]
    # Half of the epochs slip, and two of three slips change the decision.
    assert 4 <= sum(changed) <= 26


def test_whoever_always_slips_decides_at_random() -> None:
    """Slips are what shows the states that a policy avoids."""
    pilot = Pilot(planned(behaviour="few", slips=1.0), TinyQueue().describe(), POLICIES)
    decided = {float(pilot.decide(np.zeros(2))[0]) for _ in range(60)}
    assert decided == {1.0, 2.0, 4.0}


def test_an_unknown_decider_is_refused_by_name() -> None:
    """A misspelt policy must not become a behaviour by chance."""
    with pytest.raises(InvalidDataset, match="'fwe'; did you mean 'few'"):
        Pilot(planned(behaviour="fwe"), TinyQueue().describe(), POLICIES)
    with pytest.raises(InvalidDataset, match="name who decides until then"):
        planned(behaviour="few", start=2)
