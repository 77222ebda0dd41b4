"""What the contestants simulate: a queue with impatient customers, and a day of the bank.

Both are plain numbers, which every contestant reads in its own way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from experiments.plants import mean_on_duty
from sim.arrivals import Arrivals, PoissonArrivals, fit_doubly_stochastic
from sim.customers import CustomerClass
from sim.distributions import Exponential
from sim.scenario import SimulatorRecipe, load_scenario
from sim.servers import Pool, ServerTeam
from sim.streams import stream
from sim.system import System

Roster = tuple[tuple[float, int], ...]
"""(minutes after opening, agents from then on), the first at 0."""

ON_FOLLOW_UPS = 0.2
"""The share of tier 1 that works on follow-ups, all day; specialists stay with escalations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One queue with exponential times, empty at the beginning (M/M/n+M, or M/M/n)."""

    arrival_rate: float
    service_rate: float
    servers: int
    minutes: float
    mean_patience: float | None = None

    def system(self, epochs: int = 1) -> System:
        """The same as a system of the simulator, its minutes cut into epochs."""
        patience = self.mean_patience
        return System(
            name="queue",
            arrivals={"customer": PoissonArrivals(rate=self.arrival_rate)},
            classes=(
                CustomerClass(
                    name="customer",
                    service=Exponential(mean=1.0 / self.service_rate),
                    patience=None if patience is None else Exponential(mean=patience),
                ),
            ),
            teams=(ServerTeam(name="servers", pool="staff", serves="customer"),),
            pools=(Pool(name="staff", shifts=((0.0, float(self.servers)),)),),
            boundaries=tuple(self.minutes * k / epochs for k in range(epochs + 1)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Agents who serve one class first come, first served; they finish what they have in hand."""

    mean_service: float
    service_scv: float
    roster: Roster
    mean_patience: float | None
    """None: customers wait until they are served."""

    @property
    def lognormal(self) -> tuple[float, float]:
        """Mean and deviation of the logarithm of a service time."""
        variance = math.log1p(self.service_scv)
        return math.log(self.mean_service) - variance / 2, math.sqrt(variance)


@dataclass(frozen=True, slots=True, kw_only=True)
class BankDay:
    """One day of the bundled bank under a fixed decision, which peers can express as three desks.

    With a fixed share of tier 1 on follow-ups and nobody of tier 2 on the phones, each class has
    agents of its own whose number changes with the shifts.
    """

    recipe: SimulatorRecipe
    parameters: dict[str, float]
    decision: tuple[float, float]
    """Shares on follow-ups and on the phones."""
    minutes: float
    calls: Desk
    escalations: Desk
    follow_ups: Desk
    escalation_share: float
    follow_up_share: float

    @classmethod
    def bundled(cls, agents: float) -> BankDay:
        """The bundled bank under learnt arrivals, with so many agents on duty on average.

        Arrivals are scaled with the agents.
        """
        recipe = bank_recipe()
        system = recipe.system
        scale = agents / mean_on_duty(system)
        classes = {c.name: c for c in system.classes}
        share = {route.to: route.probability for route in classes["call"].routes}
        tier1, tier2 = (_scaled(system.pool(name), scale) for name in ("tier1", "tier2"))
        cases = tuple((minute, round(ON_FOLLOW_UPS * number)) for minute, number in tier1)
        calls = tuple((t, number - cases[i][1]) for i, (t, number) in enumerate(tier1))
        return cls(
            recipe=recipe,
            parameters={"arrival_scale": scale, "staff_scale": scale},
            decision=(ON_FOLLOW_UPS, 0.0),
            minutes=system.boundaries[-1],
            calls=_desk(classes["call"], calls),
            escalations=_desk(classes["escalation"], tier2),
            follow_ups=_desk(classes["follow_up"], cases),
            escalation_share=share["escalation"],
            follow_up_share=share["follow_up"],
        )

    @property
    def desks(self) -> dict[str, Desk]:
        """The desks by the class they serve."""
        return {
            "call": self.calls,
            "escalation": self.escalations,
            "follow_up": self.follow_ups,
        }

    def call_times(self, seed: int) -> list[float]:
        """When the calls of a day come: those that our simulator meets under the same seed."""
        (arrivals,) = self.recipe.system.arrivals.values()
        began = arrivals.begin(stream(seed, "arrivals"), self.parameters["arrival_scale"])
        times: list[float] = began.until(self.minutes).tolist()
        return times


def bank_recipe() -> SimulatorRecipe:
    """The bundled bank under the arrivals learnt from its volumes."""
    scenario = load_scenario("bank")
    volumes = scenario.volumes
    assert volumes is not None
    days = volumes.read().between(volumes.fit_from, volumes.fit_to)
    arrivals: Arrivals = fit_doubly_stochastic(days)
    return SimulatorRecipe(scenario=scenario, arrivals=arrivals)


def _scaled(pool: Pool, scale: float) -> Roster:
    return tuple((minute, round(number * scale)) for minute, number in pool.schedule())


def _desk(customer_class: CustomerClass, roster: Roster) -> Desk:
    service: Any = customer_class.service
    patience = customer_class.patience
    return Desk(
        mean_service=service.mean,
        service_scv=service.scv,
        roster=roster,
        mean_patience=None if patience is None else patience.mean,
    )
