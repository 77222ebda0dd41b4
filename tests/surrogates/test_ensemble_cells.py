"""The likelihood that the networks of an ensemble climb is the one that they are scored by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from sim.description import SystemDescription
from surrogates.coordinates import Coordinate
from surrogates.coordinates.coordinate import Draw, Kind
from surrogates.dataset import Transitions
from surrogates.ensemble.cells import Cells
from surrogates.interface import Epochs
from surrogates.settled import settled_log_prob


@dataclass(frozen=True)
class OneNumber:
    """Coordinates of epochs that are known to have these values."""

    description: SystemDescription
    coordinates: tuple[Coordinate, ...]
    values: np.ndarray
    low: float
    openings: np.ndarray

    def encode(self, transitions: Transitions) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        column = self.values[:, None]
        return column, np.full_like(column, self.low), np.full_like(column, np.inf)

    def complete(
        self, states: np.ndarray, decisions: np.ndarray, parameters: np.ndarray, draw: Draw
    ) -> Epochs:
        raise NotImplementedError

    def to_tensors(self) -> dict[str, np.ndarray]:
        return {}


@pytest.mark.parametrize(("kind", "low"), [("measure", 0.0), ("real", -np.inf), ("count", 0.0)])
@pytest.mark.parametrize(("mean", "deviation"), [(0.1, 0.3), (-0.5, 0.8), (1.5, 0.05)])
def test_what_is_climbed_is_the_law_that_is_drawn_from(
    kind: Kind,
    low: float,
    mean: float,
    deviation: float,
    transitions: Transitions,
    description: SystemDescription,
) -> None:
    """A law that is taught with another mass at zero draws too few zeros, or too many."""
    number = Coordinate(name="number", kind=kind)
    values = np.array([0.0, 1.0, 2.0, 4.0] if kind == "count" else [0.0, 0.01, 0.3, 2.0])
    free = OneNumber(description, (number,), values, low, transitions.openings)
    scale = np.array([[0.7], [1.3]])
    cells = Cells.of(transitions.take(np.arange(4)), free, scale)
    climbed = cells.log_prob(*(torch.full((4, 1), number) for number in (mean, deviation)))
    scored = settled_log_prob(
        number,
        values,
        np.full(4, low),
        np.full(4, np.inf),
        np.full(4, 0.7 + 1.3 * mean),
        np.full(4, 1.3 * deviation),
    )
    likely = scored > -200.0
    assert climbed.numpy()[likely] == pytest.approx(scored[likely], rel=2e-3, abs=2e-3)
