"""Small controlled networks whose optimum, or its difficulty, is known from the literature.

Classes and servers are numbered from 0 here; the papers count from 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.analytic.markov_network import Activity, MarkovNetwork
from sim.analytic.policies import IDLE, Policy
from sim.errors import InvalidSystem, suggestion

CRISS_CROSS_LOADS: dict[str, tuple[float, float]] = {
    "IL": (0.3, 1.5),
    "BL": (0.3, 1.0),
    "IM": (0.6, 1.5),
    "BM": (0.6, 1.0),
    "IH": (0.9, 1.5),
    "BH": (0.9, 1.0),
}
"""Arrival rate of both external classes and rate of the second server: imbalanced or balanced,
with a light, medium or heavy load."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownOptimum:
    """An optimum that was computed once because it takes minutes."""

    average_cost: float
    """Per minute."""
    error: float
    """The optimum of the network without levels is most likely no farther away than this: what
    the solution left open, and how much the last rise of the levels still changed."""
    levels: tuple[int, ...]
    """With which `find_optimum` gave it."""


CRISS_CROSS_OPTIMA: dict[str, KnownOptimum] = {
    "IL": KnownOptimum(average_cost=0.670623, error=1e-6, levels=(26, 14, 26)),
    "BL": KnownOptimum(average_cost=0.843213, error=1e-6, levels=(26, 22, 26)),
    "IM": KnownOptimum(average_cost=2.083551, error=1e-6, levels=(55, 24, 55)),
    "BM": KnownOptimum(average_cost=2.828830, error=1e-6, levels=(55, 36, 55)),
    "IH": KnownOptimum(average_cost=9.9721, error=1e-4, levels=(150, 25, 150)),
    "BH": KnownOptimum(average_cost=15.0953, error=3e-4, levels=(125, 60, 125)),
}
"""Of each load, by name; with the given levels `find_optimum` solves IH in two minutes and BH in
seven. What levels change: IH costs 9.97076 at (100, 20, 100) and 9.97206 at (150, 25, 150); BH
15.08436, 15.09377 and 15.09525 at 80, 100 and 125 with 60 of class 1."""


def criss_cross(load: str) -> MarkovNetwork:
    """Two servers: class 0 visits both, class 1 is its second visit, class 2 only the first.

    `load` is a key of `CRISS_CROSS_LOADS`. Server 0 is torn between class 2, which leaves at once,
    and class 0, without which server 1 starves. Source: Harrison and Wein (1989).
    """
    if load not in CRISS_CROSS_LOADS:
        raise InvalidSystem(f"no criss-cross load {load!r}{suggestion(load, CRISS_CROSS_LOADS)}")
    arrival_rate, second_rate = CRISS_CROSS_LOADS[load]
    return MarkovNetwork(
        arrival_rates=(arrival_rate, 0.0, arrival_rate),
        holding_costs=(1.0, 1.0, 1.0),
        activities=(
            Activity(server=0, customer_class=0, rate=2.0, routes=((1, 1.0),)),
            Activity(server=0, customer_class=2, rate=2.0),
            Activity(server=1, customer_class=1, rate=second_rate),
        ),
    )


def n_model(load: float = 0.95) -> MarkovNetwork:
    """Two servers, the first of which may help the second with its costly class, but slowly.

    Rates and costs are those of Harrison (1998); at load 1 both servers are just kept busy.
    """
    return MarkovNetwork(
        arrival_rates=(0.4 * load, 1.3 * load),
        holding_costs=(1.0, 3.0),
        activities=(
            Activity(server=0, customer_class=0, rate=1.0),
            Activity(server=0, customer_class=1, rate=0.5),
            Activity(server=1, customer_class=1, rate=1.0),
        ),
    )


def n_model_threshold_policy(levels: tuple[int, int], threshold: int) -> Policy:
    """The first server helps when more than `threshold` of class 1 are there, or class 0 is empty.

    Only while the second server leaves it a customer of class 1, so with at least two of them.
    Bell and Williams (2001) show that a threshold that rises with the load is nearly optimal.
    """
    first, second = np.ogrid[0 : levels[0] + 1, 0 : levels[1] + 1]
    helps = (second >= 2) & ((second > threshold) | (first == 0))
    helper = np.where(helps, 1, np.where(first > 0, 0, IDLE))
    owner = np.where((second > 0) & (first >= 0), 1, IDLE)
    return np.stack([helper, owner]).astype(np.int8)


def five_class(arrival_rate: float = 0.18) -> MarkovNetwork:
    """One server, five classes alike but for holding costs of 5, 4, 3, 2 and 1: c-mu is optimal."""
    return MarkovNetwork(
        arrival_rates=(arrival_rate,) * 5,
        holding_costs=(5.0, 4.0, 3.0, 2.0, 1.0),
        activities=tuple(Activity(server=0, customer_class=kind, rate=1.0) for kind in range(5)),
    )


def tandem(
    arrival_rate: float,
    service_rates: tuple[float, ...],
    holding_costs: tuple[float, ...] | None = None,
) -> MarkovNetwork:
    """Stations in a row, one server each, where every customer visits all; costs are 1 by default.

    While costs fall along the row no server should idle. Where they rise, it pays to hold
    customers back (Rosberg, Varaiya and Walrand 1982).
    """
    last = len(service_rates) - 1
    return MarkovNetwork(
        arrival_rates=(arrival_rate, *(0.0,) * last),
        holding_costs=holding_costs or (1.0,) * (last + 1),
        activities=tuple(
            Activity(
                server=station,
                customer_class=station,
                rate=rate,
                routes=((station + 1, 1.0),) if station < last else (),
            )
            for station, rate in enumerate(service_rates)
        ),
    )


_REENTRANT_RATES = ((1 / 8, 1 / 2, 1 / 4), (1 / 6, 1 / 7, 1.0))
"""Rates of the three classes at even and at odd stations, numbered from 0."""


def reentrant(stations: int) -> MarkovNetwork:
    """The reentrant line that QGym names Reentrant-1: three classes at each of its stations.

    Customers come to the first and third class of the first station and go on to the class of the
    same place at the next; from the last station the first class returns to the second class of
    the first station, and the others leave. Every server has load .9. No optimum is known. Source:
    Dai and Gluzman (2022).
    """
    if stations < 2:
        raise InvalidSystem(f"{stations} stations: at least 2")
    classes = 3 * stations
    return MarkovNetwork(
        arrival_rates=(9 / 140, 0.0, 9 / 140, *(0.0,) * (classes - 3)),
        holding_costs=(1.0,) * classes,
        activities=tuple(_reentrant_activity(kind, classes) for kind in range(classes)),
    )


def _reentrant_activity(kind: int, classes: int) -> Activity:
    station, place = divmod(kind, 3)
    next_class = kind + 3 if kind + 3 < classes else 1 if place == 0 else None
    return Activity(
        server=station,
        customer_class=kind,
        rate=_REENTRANT_RATES[station % 2][place],
        routes=() if next_class is None else ((next_class, 1.0),),
    )
