"""A Markov network cut to a finite grid of numbers in system.

Who comes from outside to a class at its level is lost, for a charge, and no server sends a
customer to a class at its level: it serves another class or idles. Costs are therefore somewhat
wrong, by what vanishes as the levels rise; compare two truncations to see how much is left.
Functions of the state are arrays with one axis for each class, from 0 to its level.

The charge is what a customer, served after all others of the class, would cost until the class
is empty if every server that can did nothing else. Keeping him costs no less, and in a single
queue just as much. Without a charge the best policy would let costly classes fill up to be rid of
their customers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from sim.analytic.markov_network import Activity, Assignment, MarkovNetwork
from sim.errors import InvalidSystem, UnstableSystem

Values = Float[np.ndarray, "..."]
Window = tuple[slice, ...]
"""A part of the grid; equal windows at different places show values before and after a move."""
_ALL = slice(None)
_BELOW_LEVEL = slice(0, -1)
_ABOVE_ZERO = slice(1, None)


class TruncatedNetwork:
    """States, costs and moves of the truncated chain; owns buffers that make sweeps cheap."""

    def __init__(self, network: MarkovNetwork, levels: Sequence[int]) -> None:
        if len(levels) != network.classes or min(levels) < 1:
            raise InvalidSystem(
                f"levels {tuple(levels)} for {network.classes} classes: give each 1 or more"
            )
        self.network = network
        self.levels = tuple(levels)
        self.shape = tuple(level + 1 for level in levels)
        self.numbers = tuple(np.ogrid[tuple(slice(0, size) for size in self.shape)])
        """Number of customers of each class, in arrays that broadcast to the states."""
        self.costs = self._cost_rates()
        """Per minute in each state: holding costs, and charges for customers who are lost."""
        self._assignments = [tuple(network.assignments(crew)) for crew in network.crews()]
        self._gains = {activity: np.zeros(self.shape) for activity in network.activities}
        self._scratch, self._least = np.empty(self.shape), np.empty(self.shape)

    @property
    def event_rate(self) -> float:
        """Greatest rate at which a state may be left, in events per minute."""
        busiest = [max(sum(a.rate for a in doing) for doing in crew) for crew in self._assignments]
        return float(sum(self.network.arrival_rates) + sum(busiest))

    def drift(self, values: Values) -> Values:
        """Cost rate plus expected change of `values` per minute under the best decisions."""
        self.gains(values)
        total = self.costs.copy()
        for kind, rate in enumerate(self.network.arrival_rates):
            if rate > 0:
                self._add_arrivals(total, values, kind, rate)
        for assignments in self._assignments:
            total += self._least_gain(assignments)
        return total

    def _add_arrivals(self, total: Values, values: Values, kind: int, rate: float) -> None:
        before = self._window({kind: _BELOW_LEVEL})
        after = self._window({kind: _ABOVE_ZERO})
        change = np.subtract(values[after], values[before], out=self._scratch[before])
        change *= rate
        total[before] += change

    def gains(self, values: Values) -> Mapping[Activity, Values]:
        """Expected change of `values` per minute of each activity; 0 where it cannot be done.

        The next call overwrites the arrays.
        """
        for activity, gain in self._gains.items():
            before = self._before(activity)
            inner = gain[before]
            (entered, probability), *others = activity.destinations
            np.multiply(values[self._after(activity, entered)], probability, out=inner)
            for entered, probability in others:
                inner += probability * values[self._after(activity, entered)]
            inner -= values[before]
            inner *= activity.rate
        return self._gains

    def can_do(self, doing: Assignment) -> Bool[np.ndarray, "..."]:
        """Where there is a customer for every server, and room where they would go."""
        possible = np.ones(self.shape, dtype=bool)
        for activity in doing:
            inside = np.zeros(self.shape, dtype=bool)
            inside[self._before(activity)] = True
            possible &= inside
        for kind, wanted in _wanted(doing).items():
            possible &= self.numbers[kind] >= wanted
        return possible

    def _cost_rates(self) -> Values:
        network = self.network
        costs: Values = np.zeros(self.shape)
        for kind, (rate, cost) in enumerate(
            zip(network.arrival_rates, network.holding_costs, strict=True)
        ):
            costs += cost * self.numbers[kind]
            spare = network.greatest_rate(kind) - rate
            if rate > 0 and spare <= 0:
                raise UnstableSystem(
                    f"class {kind} comes at rate {rate:g} and is served at most at rate "
                    f"{network.greatest_rate(kind):g}: add a server or lower arrival_rate"
                )
            costs[self._window({kind: slice(-1, None)})] += rate * cost * self.shape[kind] / spare
        return costs

    def _before(self, activity: Activity) -> Window:
        """The states in which an activity can be done."""
        room = {entered: _BELOW_LEVEL for entered, _ in activity.routes}
        return self._window(room | {activity.customer_class: _ABOVE_ZERO})

    def _after(self, activity: Activity, entered: int | None) -> Window:
        """The states after it, in the same order, for a customer who enters a class or leaves."""
        room = {other: _BELOW_LEVEL for other, _ in activity.routes}
        left = room | {activity.customer_class: _BELOW_LEVEL}
        return self._window(left if entered is None else left | {entered: _ABOVE_ZERO})

    def _window(self, spans: Mapping[int, slice]) -> Window:
        return tuple(spans.get(axis, _ALL) for axis in range(len(self.shape)))

    def _least_gain(self, assignments: Sequence[Assignment]) -> Values:
        """Least gain over what a crew can do, idling included; overwritten by the next call."""
        self._least.fill(0.0)
        for doing in assignments:
            if doing:
                np.minimum(self._least, self._gain(doing), out=self._least)
        return self._least

    def _gain(self, doing: Assignment) -> Values:
        """Sum of the gains of activities; endless where they want more customers than there are."""
        first, *others = doing
        if not others:
            return self._gains[first]
        np.copyto(self._scratch, self._gains[first])
        for activity in others:
            self._scratch += self._gains[activity]
        for kind, wanted in _wanted(doing).items():
            if wanted > 1:
                self._scratch[self._window({kind: slice(0, wanted)})] = np.inf
        return self._scratch


def _wanted(doing: Assignment) -> Counter[int]:
    """How many customers of each class the servers need at the same time."""
    return Counter(activity.customer_class for activity in doing)
