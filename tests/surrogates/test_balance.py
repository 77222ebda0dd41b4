import numpy as np

from sim.description import Description
from surrogates.balance import FlowBalance
from surrogates.dataset import Transitions


def test_encoding_and_completing_real_epochs_changes_nothing(
    transitions: Transitions, description: Description
) -> None:
    """The coordinates must determine an epoch: a number lost here no surrogate could learn."""
    balance = FlowBalance(description)
    values, low, high = balance.encode(transitions)
    again = balance.complete(
        transitions.state,
        transitions.decision,
        transitions.parameters,
        lambda position, least, most: values[:, position],
    )
    assert np.array_equal(again.state, transitions.next_state)
    assert np.array_equal(again.outputs, transitions.outputs)
    assert (values >= low).all()
    assert (values <= high).all()


def test_the_scale_of_a_coordinate_can_be_undone(description: Description) -> None:
    """What is modelled on a scale is drawn on it, so the way back must be exact for counts."""
    for coordinate in FlowBalance(description).coordinates:
        first = -300.0 if coordinate.kind == "idle" else 0.0
        counts = np.arange(first, 1000.0)
        assert np.array_equal(np.rint(coordinate.unscale(coordinate.scale(counts))), counts)
