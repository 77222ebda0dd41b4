"""A surrogate must know where it has not been."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from sim.description import Description, SystemDescription
from sim.epoch import Parameter, Quantity
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset, TamperedArtefact
from surrogates.interface import Surrogate
from surrogates.storage import load_support, load_surrogate, save_artefact, save_surrogate
from surrogates.support import Support

PLANE = Description(
    name="plane",
    components=tuple(Quantity(name=n, unit="m", is_count=False) for n in ("east", "north")),
    outputs=(Quantity(name="moved", unit="m", is_count=False),),
    levers=(),
    parameters=(Parameter(name="wind", unit="factor", low=0.5, high=1.5, nominal=1.0),),
    epochs=4,
    boundaries=(0.0, 1.0, 2.0, 3.0, 4.0),
)
CLUSTERS = np.array([[-5.0, -5.0], [5.0, 5.0], [-5.0, 5.0], [5.0, -5.0]])


def clusters(rows: int, seed: int) -> Transitions:
    """Four round clouds with nothing between them; the wind never changes."""
    random = np.random.default_rng(seed)
    state = CLUSTERS[random.integers(4, size=rows)] + random.normal(size=(rows, 2))
    return Transitions(
        state=state,
        decision=np.zeros((rows, 0)),
        parameters=np.ones((rows, 1)),
        next_state=state,
        outputs=np.zeros((rows, 1)),
        duration=np.ones(rows),
        episode=np.arange(rows) // 4,
        policy=np.full(rows, "drift"),
    )


def at(support: Support, *places: tuple[float, float], wind: float = 1.0) -> np.ndarray:
    states = np.array(places)
    return support.score(states, np.zeros((len(states), 0)), np.full((len(states), 1), wind))


@pytest.fixture(scope="module")
def support() -> Support:
    return Support.learn(clusters(4000, 1), PLANE, np.random.default_rng(2), anchors=400)


def test_scores_of_unseen_data_like_the_data_are_uniform(support: Support) -> None:
    """A score is a share only if fresh data spreads evenly over it."""
    fresh = clusters(2000, 7)
    scores = support.score(fresh.state, fresh.decision, fresh.parameters)
    # Calibrated on 800 rows: the two-sample bound at one in a thousand, for this fixed seed.
    bound = stats.kstwobign.isf(0.001) * np.sqrt(1 / 2000 + 1 / 800)
    assert stats.kstest(scores, "uniform").statistic < bound


def test_far_away_and_between_the_clusters_is_unknown_ground(support: Support) -> None:
    """A hole inside the range of every single number is as unknown as the far side of it."""
    assert at(support, (50.0, 0.0), (0.0, 0.0), (0.0, 5.0)) == pytest.approx(0.0, abs=0.002)
    assert at(support, (5.0, 5.0), (-5.0, 4.5)).min() > 0.05


def test_a_parameter_that_never_varied_makes_another_value_unknown(support: Support) -> None:
    """Nothing was learnt of its effect, however near the state is."""
    assert at(support, (5.0, 5.0), wind=1.1) == 0.0


def test_the_anchors_cover_what_they_were_chosen_from() -> None:
    """Thinning must keep the rare corners: those are what a random draw would lose."""
    data = clusters(2000, 3)
    odd = data.state.copy()
    odd[::500] = [20.0, 20.0]
    learnt = Support.learn(replace(data, state=odd), PLANE, np.random.default_rng(0), anchors=64)
    assert at(learnt, (20.0, 20.0)) > 0.5


@pytest.mark.parametrize("episodes", [1, 2])
def test_few_episodes_are_enough_to_learn_a_support(episodes: int) -> None:
    """A first trial run is one episode, and its surrogate has a support too."""
    data = clusters(40, 3)
    few = replace(data, episode=np.arange(40) % episodes)
    learnt = Support.learn(few, PLANE, np.random.default_rng(0))
    assert at(learnt, (90.0, 0.0)) == 0.0


def test_nothing_to_learn_from_is_refused() -> None:
    """A support of nothing would call everything known or everything unknown."""
    with pytest.raises(InvalidDataset, match="collect some first"):
        Support.learn(clusters(0, 1), PLANE, np.random.default_rng(0))


@pytest.fixture
def stored(
    transitions: Transitions,
    description: SystemDescription,
    fitted: dict[str, Surrogate],
    tmp_path: Path,
) -> tuple[Support, Path]:
    """A support, and the folder of a surrogate that was saved with it."""
    learnt = Support.learn(transitions, description, np.random.default_rng(0), anchors=50)
    save_surrogate(tmp_path / "with", fitted["mean"], {}, learnt)
    return learnt, tmp_path / "with"


def test_it_is_stored_with_the_surrogate_and_stated_in_the_manifest(
    stored: tuple[Support, Path],
    transitions: Transitions,
    description: SystemDescription,
    fitted: dict[str, Surrogate],
    tmp_path: Path,
) -> None:
    """Whoever gets an artefact must be able to ask it, and to read that it can be asked."""
    learnt, folder = stored
    save_surrogate(tmp_path / "without", fitted["mean"], {})
    _, manifest = load_surrogate(folder, description)
    assert manifest["support"]["anchors"] == 50
    assert load_surrogate(tmp_path / "without", description)[1]["support"] is None
    assert load_support(tmp_path / "without", description) is None
    found = load_support(folder, description)
    assert found is not None
    question = (transitions.state[:8], transitions.decision[:8], transitions.parameters[:8])
    assert np.array_equal(found.score(*question), learnt.score(*question))


def test_arrays_of_another_system_are_refused(support: Support) -> None:
    """Features of another number would be multiplied into nonsense or a stack trace."""
    other = replace(PLANE, parameters=())
    with pytest.raises(TamperedArtefact, match="learn it again"):
        Support.from_tensors(support.to_tensors(), other)


@pytest.mark.parametrize("name", ["centre", "spread", "whitening", "anchors", "distances"])
def test_a_support_that_lacks_an_array_is_refused_by_its_name(support: Support, name: str) -> None:
    """Whoever is left with a stack trace does not know that the surrogate itself is whole."""
    tensors = {key: values for key, values in support.to_tensors().items() if key != name}
    with pytest.raises(TamperedArtefact, match=f"without its array '{name}': learn it again"):
        Support.from_tensors(tensors, PLANE)


def test_a_support_that_is_stated_and_not_there_is_refused(
    stored: tuple[Support, Path],
    description: SystemDescription,
    fitted: dict[str, Surrogate],
    tmp_path: Path,
) -> None:
    """None would say that nobody ever knew, and cautious training would go on without."""
    _, manifest = load_surrogate(stored[1], description)
    save_artefact(tmp_path / "half", fitted["mean"].to_tensors(), manifest)  # type: ignore[attr-defined]
    with pytest.raises(TamperedArtefact, match="without its array 'centre'"):
        load_support(tmp_path / "half", description)
