"""Where to simulate next: exact algebra of what rows leave open, and the greedy choice from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sim.description import Description
from surrogates.acquisition.choice import choose_episodes, pick, weigh
from surrogates.acquisition.rehearsal import Situations, openings_of, rehearse
from surrogates.acquisition.terrain import Terrain, TerrainSettings, Unknown
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.design import PlannedEpisode, plan_episodes
from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs
from tests.fakes import TinyQueue

BUILD = WithClock(build=TinyQueue)


@dataclass(frozen=True)
class Crowded:
    """A surrogate in which as many wait as servers were asked for; it doubts crowds."""

    description: Description
    name: str = "crowded"

    @property
    def openings(self) -> np.ndarray:
        return np.zeros((1, 3))

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        waiting = np.column_stack([decisions[:, 0], np.zeros(len(states)), states[:, 2] + 1])
        return Epochs(
            state=waiting,
            outputs=np.zeros((len(states), 5)),
            duration=np.full(len(states), 10.0),
        )

    def doubt(
        self, states: np.ndarray, decisions: np.ndarray, parameters: np.ndarray
    ) -> np.ndarray:
        return np.where(states[:, 0] > 3, 1.0, 0.01)


class Asks:
    """Always asks for the same level."""

    def __init__(self, choice: int) -> None:
        self._choice = choice

    def decide(self, states: np.ndarray) -> np.ndarray:
        return np.full(len(states), self._choice)


POLICIES = {"one": Asks(0), "two": Asks(1), "four": Asks(2)}


@pytest.fixture(scope="module")
def crowded() -> Crowded:
    return Crowded(description=BUILD().describe())


def episodes(*names: str, scale: float = 1.0) -> tuple[PlannedEpisode, ...]:
    return tuple(
        PlannedEpisode(seed=number, parameters={"arrival_scale": scale}, behaviour=name)
        for number, name in enumerate(names)
    )


def test_what_rows_leave_open_is_the_variance_of_bayesian_regression() -> None:
    """With noise in blocks, an episode each, the posterior of weights has a closed form."""
    random = np.random.default_rng(0)
    seen, asked = random.normal(size=(7, 4)), random.normal(size=(5, 4))
    episode, settings = np.array([0, 0, 2, 2, 2, 5, 5]), TerrainSettings(noise=0.3, luck=0.2)
    noise = 0.3 * np.eye(7) + 0.2 * (episode[:, None] == episode)
    covariance = np.linalg.inv(np.eye(4) + seen.T @ np.linalg.solve(noise, seen))
    expected = np.diag(asked @ covariance @ asked.T)
    at_once, in_turn = Unknown.given(seen, episode, settings), Unknown(4, settings)
    for number in np.unique(episode):
        in_turn.see(seen[episode == number])
    assert at_once.variance(asked) == pytest.approx(expected)
    assert in_turn.variance(asked) == pytest.approx(expected)


def test_relief_is_what_seeing_takes_away() -> None:
    """A promise that is not kept would make the choice worthless."""
    random = np.random.default_rng(1)
    seen, rows, asked = (random.normal(size=(n, 6)) for n in (4, 3, 9))
    unknown = Unknown.given(seen, np.arange(4), TerrainSettings(noise=0.5, luck=0.3))
    weight = asked.T @ asked / len(asked)
    before = unknown.variance(asked).mean()
    promised = unknown.relief(rows, weight)
    unknown.see(rows)
    after = unknown.variance(asked).mean()
    assert promised == pytest.approx(before - after)
    assert promised > 0


def test_a_long_day_tells_no_more_of_what_it_has_once_than_its_luck_allows() -> None:
    """A thousand epochs of one day have one set of parameters and one luck.

    Another day has its own. What changes within a day is told by each of them.
    """
    same, settings = np.ones((1000, 1)), TerrainSettings(noise=4.0, luck=1.0)
    once = Unknown.given(same, np.zeros(1000, dtype=int), settings)
    twice = Unknown.given(np.ones((2000, 1)), np.arange(2000) // 1000, settings)
    one = np.ones((1, 1))
    # A variance of 1, seen with a noise of 1 + 4/1000 by each day.
    assert once.variance(one) == pytest.approx(1 / (1 + 1 / 1.004))
    assert twice.variance(one) == pytest.approx(1 / (1 + 2 / 1.004))
    changing = np.where(np.arange(1000) % 2, 1.0, -1.0)[:, None]
    contrast = Unknown.given(changing, np.zeros(1000, dtype=int), settings)
    assert contrast.variance(one) == pytest.approx(1 / (1 + 1000 / 4))


def test_a_twin_of_what_was_picked_is_not_picked_next() -> None:
    """A batch that asks the same thing twice wastes half of it."""
    random = np.random.default_rng(2)
    good, other = 3 * np.eye(6)[:3], 2 * np.eye(6)[3:5]
    weight = np.eye(6) + 0.01 * np.diag(random.random(6))
    unknown = Unknown(6, TerrainSettings(noise=0.5))
    assert pick([good, good, other], weight, unknown, 2) == [0, 2]


def test_every_situation_is_as_open_as_another_at_first(crowded: Crowded) -> None:
    """Extremes must not be sought for their leverage alone, and like situations tell the most."""
    plans = episodes(*["one", "two", "four"] * 8, scale=1.2)
    met = rehearse(
        crowded, plans, openings_of(BUILD(), plans), np.random.default_rng(0), policies=POLICIES
    )
    terrain = Terrain(crowded.description, [met], TerrainSettings(), np.random.default_rng(1))
    features = terrain.features(met)
    told = features @ features.T
    assert np.diag(told) == pytest.approx(np.ones(len(met)))
    same = (met.state == met.state[0]).all(axis=1) & (met.decision == met.decision[0]).all(axis=1)
    assert told[0][~same].max() < told[0][same].min()


def test_a_rehearsal_visits_what_its_deciders_lead_to(crowded: Crowded) -> None:
    """Candidates are judged by their rehearsal, so it must open and decide as planned."""
    plans, random = episodes("one", "four"), np.random.default_rng(0)
    openings = openings_of(BUILD(), plans)
    met = rehearse(crowded, plans, openings, random, policies=POLICIES)
    assert len(met) == 2 * 6
    assert np.array_equal(met.state[:2], openings)
    assert set(met.decision[met.episode == 1, 0]) == {4.0}
    few = rehearse(crowded, plans, openings, random, policies=POLICIES, looks=2)
    assert len(few) == 2 * 2


def test_the_choice_goes_where_doubt_meets_purpose(crowded: Crowded) -> None:
    """Doubt where nobody will go is not worth an epoch, nor is a place that is well known."""
    seen = run_episodes(BUILD, plan_episodes(crowded.description, 4, 1))
    candidates = episodes("one", "one", "four", "one", "two")
    chosen = choose_episodes(
        crowded, BUILD(), seen, candidates, episodes("one", "two", "four"), 1,
        np.random.default_rng(0), policies=POLICIES,
    )  # fmt: skip
    assert [plan.behaviour for plan in chosen] == ["four"]


def test_squared_doubt_weighs_what_matters(crowded: Crowded) -> None:
    """A state doubted a hundred times as much matters ten thousand times as much."""
    state = np.array([[4.0, 0.0, 1.0], [1.0, 0.0, 1.0]])
    met = Situations(
        state=state, decision=np.ones((2, 1)), parameters=np.ones((2, 1)), episode=np.arange(2)
    )
    weight = weigh(crowded, met, np.eye(2), Unknown(2, TerrainSettings()))
    assert np.diag(weight) == pytest.approx([0.5, 0.5e-4])


def test_more_than_there_are_candidates_is_refused(crowded: Crowded) -> None:
    """A silent short batch would spend less than was asked for."""
    seen = run_episodes(BUILD, plan_episodes(crowded.description, 2, 1))
    one = episodes("one")
    with pytest.raises(InvalidDataset, match="2 of 1 candidates"):
        choose_episodes(crowded, BUILD(), seen, one, one, 2, np.random.default_rng(0))
