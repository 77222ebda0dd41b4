"""How many decisions a second a network takes that is decided upon after every event."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import INFORMATION, Figure, median_figure
from benchmarks.pairs import one_core, timed
from benchmarks.rows import Measurement, Row
from sim.arrivals import PoissonArrivals
from sim.customers import CustomerClass, Route
from sim.description import Lever
from sim.distributions import Exponential
from sim.servers import Pool, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepping:
    """The criss-cross network at medium load, with a fresh decision after every event."""

    epochs: int = 50_000
    rounds: int = 7

    @classmethod
    def quick(cls) -> Stepping:
        """One short episode."""
        return cls(epochs=2_000, rounds=1)

    def measure(self) -> Iterator[Measurement]:
        """One episode a round."""
        simulator = ServiceSystem(criss_cross(self.epochs))
        with one_core():
            for seed in range(1, self.rounds + 1):
                run = timed(lambda seed: _episode(simulator, seed), seed)
                yield Measurement(
                    settings={"network": "criss_cross", "epochs": self.epochs, "seed": seed},
                    seconds={"ours": run.seconds},
                    answers={"ours": {"epochs": float(run.answer)}},
                )

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Epochs a second."""
        speeds = [row.measurement.answers["ours"]["epochs"] / row.seconds["ours"] for row in rows]
        return [median_figure("event_epochs_per_second", speeds, unit="1/s", goal=INFORMATION)]


def criss_cross(epochs: int) -> System:
    """Classes 1 -> 2 -> out and 3 -> out; one server has 1 and 3 in an order that is decided.

    Source: Harrison and Wein (1989), at the medium balanced load of Dai and Gluzman (2022).
    """
    return System(
        name="criss_cross",
        arrivals={"one": PoissonArrivals(rate=0.6), "three": PoissonArrivals(rate=0.6)},
        classes=(
            CustomerClass(name="one", service=Exponential(mean=0.5), routes=(Route(to="two"),)),
            CustomerClass(name="two", service=Exponential(mean=1.0)),
            CustomerClass(name="three", service=Exponential(mean=0.5)),
        ),
        pools=(
            Pool(
                name="first",
                shifts=((0.0, 1.0),),
                preemption="resume",
                order="first_serves",
                orders=(("first_one", "first_three"), ("first_three", "first_one")),
            ),
            Pool(name="second", shifts=((0.0, 1.0),)),
        ),
        teams=(
            ServerTeam(name="first_one", pool="first", serves="one"),
            ServerTeam(name="first_three", pool="first", serves="three"),
            ServerTeam(name="second_two", pool="second", serves="two"),
        ),
        levers=(Lever(name="first_serves", levels=(0.0, 1.0), decides="order"),),
        events=epochs,
        measures=("present",),
    )


def _episode(simulator: ServiceSystem, seed: int) -> int:
    """Run one episode that serves whichever of the two queues is longer; its epochs."""
    names = simulator.describe().state_names
    one, three = names.index("one_waiting"), names.index("three_waiting")
    orders = np.array([0.0]), np.array([1.0])
    state = simulator.reset(seed)
    epochs, is_over = 0, False
    while not is_over:
        epoch = simulator.advance(orders[int(state[three] > state[one])])
        state, is_over = epoch.state, epoch.is_last
        epochs += 1
    return epochs
