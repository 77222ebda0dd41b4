"""What events depend on: the numbers that networks and trees are asked of."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.description import SystemDescription
from surrogates.ahead import Ahead, rows_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """States, decisions and parameters, a row a name, and the teams that they make."""

    states: Float[np.ndarray, "state batch"]
    decisions: Float[np.ndarray, "lever batch"]
    parameters: Float[np.ndarray, "parameter batch"]
    sizes: Float[np.ndarray, "team batch"]
    """Most servers of each team."""

    @classmethod
    def of(
        cls,
        ahead: Ahead,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Asked:
        """The questions, with what is looked up for them once."""
        rows = rows_of(states), rows_of(decisions), rows_of(parameters)
        sizes = ahead.look(*rows).sizes
        return cls(states=rows[0], decisions=rows[1], parameters=rows[2], sizes=sizes)


def smooth_inputs(asked: Asked, description: SystemDescription) -> Float[np.ndarray, "input batch"]:
    """For a network: how many customers are in each place, whether anybody is, whether two are.

    Decisions enter level by level, parameters as logarithms, for rates are products of them.
    """
    numbers = asked.states[: len(description.stocks)]
    others = asked.states[len(description.stocks) : -2]
    levels = [
        (chosen == level).astype(float)[None]
        for lever, chosen in zip(description.levers, asked.decisions, strict=True)
        for level in lever.levels
    ]
    return np.concatenate(
        [
            np.sqrt(numbers),
            (numbers >= 1).astype(float),
            (numbers >= 2).astype(float),
            others,
            *levels,
            np.log(asked.parameters),
        ]
    )


class SharpInputs:
    """For a tree: who is in each place, servers, decisions, and the teams that these make."""

    def __init__(self, description: SystemDescription) -> None:
        names = [stock.name for stock in description.stocks]
        teams = description.teams
        self._busy = [names.index(f"{team.name}_busy") for team in teams]
        self._present = [
            [names.index(team.queue)]
            + [names.index(f"{other.name}_busy") for other in teams if other.queue == team.queue]
            for team in teams
        ]
        flows = {flow.name for flow in description.flows}
        self._stays = np.array([[f"{team.name}_interrupted" not in flows] for team in teams])

    def __call__(
        self, asked: Asked
    ) -> tuple[Float[np.ndarray, "input batch"], Float[np.ndarray, "team batch"]]:
        """A row an input, the last of them how many each team may have at work; and these alone.

        A team has no more at work than the decision lets it have, or had already where nobody is
        interrupted, and no more than there are customers for it. Who shares customers or servers
        has fewer, which trees find out.
        """
        states = asked.states
        present = np.stack([states[stocks].sum(axis=0) for stocks in self._present])
        kept = np.where(self._stays, states[self._busy], 0.0)
        at_work = np.minimum(np.maximum(asked.sizes, kept), present)
        # Single precision, as thresholds are learnt from.
        sharp = np.concatenate([states[:-2], present, asked.decisions, at_work]).astype(np.float32)
        return sharp, at_work
