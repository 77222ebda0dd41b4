"""Planning by the fluid model: try every choice now with every steady choice after it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from envs.objective import Objective
from surrogates.fluid import FluidModel
from training.heuristics import CentreFacts

_STEPS_PER_EPOCH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class FluidLookAheadRule:
    """Chooses what costs least in the fluid model until close (rolling horizon).

    The day factor is re-estimated from today's count, as in the adaptive rule; every joint choice
    for the coming epoch is tried with every joint choice held from then on.
    """

    facts: CentreFacts
    model: FluidModel
    objective: Objective
    day_weight: float = 4000.0
    """Customers' worth of trust in the forecast against today's count."""
    name: str = "fluid look-ahead"

    def decide(self, states: Float[np.ndarray, "batch state"]) -> Int[np.ndarray, "batch"]:
        """Plan each state on its own."""
        return np.array([self._plan(state) for state in states])

    def _plan(self, state: Float[np.ndarray, "state"]) -> int:
        description = self.facts.description
        choices = len(description.decisions)
        first = np.repeat(np.arange(choices), choices)
        later = np.tile(np.arange(choices), choices)
        begin = int(state[-1])
        customers = self._customers(state)[:, None] * np.ones(len(first))
        cost = np.zeros(len(first))
        for epoch in range(begin, description.epochs):
            chosen = first if epoch == begin else later
            customers, spent = self._roll(state, epoch, begin, customers, chosen)
            cost += spent
        cost += self._moving(state, first, later) + self._closing(state, customers, later)
        return int(first[np.argmin(cost)])

    def _customers(self, state: Float[np.ndarray, "state"]) -> Float[np.ndarray, "class"]:
        totals: list[float] = []
        for stock, value in zip(self.facts.description.stocks, state, strict=False):
            if stock.team is None:
                totals.append(0.0)
            totals[-1] += value
        return np.array(totals)

    def _roll(
        self,
        state: Float[np.ndarray, "state"],
        epoch: int,
        begin: int,
        customers: Float[np.ndarray, "class batch"],
        chosen: Int[np.ndarray, "batch"],
    ) -> tuple[Float[np.ndarray, "class batch"], Float[np.ndarray, "batch"]]:
        description = self.facts.description
        known = self.facts.known(state[None, :], ahead=epoch - begin)
        capacity = self.model.capacity(self._sizes(state, epoch - begin)[chosen])
        minutes = float(description.durations[epoch])
        rate = np.full(len(chosen), known["expected_arrivals"][0] / minutes * self._factor(state))
        cost = np.zeros(len(chosen))
        for _ in range(_STEPS_PER_EPOCH):
            length = minutes / _STEPS_PER_EPOCH
            step = self.model.step(customers, rate, capacity, length)
            customers = step.customers
            cost += self._weigh(step.abandoned, step.waiting * length)
        return customers, cost

    def _factor(self, state: Float[np.ndarray, "state"]) -> float:
        known = self.facts.known(state[None, :])
        counted = self.facts.column(state[None, :], "arrived_so_far")[0]
        expected = known["expected_so_far"][0]
        return float((counted + self.day_weight) / (expected + self.day_weight))

    def _weigh(
        self,
        abandoned: Float[np.ndarray, "class batch"],
        waited: Float[np.ndarray, "class batch"],
    ) -> Float[np.ndarray, "batch"]:
        names = self.facts.description.output_names
        cost = np.zeros(abandoned.shape[1])
        for k, queue in enumerate(self._queues()):
            for kind, amount in (("abandoned", abandoned[k]), ("wait", waited[k])):
                name = f"{queue}_{kind}"
                if name in names:
                    cost += self.objective.output_weights[names.index(name)] * amount
        return cost

    def _moving(
        self,
        state: Float[np.ndarray, "state"],
        first: Int[np.ndarray, "batch"],
        later: Int[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        """Cost of moving agents now, and once more when the later choice differs."""
        names = self.facts.description.output_names
        weight = self.objective.output_weights[names.index("moves")]
        sizes = self._sizes(state, 0)[:, list(self.facts.description.moved_teams)]
        now = np.abs(sizes[first] - self.facts.description.assigned(state[None, :])).sum(axis=1)
        then = np.abs(sizes[later] - sizes[first]).sum(axis=1)
        is_last = int(state[-1]) + 1 == self.facts.description.epochs
        return np.asarray(weight * (now + (0.0 if is_last else then)))

    def _closing(
        self,
        state: Float[np.ndarray, "state"],
        customers: Float[np.ndarray, "class batch"],
        later: Int[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        """Cost of those who still wait at close, beyond those in service."""
        description = self.facts.description
        agents = self.model.capacity(self._sizes(state, description.epochs - 1 - int(state[-1])))
        cost = np.zeros(customers.shape[1])
        stocks = [stock.name for stock in description.stocks]
        for k, queue in enumerate(self._queues()):
            weight = self.objective.closing_weights[stocks.index(f"{queue}_waiting")]
            cost += weight * np.maximum(customers[k] - agents[k][later], 0.0)
        return cost

    def _sizes(
        self, state: Float[np.ndarray, "state"], ahead: int
    ) -> Float[np.ndarray, "decision team"]:
        """Team sizes under every joint choice, so many epochs ahead."""
        description = self.facts.description
        known = self.facts.known(state[None, :], ahead=ahead)
        row = np.array([[known[name][0] for name in description.calendar.columns]])
        rows = np.repeat(row, len(description.decisions), axis=0)
        return description.team_sizes(rows, description.decisions)

    def _queues(self) -> list[str]:
        stocks = self.facts.description.stocks
        return [s.name.removesuffix("_waiting") for s in stocks if s.team is None]
