"""One agent, several classes of customers, and who goes first (M/G/1).

Classes are listed from the highest priority to the lowest; within a class it is first come, first
served. Source: Cobham (1954) and, for preemption, Kleinrock (1976), volume II, chapter 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.analytic.stability import refuse_if_negative, refuse_overload, refuse_unless_positive
from sim.errors import InvalidSystem


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityClass:
    """Customers who share an arrival rate per minute and a law of service."""

    arrival_rate: float
    mean_service: float
    """Minutes."""
    scv: float = 1.0
    """Squared coefficient of variation of the service time; 1 is exponential."""

    def __post_init__(self) -> None:
        refuse_unless_positive(arrival_rate=self.arrival_rate, mean_service=self.mean_service)
        refuse_if_negative(scv=self.scv)

    @property
    def load(self) -> float:
        """Share of the agent's time that the class takes."""
        return self.arrival_rate * self.mean_service

    @property
    def mean_residual(self) -> float:
        """Mean minutes left of a service of this class, seen at any time and 0 when there is none.

        Half the arrival rate times the second moment of service.
        """
        return self.load * self.mean_service * (1.0 + self.scv) / 2.0


def first_come_wait(classes: Sequence[PriorityClass]) -> float:
    """Mean minutes before service without priorities; the same for every class.

    Raises UnstableSystem when the agent cannot keep up with all classes together.
    """
    load = _cumulative_loads(classes)[-1]
    return float(sum(kind.mean_residual for kind in classes) / (1.0 - load))


def priority_waits(classes: Sequence[PriorityClass]) -> Float[np.ndarray, "kind"]:
    """Mean minutes before service of each class when nobody in service is interrupted.

    Raises UnstableSystem as `first_come_wait`, though a high class alone may be stable.
    """
    loads = _cumulative_loads(classes)
    residual = sum(kind.mean_residual for kind in classes)
    return np.asarray(residual / ((1.0 - loads[:-1]) * (1.0 - loads[1:])))


def preemptive_sojourns(classes: Sequence[PriorityClass]) -> Float[np.ndarray, "kind"]:
    """Mean minutes in system of each class when a higher class interrupts service.

    Who is interrupted resumes later where service stopped, so that no work is lost. A class is
    not touched by those below it. Raises UnstableSystem as `first_come_wait`.
    """
    loads = _cumulative_loads(classes)
    residuals = np.cumsum([kind.mean_residual for kind in classes])
    services = np.array([kind.mean_service for kind in classes])
    above, with_own = 1.0 - loads[:-1], 1.0 - loads[1:]
    return np.asarray(services / above + residuals / (above * with_own))


def mean_numbers(
    classes: Sequence[PriorityClass], sojourns: Float[np.ndarray, "kind"]
) -> Float[np.ndarray, "kind"]:
    """Mean number of each class in system, by Little's law; `sojourns` in minutes."""
    return np.asarray(np.array([kind.arrival_rate for kind in classes]) * sojourns)


def _cumulative_loads(classes: Sequence[PriorityClass]) -> Float[np.ndarray, "kinds_and_none"]:
    """Load of all classes above each one, and of all of them last."""
    if not classes:
        raise InvalidSystem("no classes of customers: give at least one")
    loads = np.cumsum([0.0, *(kind.load for kind in classes)])
    refuse_overload(float(loads[-1]))
    return loads
