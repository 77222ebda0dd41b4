"""Doubt as the disagreement of members, chance taken off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sim.description import Description
from surrogates.acquisition.committee import Committee, fit_committee, resample
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs, SupportsDoubt, Surrogate
from tests.fakes import TinyQueue

BUILD = WithClock(build=TinyQueue)


@dataclass(frozen=True)
class Level:
    """Every number is its level and standard normal chance."""

    description: Description
    level: float
    name: str = "level"

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
        chance = random.normal(size=(len(states), 8))
        outputs = states[:, :1] + self.level + chance[:, 3:]
        return Epochs(
            state=states + self.level + chance[:, :3], outputs=outputs, duration=outputs[:, 0]
        )


def committee(*levels: float) -> Committee:
    description = BUILD().describe()
    members = tuple(Level(description=description, level=level) for level in levels)
    return Committee(members=members, spread=np.full(8, 2.0), draws=64)


def asked(rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((rows, 3)), np.ones((rows, 1)), np.ones((rows, 1))


def test_members_that_agree_have_no_doubt() -> None:
    """Chance that all members foretell is not ignorance, and finite draws must not make it so."""
    many = committee(*np.zeros(5))
    doubt = many.doubt(*asked(400))
    # Without the correction: chance of deviation 1 / 2, over 64 draws, is 0.0625.
    assert np.sqrt(np.mean(doubt**2)) < 0.03


def test_doubt_is_the_members_deviation_in_units_of_the_spread() -> None:
    """Levels 0, 2 and 4 have deviation 2, which is one spread."""
    doubt = committee(0.0, 2.0, 4.0).doubt(*asked(200))
    assert doubt.mean() == pytest.approx(1.0, abs=0.01)


def test_each_row_is_answered_for_itself() -> None:
    """Rows go to different members and must come back in order."""
    many = committee(0.0, 0.0, 0.0)
    states, decisions, parameters = asked(300)
    states[:, 0] = 100.0 * np.arange(300)
    epochs = many.sample(states, decisions, parameters, np.random.default_rng(0))
    assert np.abs(epochs.state[:, 0] - states[:, 0]).max() < 6.0
    assert np.abs(epochs.outputs[:, 0] - states[:, 0]).max() < 6.0


def test_members_see_whole_episodes_drawn_with_replacement() -> None:
    """Epochs of an episode hang together, so an episode is what is drawn."""
    data = run_episodes(BUILD, plan_episodes(BUILD().describe(), 12, 1))
    drawn = resample(data, np.random.default_rng(0))
    assert len(drawn) == len(data)
    counts = {int((drawn.episode == e).sum()) for e in np.unique(data.episode)}
    assert counts <= {0, 6, 12, 18, 24, 30}
    assert len(counts) > 1


def test_a_committee_doubts_by_its_fits() -> None:
    """What a fit sees is what its member believes."""
    description = BUILD().describe()
    data = run_episodes(BUILD, plan_episodes(description, 12, 1))

    def fit(transitions: Transitions, random: np.random.Generator) -> Surrogate:
        return Level(description=description, level=float(transitions.outputs[:, 0].mean()))

    fitted = fit_committee(fit, data, 4, np.random.default_rng(3))
    assert isinstance(fitted, SupportsDoubt)
    assert fitted.doubt(data.state, data.decision, data.parameters).mean() > 0
    with pytest.raises(InvalidDataset, match="at least 2 to disagree"):
        fit_committee(fit, data, 1, np.random.default_rng(3))
