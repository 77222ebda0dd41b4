"""What to expect of an epoch and how far it may miss, from any surrogate."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs, Surrogate


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Mean and deviation of each number of an epoch, chance and doubt together.

    Means are no epochs: they need not be whole. Step a world with `sample`, never with these.
    """

    mean: Epochs
    deviation: Epochs


def predict(
    surrogate: Surrogate,
    states: Float[np.ndarray, "batch state"],
    decisions: Float[np.ndarray, "batch lever"],
    parameters: Float[np.ndarray, "batch parameter"],
    random: np.random.Generator,
    draws: int = 64,
) -> Forecast:
    """Mean and deviation over so many draws for each row.

    The means are off by about a deviation over the root of `draws`. Raises InvalidDataset for
    fewer than two.
    """
    if draws < 2:
        raise InvalidDataset(f"{draws} draws: at least 2 to tell a deviation")
    epochs = surrogate.sample(
        np.repeat(states, draws, axis=0),
        np.repeat(decisions, draws, axis=0),
        np.repeat(parameters, draws, axis=0),
        random,
    )
    shape = (len(states), draws)
    numbers = {
        "state": epochs.state.reshape(*shape, epochs.state.shape[1]),
        "outputs": epochs.outputs.reshape(*shape, epochs.outputs.shape[1]),
        "duration": epochs.duration.reshape(shape),
    }
    return Forecast(
        mean=Epochs(**{name: drawn.mean(axis=1) for name, drawn in numbers.items()}),
        deviation=Epochs(**{name: drawn.std(axis=1, ddof=1) for name, drawn in numbers.items()}),
    )
