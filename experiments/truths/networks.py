"""The controlled networks, as their bundled scenarios describe them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sim.scenario import load_scenario
from sim.servers import Pool
from sim.system import System


def network(scenario: str) -> System:
    """A bundled network, whose levers are decided after every event."""
    return load_scenario(scenario).system()


def ranked(scenario: str, order: Sequence[str]) -> System:
    """A bundled network whose classes have a fixed rank at every server, the first listed first.

    Nothing is left to decide, so that epochs may end when they like.
    """
    system = network(scenario)
    return replace(
        system,
        pools=tuple(_by_rank(pool) for pool in system.pools),
        teams=tuple(sorted(system.teams, key=lambda team: order.index(team.serves))),
        levers=(),
        events=0,
        boundaries=(0.0, 1.0),
    )


def _by_rank(pool: Pool) -> Pool:
    return replace(pool, order=None, orders=(), picks="priority")
