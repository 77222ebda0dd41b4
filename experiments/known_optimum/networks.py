"""The networks of the study: scenario, exact counterpart, and what each decision has served."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, Int

from experiments.known_optimum.errors import UnknownNetwork
from sim.analytic import (
    CRISS_CROSS_LOADS,
    CRISS_CROSS_OPTIMA,
    IDLE,
    MarkovNetwork,
    criss_cross,
    n_model,
    reentrant,
)
from sim.errors import suggestion

Orders = tuple[tuple[int, ...], ...]
"""By server the classes it may serve, in order: the first that has anybody is served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A bundled scenario beside the Markov network that it is."""

    name: str
    scenario: str
    chain: MarkovNetwork
    orders: tuple[Orders, ...]
    """What each joint decision means; classes and servers as `chain` numbers them."""
    needed: Mapping[tuple[int, int], int]
    """Least number of a class that a server takes it from, by (server, class), where not 1: of one
    customer a faster server takes care."""
    levels: tuple[int, ...] | None
    """Grid on which policies are evaluated exactly; None where it would not fit in memory."""
    optimum: float | None
    """Least cost per minute, of the network without levels."""
    goal: float
    """Cost per minute to reach."""
    _listed: Int[np.ndarray, "choice server place"] = field(init=False, repr=False)
    """`orders`, the last class of shorter ones again and again."""
    _least: Int[np.ndarray, "server kind"] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        longest = max(len(order) for orders in self.orders for order in orders)
        listed = [
            [[*order, *(order[-1:] * (longest - len(order)))] for order in orders]
            for orders in self.orders
        ]
        least = np.ones((self.chain.servers, self.chain.classes), dtype=int)
        for place, number in self.needed.items():
            least[place] = number
        object.__setattr__(self, "_listed", np.array(listed))
        object.__setattr__(self, "_least", least)

    def served(
        self, present: Int[np.ndarray, "batch kind"], choices: Int[np.ndarray, "batch"]
    ) -> Int[np.ndarray, "batch server"]:
        """The class that each server serves under each row's decision, -1 for none."""
        served = np.full((len(present), len(self.orders[0])), IDLE)
        rows = np.arange(len(present))
        # The first listed last, so that it stands where it has anybody.
        for place in reversed(range(self._listed.shape[2])):
            for server in range(served.shape[1]):
                kind = self._listed[choices, server, place]
                there = present[rows, kind] >= self._least[server, kind]
                served[there, server] = kind[there]
        return served

    def rates(self) -> Float[np.ndarray, "server kind"]:
        """Services per minute by server and class, 0 where a server cannot."""
        found = np.zeros((self.chain.servers, self.chain.classes))
        for activity in self.chain.activities:
            found[activity.server, activity.customer_class] = activity.rate
        return found


def _criss_cross(load: str) -> Network:
    known = CRISS_CROSS_OPTIMA[load]
    return Network(
        name=f"criss_cross_{load}",
        scenario=f"criss_cross:{load}",
        chain=criss_cross(load),
        orders=(((0, 2), (1,)), ((2, 0), (1,))),
        needed={},
        levels=known.levels,
        optimum=known.average_cost,
        goal=1.01 * known.average_cost,
    )


_N_MODEL_OPTIMUM = 46.165
_REENTRANT_STATION = ((2, 1, 0), (1, 2, 0), (0, 2, 1))
"""Orders of the first station, by the level of its lever; the second one's are three higher."""

NETWORKS: dict[str, Network] = {
    "n_model": Network(
        name="n_model",
        scenario="n_model",
        chain=n_model(),
        orders=(((0,), (1,)), ((1,), (1,))),
        needed={(0, 1): 2},
        levels=(480, 240),
        optimum=_N_MODEL_OPTIMUM,
        goal=1.02 * _N_MODEL_OPTIMUM,
    ),
    **{f"criss_cross_{load}": _criss_cross(load) for load in CRISS_CROSS_LOADS},
    "reentrant": Network(
        name="reentrant",
        scenario="reentrant",
        chain=reentrant(2),
        orders=tuple(
            (first, tuple(kind + 3 for kind in second))
            for first in _REENTRANT_STATION
            for second in _REENTRANT_STATION
        ),
        needed={},
        levels=None,
        optimum=None,
        goal=14.24,
    ),
}


def find_network(name: str) -> Network:
    """A network of the study by its name."""
    if name not in NETWORKS:
        raise UnknownNetwork(f"no network {name!r}{suggestion(name, NETWORKS)}")
    return NETWORKS[name]
