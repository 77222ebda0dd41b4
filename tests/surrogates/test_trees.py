import pickle
from pathlib import Path

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import Ridge

from sim.description import SystemDescription
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset, TamperedArtefact
from surrogates.interface import Surrogate
from surrogates.trees import TreesSettings, TreesSurrogate


@pytest.fixture
def tensors(fitted: dict[str, Surrogate]) -> dict[str, np.ndarray]:
    trees = fitted["trees"]
    assert isinstance(trees, TreesSurrogate)
    return trees.to_tensors()


def put(tensors: dict[str, np.ndarray], content: bytes) -> dict[str, np.ndarray]:
    return {**tensors, "forests.skops": np.frombuffer(content, np.uint8)}


def test_only_values_that_were_seen_are_drawn(
    fitted: dict[str, Surrogate], transitions: Transitions, held_out: Transitions
) -> None:
    """A leaf holds real epochs, and the family promises no other answer."""
    seen = set(transitions.take(transitions.episode < 45).outputs[:, 0])
    drawn = fitted["trees"].sample(
        held_out.state, held_out.decision, held_out.parameters, np.random.default_rng(0)
    )
    assert set(drawn.outputs[:, 0]) <= seen


def test_a_renamed_pickle_is_refused_unread(
    tensors: dict[str, np.ndarray], description: SystemDescription, tmp_path: Path
) -> None:
    """The bytes inside the weights are read by another library, which must run nothing either."""
    trap = tmp_path / "sprung"
    with pytest.raises(TamperedArtefact, match="no forests that skops can read"):
        TreesSurrogate.from_tensors(put(tensors, pickle.dumps(_Trap(trap))), description)
    assert not trap.exists()


class _Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize(
    ("content", "says"),
    [([Ridge()], "something else"), ([_Trap(Path("nowhere"))], "other types than trees")],
)
def test_other_objects_are_refused(
    content: list[object],
    says: str,
    tensors: dict[str, np.ndarray],
    description: SystemDescription,
) -> None:
    """What is made on loading is what was agreed on, and nothing else."""
    with pytest.raises(TamperedArtefact, match=says):
        TreesSurrogate.from_tensors(put(tensors, skops.io.dumps(content)), description)


@pytest.mark.parametrize("name", ["children_left", "children_right", "feature"])
@pytest.mark.parametrize("value", [0, 10_000_000])
def test_a_tree_that_leads_astray_is_refused(
    name: str, value: int, fitted: dict[str, Surrogate], description: SystemDescription
) -> None:
    """scikit-learn follows a wrong index out of its arrays or round and round for ever."""
    if name == "feature" and value == 0:
        pytest.skip("the first input exists")
    tensors = fitted["trees"].to_tensors()  # type: ignore[attr-defined]
    forests = skops.io.loads(
        tensors["forests.skops"].tobytes(), trusted=["sklearn.tree._tree.Tree"]
    )
    getattr(forests[3].estimators_[1].tree_, name)[0] = value
    with pytest.raises(TamperedArtefact, match="outside of its own arrays"):
        TreesSurrogate.from_tensors(put(tensors, skops.io.dumps(forests)), description)


def test_settings_that_cannot_grow_are_refused() -> None:
    """The value and the bound belong in the message."""
    with pytest.raises(InvalidDataset, match=r"share 1\.5: at most 1"):
        TreesSettings(share=1.5)
