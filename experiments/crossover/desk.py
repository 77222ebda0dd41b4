"""A desk of any size: one queue, calls that swing over the day, and so many agents as are ordered.

All times are exponential, so that counts say everything and the law of an epoch can be simulated by
a short loop: the same system has an event simulator of the usual kind and a compiled one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from experiments.crossover.compiled import CompiledDesk
from experiments.plants import SystemRecipe, plant_of
from sim.arrivals import SinusoidalArrivals
from sim.customers import CustomerClass
from sim.description import Lever
from sim.distributions import Exponential
from sim.epoch import Parameter
from sim.servers import Pool, ServerTeam
from sim.system import System
from training.plant import Plant

SERVICE, PATIENCE = 5.0, 4.0
"""Mean minutes; Erlang-A."""
LEVELS = tuple(0.2 * k for k in range(1, 10))
"""Agents that may be ordered, as shares of the size."""
DAY, EPOCHS = 720.0, 48
COSTS = {"call_wait": 0.1, "call_abandoned": 1.0, "agents_on_minutes": 0.06}
"""Per minute of waiting, lost call and minute of an agent, who is paid 3.60 an hour beside calls
whose loss costs 1: dear enough that too many agents are no cure."""


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The desk that needs so many agents on average."""

    agents: int
    """A multiple of 5, so that a fifth of them is whole."""

    @property
    def name(self) -> str:
        """What rows call it."""
        return f"desk_{self.agents}"

    @cached_property
    def system(self) -> System:
        """As the event simulator has it."""
        rate = self.agents / SERVICE
        return System(
            name=self.name,
            arrivals={
                "call": SinusoidalArrivals(
                    mean_rate=rate, amplitude=0.625 * rate, period=DAY, phase=-1.5707963267948966
                )
            },
            classes=(
                CustomerClass(
                    name="call",
                    service=Exponential(mean=SERVICE),
                    patience=Exponential(mean=PATIENCE),
                ),
            ),
            pools=(Pool(name="agents", shifts=((0.0, float(self.agents)),), staffing="servers"),),
            teams=(ServerTeam(name="agents", pool="agents", serves="call"),),
            boundaries=tuple(DAY / EPOCHS * k for k in range(EPOCHS + 1)),
            levers=(
                Lever(
                    name="servers",
                    levels=tuple(float(round(share * self.agents)) for share in LEVELS),
                    decides="servers",
                ),
            ),
            parameters=(
                Parameter(name="arrival_scale", unit="factor", low=0.8, high=1.25, nominal=1.0),
            ),
            measures=("wait", "on"),
        )

    @cached_property
    def plant(self) -> Plant:
        """The task, all that is seen."""
        return plant_of(SystemRecipe(system=self.system), COSTS, {})

    @cached_property
    def compiled(self) -> CompiledDesk:
        """The same law as a compiled loop over copies side by side."""
        arrivals = self.system.arrivals["call"]
        assert isinstance(arrivals, SinusoidalArrivals)
        return CompiledDesk(
            description=self.system.describe(),
            arrivals=arrivals,
            service=SERVICE,
            patience=PATIENCE,
        )
