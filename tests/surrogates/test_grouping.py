import numpy as np
from jaxtyping import Float, Int

from surrogates.grouping import groups, sample_grouped
from surrogates.interface import Epochs


def test_every_row_is_drawn_with_its_own_key_and_put_back() -> None:
    """A row that came back in another's place would carry another world's answer."""
    random = np.random.default_rng(0)
    states, keys = random.normal(size=(50, 3)), random.integers(7, size=50)
    decisions, parameters = random.normal(size=(50, 1)), random.normal(size=(50, 2))
    asked: list[np.ndarray] = []

    def sample(
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        keys: Int[np.ndarray, "batch"],
        random: np.random.Generator,
    ) -> Epochs:
        del random
        asked.append(keys)
        outputs = np.column_stack([states[:, 0] + keys, parameters[:, 1]])
        return Epochs(state=2.0 * states, outputs=outputs, duration=decisions[:, 0])

    epochs = sample_grouped(sample, states, decisions, parameters, keys, random)
    assert (np.diff(asked[0]) >= 0).all()
    assert np.array_equal(epochs.state, 2.0 * states)
    assert np.array_equal(epochs.outputs[:, 0], states[:, 0] + keys)
    assert np.array_equal(epochs.outputs[:, 1], parameters[:, 1])
    assert np.array_equal(epochs.duration, decisions[:, 0])


def test_the_groups_are_the_rows_in_order() -> None:
    """A piece of rows that is left out would keep what the memory held before."""
    assert groups(np.array([0, 0, 3, 3, 3, 9])) == [
        (0, slice(0, 2)),
        (3, slice(2, 5)),
        (9, slice(5, 6)),
    ]
    assert groups(np.array([], dtype=int)) == []
