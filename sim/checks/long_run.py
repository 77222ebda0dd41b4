"""A system run event by event, so that what holds at every moment can be added up exactly.

Between two events nothing changes: the customers in a place, times the minutes until the next
event, add up to the integral of their number. The simulator's own measures are sums of each
customer's times instead, so that the two are independent books of the same days.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf

import numpy as np
from jaxtyping import Float

from sim.description import SystemDescription
from sim.epoch import Epoch
from sim.simulator import ServiceSystem
from sim.system import System

_MOST_DAYS = 50


@dataclass(frozen=True, kw_only=True)
class LongRun:
    """Every event of one run, or of several days, under one decision."""

    system: System
    description: SystemDescription
    before: Float[np.ndarray, "event state"]
    """The state that lasts until the event."""
    minutes: Float[np.ndarray, "event"]
    outputs: Float[np.ndarray, "event output"]
    at_close: Float[np.ndarray, "day state"]

    @classmethod
    def of(cls, system: System, seed: int, events: int) -> LongRun:
        """Run a system for so many events, day after day where days end."""
        watched = replace(
            system, boundaries=(), events=events, measures=("wait", "present", "busy", "on")
        )
        close = system.boundaries[-1] if system.boundaries else inf
        days = list[_Day]()
        while sum(len(day.epochs) for day in days) < events and len(days) < _MOST_DAYS:
            days.append(_Day.of(ServiceSystem(watched), seed + len(days), close))
            if close == inf:
                break
        epochs = [epoch for day in days for epoch in day.epochs]
        description = watched.describe()
        outputs = [epoch.outputs for epoch in epochs]
        return cls(
            system=watched,
            description=description,
            before=np.array([state for day in days for state in day.states[:-1]]),
            minutes=np.array([epoch.duration for epoch in epochs]),
            outputs=np.array(outputs).reshape(len(outputs), len(description.outputs)),
            at_close=np.array([day.states[-1] for day in days]),
        )

    @property
    def duration(self) -> float:
        """Minutes in all."""
        return float(self.minutes.sum())

    def mean_number(self, *stocks: str) -> float:
        """Customers in some places, on average over time."""
        positions = [self.description.state_names.index(stock) for stock in stocks]
        present = self.before[:, positions].sum(axis=1)
        return float(present @ self.minutes / self.duration)

    def left_at_close(self, stock: str) -> float:
        """Customers in a place at the end, summed over days."""
        return float(self.at_close[:, self.description.state_names.index(stock)].sum())

    def most(self, stock: str) -> float:
        """Most customers who were ever in a place."""
        return float(self.before[:, self.description.state_names.index(stock)].max())

    def total(self, output: str) -> float:
        """An output, summed; 0 where the system has no such output."""
        return self._totals.get(output, 0.0)

    def entered(self, stock: str, *, but_from: Collection[str]) -> float:
        """Customers who ever came to a place, except those from some others."""
        return sum(
            self.total(flow.name)
            for flow in self.description.flows
            if flow.target == stock and flow.source not in but_from
        )

    @cached_property
    def _totals(self) -> dict[str, float]:
        sums = self.outputs.sum(axis=0).tolist()
        return dict(zip(self.description.output_names, sums, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Day:
    """The events of one day, and the states around them."""

    states: list[Float[np.ndarray, "state"]]
    epochs: list[Epoch]

    @classmethod
    def of(cls, simulator: ServiceSystem, seed: int, close: float) -> _Day:
        """Run until the event that is after the close, which is left out."""
        decisions = simulator.describe().decisions
        states, epochs = [simulator.reset(seed)], list[Epoch]()
        now, is_last = 0.0, False
        while not is_last:
            epoch = simulator.advance(decisions[len(decisions) // 2])
            now, is_last = now + epoch.duration, epoch.is_last
            if now > close:
                break
            epochs.append(epoch)
            states.append(epoch.state)
        return cls(states=states, epochs=epochs)
