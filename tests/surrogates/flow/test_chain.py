"""The likelihood of an interval's free numbers is one of probabilities and densities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from surrogates.coordinates import FlowBalance
from surrogates.dataset import Transitions
from surrogates.flow.chain import Cells, Chain, Scaling, start
from tests.surrogates.flow.test_flow import described, episodes


def mass_of_a_measure(
    network: Chain, row: Transitions, balance: FlowBalance, scaling: Scaling, position: int
) -> float:
    """Probability of 0 and all that is above, given the numbers before."""
    column = described("callbacks").output_names.index(balance.coordinates[position].name)
    centre, width = scaling.target_centre[position], scaling.target_width[position]
    about = centre + np.sqrt(balance.trapezoids(row)[0, position])
    root = np.concatenate([[0.0], np.linspace(1e-9, max(about, 0.0) + 15.0 * width, 4000)])
    rows = row.take(np.zeros(len(root), dtype=int))
    outputs = rows.outputs.copy()
    outputs[:, column] = np.square(root)
    cells = Cells.of(replace(rows, outputs=outputs), balance, scaling)
    with torch.inference_mode():
        found = np.exp(cells.log_probs(network, slice(None))[:, position].double().numpy())
    # dv = 2 sqrt(v) d sqrt(v)
    return float(found[0] + np.trapezoid(found[1:] * 2.0 * root[1:], root[1:]))


def test_zero_and_all_that_is_above_have_probability_one() -> None:
    """Were zero to hold what lies just above it too, likelihoods of families could not be compared.

    Tolerance: the trapezium rule's, single precision's.
    """
    seen = episodes("callbacks", 3, seed=1)
    balance = FlowBalance.learn(described("callbacks"), seen)
    scaling = Scaling.of(seen, balance)
    cells = Cells.of(seen, balance, scaling)
    torch.manual_seed(0)
    network = Chain(cells.inputs.shape[1], len(balance.coordinates), 4, 1)
    start(network, cells, balance)
    measures = [i for i, c in enumerate(balance.coordinates) if c.kind == "measure"]
    assert len(measures) >= 3
    for position in measures:
        for at in range(0, len(seen), 17):
            row = seen.take(np.array([at]))
            mass = mass_of_a_measure(network, row, balance, scaling, position)
            assert mass == pytest.approx(1.0, abs=2e-3), balance.coordinates[position].name
