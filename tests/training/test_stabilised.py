"""Rules that take over where a policy has never been."""

import numpy as np

from tests.network_fits import criss_cross_fit
from training.heuristics import ConstantRule
from training.stabilised import StabilisedController


def test_the_rule_decides_only_where_a_class_exceeds_its_limit() -> None:
    """What was learnt near home must not change, and one long queue is far enough."""
    fit = criss_cross_fit()
    controller = StabilisedController(
        inner=ConstantRule(choice=1),
        rule=ConstantRule(choice=0),
        description=fit.description,
        limits=np.array([5.0, 5.0, 5.0]),
        name="stabilised",
    )
    states = np.zeros((3, len(fit.description.state_names)))
    waiting = fit.description.state_names.index("class_2_waiting")
    states[:, waiting] = [0.0, 5.0, 6.0]
    assert controller.decide(states).tolist() == [1, 1, 0]
