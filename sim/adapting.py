"""Parts of an adapter: what makes a SimPy model that somebody has already a `Simulator`.

The model's own code stays as it is. It gets a private copy of its module, so that nothing is
shared between simulators, and its clock is run from decision to decision.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from math import inf
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import simpy
from jaxtyping import Float

from sim.description import Description
from sim.errors import InvalidDecision, InvalidSystem


def check_decision(
    description: Description, decision: Float[np.ndarray, "lever"]
) -> Float[np.ndarray, "lever"]:
    """The decision, as a copy, if it is one level for each lever and each lever allows its own.

    For the first line of an `advance`. Raises InvalidDecision for any other.
    """
    levels = np.array(decision, dtype=float)
    if levels.shape != (len(description.levers),):
        raise InvalidDecision(
            f"decision of shape {levels.shape}: one level for each of "
            f"{', '.join(description.lever_names) or 'no levers'}"
        )
    for lever, level in zip(description.levers, levels.tolist(), strict=True):
        if not lever.allows(level):
            raise InvalidDecision(f"lever {lever.name!r} at {level:g}: {lever.bounds}")
    return levels


def private_copy(script: str | Path) -> ModuleType:
    """A script as a module that nobody else has.

    Its variables, and what they are replaced by, belong to the caller alone; code under
    `if __name__ == "__main__"` does not run. Raises InvalidSystem when there is no such file.
    """
    path = Path(script)
    spec = spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise InvalidSystem(f"{path}: no such Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_watching(
    environment: simpy.Environment, until: float, watch: Callable[[float], None]
) -> None:
    """Run a model to a moment and tell `watch` of every stretch of time in which nothing changes.

    `watch` receives the minutes until the next event, before that event happens: a number that
    is counted then, times these minutes, adds up to an exact integral over time.
    """
    while (moment := environment.peek()) < until:
        watch(moment - environment.now)
        environment.step()
    watch(until - environment.now)
    environment.run(until=until)


class Absences:
    """Servers of a SimPy resource who are kept out of service, and come back when told to.

    SimPy has no public way to change a capacity. Here the capacity is the most servers there can
    ever be, and whoever is away is held by a request of our own that comes before all others. So
    a server who is busy finishes first and then goes, one who comes back takes the next customer
    at once, and no private attribute of SimPy is touched.
    """

    def __init__(self, resource: simpy.Resource) -> None:
        if not isinstance(resource, simpy.PriorityResource):
            raise InvalidSystem(
                f"a {type(resource).__name__} serves in order of arrival, so that absences would "
                "wait behind customers: build a simpy.PriorityResource in its place; to customers "
                "who give no priority it is the same"
            )
        self._resource = resource
        self._holding: list[Any] = []

    def keep(self, servers: int) -> None:
        """Keep so many servers away, each from the moment at which it is free."""
        if not 0 <= servers <= self._resource.capacity:
            raise InvalidDecision(
                f"{servers} servers away: from 0 to {self._resource.capacity}, the capacity"
            )
        while len(self._holding) < servers:
            # SimPy says that priorities are whole; it only compares them.
            first: int = -inf  # type: ignore[assignment]
            self._holding.append(self._resource.request(priority=first, preempt=False))
        while len(self._holding) > servers:
            request = self._holding.pop()
            request.cancel()
            self._resource.release(request)

    @property
    def waiting(self) -> list[Any]:
        """SimPy requests of customers who wait."""
        return [one for one in self._resource.queue if one not in self._holding]

    @property
    def in_service(self) -> list[Any]:
        """SimPy requests of customers in service."""
        return [one for one in self._resource.users if one not in self._holding]
