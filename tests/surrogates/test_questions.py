"""Which questions a system can be asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.description import Description, Lever
from sim.epoch import Parameter, Quantity
from surrogates.errors import InvalidQuestion
from surrogates.questions import Questions

BOX = Description(
    name="box",
    components=(Quantity(name="queue", unit="jobs"), Quantity(name="heat", unit="K")),
    outputs=(),
    levers=(
        Lever(name="crew", levels=(1.0, 2.0), decides="servers"),
        Lever(name="first", levels=(0.0, 2.0), decides="order"),
        Lever(name="set_point", levels=(-5.0, 5.0), decides="value"),
    ),
    parameters=(Parameter(name="load", unit="factor", low=0.5, high=2.0, nominal=1.0),),
    epochs=10,
)
Asked = tuple[np.ndarray, np.ndarray, np.ndarray]


@pytest.fixture
def asked() -> Asked:
    """Three questions that can be asked."""
    return np.zeros((3, 2)), np.tile([1.0, 2.0, -5.0], (3, 1)), np.ones((3, 1))


@pytest.mark.parametrize("lever", [(0, 3.0), (2, -700.5)])
def test_levels_that_are_not_offered_may_be_asked_for(
    asked: Asked, lever: tuple[int, float]
) -> None:
    """The simulator applies them, and policies with continuous actions choose them."""
    asked[1][1, lever[0]] = lever[1]
    Questions(BOX).check(*asked)


@pytest.mark.parametrize(
    ("lever", "level"),
    [(0, 1.5), (0, -1.0), (0, np.inf), (1, 1.0), (1, 0.5), (2, np.nan), (2, -np.inf)],
)
def test_levels_that_a_lever_cannot_have_are_refused(
    asked: Asked, lever: int, level: float
) -> None:
    """Half a server, a place in no order and no number at all are told by the lever's name."""
    asked[1][1, lever] = level
    with pytest.raises(InvalidQuestion, match=f"lever '{BOX.levers[lever].name}' at "):
        Questions(BOX).check(*asked)


def test_states_of_a_user_s_simulator_may_be_anything_finite(asked: Asked) -> None:
    """Nothing is known of their units, and squares of large ones are beyond what floats can be."""
    asked[0][1] = -1e300, 1e300
    Questions(BOX).check(*asked)
    asked[0][1, 0] = -np.inf
    with pytest.raises(InvalidQuestion, match="'queue' is -inf"):
        Questions(BOX).check(*asked)


def test_nothing_may_be_asked(asked: Asked) -> None:
    """A batch of which all episodes are over has no rows, and a user may have nothing to decide."""
    Questions(BOX).check(*(each[:0] for each in asked))
    bare = replace(BOX, levers=(), parameters=())
    Questions(bare).check(asked[0], asked[1][:, :0], asked[2][:, :0])
