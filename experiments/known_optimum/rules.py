"""Rules that serve, at every server, the class of the greatest index; and decisions as tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from envs.presence import presence_of
from experiments.known_optimum.networks import Network
from sim.analytic import Policy
from sim.description import SystemDescription
from training.heuristics import Controller

Index = Callable[[Float[np.ndarray, "batch kind"]], Float[np.ndarray, "batch server kind"]]
"""How urgent each class is for each server; what a server cannot serve is not asked."""

_HELPED_ABOVE = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRule:
    """Takes the joint decision that serves the greatest sum of indices, of equals the last one."""

    network: Network
    description: SystemDescription
    index: Index
    name: str

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """The decision for each state."""
        present = states @ presence_of(self.description).T
        worth = self.index(present)
        sums = [self._sum(present.astype(int), worth, c) for c in range(len(self.network.orders))]
        return np.asarray(len(sums) - 1 - np.argmax(np.stack(sums[::-1]), axis=0))

    def _sum(
        self,
        present: Int[np.ndarray, "batch kind"],
        worth: Float[np.ndarray, "batch server kind"],
        choice: int,
    ) -> Float[np.ndarray, "batch"]:
        served = self.network.served(present, np.full(len(present), choice))
        chosen = np.take_along_axis(worth, np.maximum(served, 0)[:, :, None], axis=2)[:, :, 0]
        # An idle server is worth less than any work.
        return np.asarray(np.where(served >= 0, chosen, -1e6).sum(axis=1))


def c_mu(network: Network, description: SystemDescription) -> IndexRule:
    """Serves what saves most holding cost per minute."""
    worth = network.rates() * np.array(network.chain.holding_costs)
    return IndexRule(
        network=network,
        description=description,
        index=lambda present: np.tile(worth, (len(present), 1, 1)),
        name="c-mu",
    )


def max_weight(network: Network, description: SystemDescription) -> IndexRule:
    """Serves the greatest product of holding cost, rate and number present."""
    worth = network.rates() * np.array(network.chain.holding_costs)
    return IndexRule(
        network=network,
        description=description,
        index=lambda present: worth * present[:, None, :],
        name="MaxWeight",
    )


def tuned_max_weight(
    network: Network, description: SystemDescription, values: Mapping[str, float]
) -> IndexRule:
    """MaxWeight whose weights and origins may differ from class to class (see `tuning_box`).

    A class counts from below 0 what it is to be spared, and so switching lines need not pass
    through the origin: generalised MaxWeight (Stolyar 2004; Meyn 2009).
    """
    worth = network.rates() * np.array(network.chain.holding_costs)
    kinds = range(network.chain.classes)
    weights = np.exp([values.get(f"log_weight_{k}", 0.0) for k in kinds])
    shifts = np.array([values[f"shift_{k}"] for k in kinds])
    return IndexRule(
        network=network,
        description=description,
        index=lambda present: worth * (weights * (present + shifts))[:, None, :],
        name="tuned MaxWeight",
    )


def tuning_box(network: Network) -> dict[str, tuple[float, float]]:
    """Where weights, relative to the first class, and shifts, in customers, are searched."""
    kinds = range(network.chain.classes)
    weights = {f"log_weight_{k}": (-2.0, 2.0) for k in kinds[1:]}
    return weights | {f"shift_{k}": (-20.0, 20.0) for k in kinds}


def max_pressure(network: Network, description: SystemDescription) -> IndexRule:
    """As MaxWeight, less the weighted numbers that the customers would join; never idles."""
    costs, routes = np.array(network.chain.holding_costs), np.zeros((network.chain.classes,) * 2)
    for activity in network.chain.activities:
        for entered, probability in activity.routes:
            routes[activity.customer_class, entered] = probability

    def index(present: Float[np.ndarray, "batch kind"]) -> Float[np.ndarray, "batch server kind"]:
        weighted = present * costs
        return np.asarray(network.rates() * (weighted - weighted @ routes.T)[:, None, :])

    return IndexRule(network=network, description=description, index=index, name="max-pressure")


def last_buffer_first(network: Network, description: SystemDescription) -> IndexRule:
    """Serves the class that is nearest to its way out, by the number of classes."""
    worth = np.arange(network.chain.classes, dtype=float)
    return IndexRule(
        network=network,
        description=description,
        index=lambda present: np.tile(worth, (len(present), network.chain.servers, 1)),
        name="last buffer first",
    )


def threshold(network: Network, description: SystemDescription) -> IndexRule:
    """The first server of the N-model helps when more than 11 of the second class are there.

    Or nobody of the first. Bell and Williams (2001) show such rules to be nearly optimal.
    """
    alike = np.ones((network.chain.servers, network.chain.classes))

    def index(present: Float[np.ndarray, "batch kind"]) -> Float[np.ndarray, "batch server kind"]:
        worth = np.tile(alike, (len(present), 1, 1))
        worth[:, 0, 1] = np.where(present[:, 1] > _HELPED_ABOVE, 2.0, 0.0)
        return worth

    return IndexRule(network=network, description=description, index=index, name="threshold")


def policy_table(
    network: Network, description: SystemDescription, controller: Controller
) -> Policy:
    """What a controller has served in every state of the network's grid.

    It is asked of states in which everybody waits: it must depend on the numbers present alone.
    """
    if network.levels is None:
        raise ValueError(f"{network.name} has no grid")
    shape = tuple(level + 1 for level in network.levels)
    present = np.stack(np.unravel_index(np.arange(np.prod(shape)), shape), axis=1)
    states = states_of(description, present)
    choices = np.concatenate([controller.decide(part) for part in np.array_split(states, 64)])
    return network.served(present, choices).T.reshape(-1, *shape).astype(np.int8)


def states_of(
    description: SystemDescription, present: Int[np.ndarray, "batch kind"]
) -> Float[np.ndarray, "batch state"]:
    """States with these numbers of customers, all of them waiting."""
    queues = [i for i, stock in enumerate(description.stocks) if stock.team is None]
    states = np.zeros((len(present), len(description.state_names)))
    states[:, queues] = present
    return states
