"""The network that a fitted surrogate takes a scenario for, so that its optimum can be asked."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from experiments.known_optimum.networks import Network
from experiments.known_optimum.rules import states_of
from sim.analytic import MarkovNetwork
from sim.description import SystemDescription
from surrogates.flow.jumps import JumpLaw
from surrogates.flow.patterns import TABLE

_MOST = 12
"""Customers of a class in the states that are asked about."""


def fitted_network(network: Network, law: JumpLaw, random: np.random.Generator) -> MarkovNetwork:
    """The Markov network with the mean rates of the surrogate.

    Asked of random states in which every server is already at what the decision has it do.
    """
    description = law.patterns.description
    kinds = network.chain.classes
    present = random.integers(0, _MOST + 1, size=(4096, kinds))
    choices = random.integers(len(network.orders), size=len(present))
    served = network.served(present, choices)
    states = _at_work(description, present, served)
    parameters = np.tile(description.nominal, (len(states), 1))
    rates = law.rates(states, description.decisions[choices], parameters)
    arrivals = [
        float(rates[:, events].sum(axis=1).mean()) if rate > 0 else 0.0
        for rate, events in zip(network.chain.arrival_rates, _arrivals(law), strict=True)
    ]
    ends = _ends(law)
    activities = []
    for activity in network.chain.activities:
        place = activity.server, activity.customer_class
        busy = served[:, activity.server] == activity.customer_class
        rate = float(rates[busy][:, ends[place]].sum(axis=1).mean())
        activities.append(replace(activity, rate=rate))
    return replace(network.chain, arrival_rates=tuple(arrivals), activities=tuple(activities))


def _teams(description: SystemDescription) -> dict[tuple[int, int], str]:
    """Names of teams by server and class, which have the order of the names of their pools."""
    pools = sorted({team.pool for team in description.teams})
    queues = [stock.name for stock in description.stocks if stock.team is None]
    return {(pools.index(t.pool), queues.index(t.queue)): t.name for t in description.teams}


def _at_work(
    description: SystemDescription,
    present: np.ndarray,
    served: np.ndarray,
) -> Float[np.ndarray, "batch state"]:
    states = states_of(description, present)
    names = list(description.state_names)
    queues = [i for i, stock in enumerate(description.stocks) if stock.team is None]
    for (server, kind), team in _teams(description).items():
        busy = served[:, server] == kind
        states[busy, names.index(f"{team}_busy")] += 1.0
        states[busy, queues[kind]] -= 1.0
        if f"{team}_assigned" in names:
            states[busy, names.index(f"{team}_assigned")] = 1.0
    return np.asarray(np.maximum(states, 0.0))


def _arrivals(law: JumpLaw) -> list[list[int]]:
    """Events that bring somebody from outside, by class."""
    d = law.patterns.description
    queues = [stock.name for stock in d.stocks if stock.team is None]
    return [
        _carrying(law, [i for i, f in enumerate(d.flows) if f.source is None and f.target == queue])
        for queue in queues
    ]


def _ends(law: JumpLaw) -> dict[tuple[int, int], list[int]]:
    """Events that end a service, by server and class."""
    d = law.patterns.description
    queue_of = {team.name: team.queue for team in d.teams}
    return {
        place: _carrying(
            law,
            [
                i
                for i, flow in enumerate(d.flows)
                if flow.source == f"{team}_busy" and flow.target != queue_of[team]
            ],
        )
        for place, team in _teams(d).items()
    }


def _carrying(law: JumpLaw, flows: list[int]) -> list[int]:
    table = law.patterns.to_tensors()[TABLE]
    carries = (table[flows] > 0).any(axis=0)
    return sorted(set(law.patterns.events[carries].tolist()))
