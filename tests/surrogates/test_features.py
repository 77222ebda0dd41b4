"""What surrogates see of a state and a decision."""

import numpy as np

from sim.scenario import load_scenario
from surrogates.features import SystemFeatures


def test_servers_to_start_and_servers_too_many_are_seen_apart() -> None:
    """Whether an order lets servers start or stop is a kink that a line cannot see."""
    description = load_scenario("autoscaling").system().describe()
    features = SystemFeatures(description)
    states = np.tile(description.initial_state(0), (3, 1))
    states[:, list(description.state_names).index("workers_up")] = 9.0
    states[:, list(description.state_names).index("workers_starting")] = 1.0
    orders = np.array([[6.0], [10.0], [14.0]])
    told = features.matrix(states, orders, np.tile(description.nominal, (3, 1)))
    names = features.names
    assert told[:, names.index("servers_more")].tolist() == [0.0, 0.0, 2.0]
    assert told[:, names.index("servers_fewer")].tolist() == [2.0, 0.0, 0.0]
