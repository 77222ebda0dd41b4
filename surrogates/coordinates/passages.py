"""The way customers take through the stocks, and what going back asks of the stocks before.

Stocks stand in the order in which customers pass them. A flow that goes back is drawn before any
stock is visited, so the stocks on the way to its source have to let enough customers through:
the source needs what goes back, less what it holds and what comes to it from elsewhere; the stock
before it needs that, less what it holds itself; and so on up to the stock where those who go back
arrive, which has them. Every stock that is needed so has one flow that feeds it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.description import Flow, SystemDescription

Column = Float[np.ndarray, "batch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """A stock on the way to the source of a flow that goes back."""

    stock: int
    flow: int
    """The flow that brings it what it needs."""
    inflows: tuple[int, ...]
    returns: tuple[int, ...]
    """Flows that go back from it."""
    onward: tuple[Feed, ...]
    """Stocks that it feeds itself."""

    def need(self, states: Float[np.ndarray, "state batch"], flows: list[Column]) -> Column:
        """Customers that must still come in for every later draw to be possible."""
        asked = sum((flows[i] for i in self.returns), start=np.zeros(states.shape[1]))
        for feed in self.onward:
            asked = asked + feed.need(states, flows)
        here = states[self.stock] + sum(flows[i] for i in self.inflows)
        return np.asarray(np.maximum(asked - here, 0.0))


class Passages:
    """Which flows go back, and what feeds their sources."""

    def __init__(self, description: SystemDescription) -> None:
        self._at = {stock.name: i for i, stock in enumerate(description.stocks)}
        self._flows = description.flows
        self.returns = tuple(i for i, flow in enumerate(self._flows) if self._goes_back(flow))
        self._feeders: dict[int, int] = {}
        self.obstacle = self._find_feeders()

    def _goes_back(self, flow: Flow) -> bool:
        if flow.source is None or flow.target is None:
            return False
        return self._at[flow.target] <= self._at[flow.source]

    def _forward(self, target: int) -> Iterator[int]:
        for index, flow in enumerate(self._flows):
            if index in self.returns or flow.source is None or flow.target is None:
                continue
            if self._at[flow.target] == target:
                yield index

    def _way(self, start: int, goal: int) -> list[int] | None:
        """Flows of a way forward from one stock to another; None where there is none."""
        if start == goal:
            return []
        # The last stock that leads there, so that nothing comes from elsewhere afterwards.
        for index in sorted(self._forward(target=goal), key=self._source_of, reverse=True):
            rest = self._way(start, self._source_of(index))
            if rest is not None:
                return [*rest, index]
        return None

    def _source_of(self, flow: int) -> int:
        return self._at[str(self._flows[flow].source)]

    def _find_feeders(self) -> str | None:
        for index in self.returns:
            flow = self._flows[index]
            way = self._way(self._at[str(flow.target)], self._at[str(flow.source)])
            told = f"flow {flow.name!r} goes back from {flow.source!r} to {flow.target!r}, and "
            if way is None:
                return told + "nothing leads from there to where it comes from"
            for step in way:
                fed = self._at[str(self._flows[step].target)]
                if self._feeders.setdefault(fed, step) != step:
                    return told + f"{self._flows[step].target!r} is on two ways round"
                if self._is_reached_later(fed, step, self._at[str(flow.target)]):
                    return told + f"{self._flows[step].target!r} is reached from elsewhere too"
        return None

    def _is_reached_later(self, stock: int, feeder: int, first: int) -> bool:
        """Whether others come in whom nobody has drawn when the way round is begun."""
        sources = {self._source_of(i) for i in self._forward(target=stock)}
        return any(s >= first and s != self._source_of(feeder) for s in sources)

    def feeds_from(self, stock: int) -> tuple[Feed, ...]:
        """The stocks that this one must feed."""
        return tuple(
            Feed(
                stock=fed,
                flow=flow,
                inflows=tuple(
                    i for i, f in enumerate(self._flows) if f.target and self._at[f.target] == fed
                ),
                returns=self.returns_from(fed),
                onward=self.feeds_from(fed),
            )
            for fed, flow in self._feeders.items()
            if self._source_of(flow) == stock
        )

    def returns_from(self, stock: int) -> tuple[int, ...]:
        """Flows that go back from a stock."""
        return tuple(i for i in self.returns if self._source_of(i) == stock)
