"""Small systems that several tests share, cheap enough to run hundreds of days."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import jaxtyping
import numpy as np
import pytest

from sim.arrivals import Arrivals, ArrivalStream, PoissonArrivals
from sim.customers import CustomerClass, Route
from sim.description import Description, Lever
from sim.distributions import Distribution, Exponential, Lognormal
from sim.epoch import Epoch, Parameter
from sim.output import mean_interval
from sim.servers import Pool, ServerTeam
from sim.simulator import ServiceSystem, Simulator
from sim.system import System


@dataclass(frozen=True)
class FixedArrivals:
    """Customers at the given times, whatever the seed, so that a day can be told by hand."""

    times: tuple[float, ...]

    def begin(self, random: np.random.Generator, scale: float) -> ArrivalStream:
        return ArrivalStream(day=0, blocks=iter((np.array(self.times),)))

    def expected(self, boundaries: tuple[float, ...]) -> np.ndarray:
        return np.histogram(self.times, boundaries)[0][None, :].astype(float)

    @property
    def mean_rate(self) -> float:
        return len(self.times) / max(self.times)


def station(
    *,
    arrival_rate: float,
    service: Distribution,
    agents: int,
    warm_up: float,
    epochs: int,
    minutes: float,
    patience: Distribution | None = None,
) -> System:
    """One queue and one team: a first epoch to warm up, then equal epochs to measure."""
    boundaries = (0.0, *(warm_up + minutes * k for k in range(epochs + 1)))
    return System(
        name="station",
        arrivals={"call": PoissonArrivals(rate=arrival_rate)},
        classes=(CustomerClass(name="call", service=service, patience=patience),),
        teams=(ServerTeam(name="agents", pool="staff", serves="call"),),
        pools=(Pool(name="staff", shifts=((0.0, float(agents)),)),),
        boundaries=boundaries,
    )


BOUNDARIES = (0.0, 30.0, 60.0, 90.0, 120.0, 150.0, 185.0)


def small_centre(arrivals: Arrivals | None = None) -> System:
    """The bundled bank at a tenth of its size and a quarter of its day, as busy as the bank."""
    return System(
        name="small_centre",
        arrivals={"call": arrivals or PoissonArrivals(rate=4.0)},
        classes=(
            CustomerClass(
                name="call",
                service=Lognormal(mean=3.7, scv=1.0),
                patience=Exponential(mean=4.0),
                routes=(
                    Route(to="escalation", probability=0.09),
                    Route(to="follow_up", probability=0.15),
                ),
            ),
            CustomerClass(
                name="escalation",
                service=Lognormal(mean=10.0, scv=0.8),
                patience=Exponential(mean=12.0),
            ),
            CustomerClass(name="follow_up", service=Lognormal(mean=6.0, scv=0.5)),
        ),
        teams=(
            ServerTeam(name="tier1_calls", pool="tier1", serves="call"),
            ServerTeam(name="tier1_cases", pool="tier1", serves="follow_up", lever="on_follow_ups"),
            ServerTeam(name="tier2_escalations", pool="tier2", serves="escalation"),
            ServerTeam(
                name="tier2_calls", pool="tier2", serves="call", speed=0.8, lever="on_phones"
            ),
        ),
        pools=(
            Pool.by_epoch("tier1", np.array([14.0, 17.0, 20.0, 20.0, 18.0, 15.0]), BOUNDARIES),
            Pool.by_epoch("tier2", np.array([5.0, 5.0, 6.0, 6.0, 5.0, 4.0]), BOUNDARIES),
        ),
        boundaries=BOUNDARIES,
        levers=(
            Lever(name="on_follow_ups", levels=(0.0, 0.1, 0.3)),
            Lever(name="on_phones", levels=(0.0, 0.4)),
        ),
        parameters=tuple(
            Parameter(name=name, unit="factor", low=0.5, high=1.5, nominal=1.0)
            for name in ("arrival_scale", "handle_time_scale", "patience_scale", "staff_scale")
        ),
    )


@dataclass(frozen=True)
class MakeSimulator:
    """A picklable recipe for simulators of one system."""

    system: System = field(default_factory=small_centre)

    def __call__(self) -> ServiceSystem:
        return ServiceSystem(self.system)


def run_day(
    simulator: Simulator,
    seed: int,
    decisions: Iterable[np.ndarray],
    parameters: dict[str, float] | None = None,
) -> list[Epoch]:
    """The epochs of one day under the given decisions."""
    simulator.reset(seed, parameters)
    return [simulator.advance(decision) for decision in decisions]


def outputs(epochs: list[Epoch], description: Description, name: str) -> np.ndarray:
    """One output over the epochs of a day."""
    position = description.output_names.index(name)
    return np.array([epoch.outputs[position] for epoch in epochs])


def states(epochs: list[Epoch], description: Description, name: str) -> np.ndarray:
    """One component of the state at the ends of a day's epochs."""
    position = description.state_names.index(name)
    return np.array([epoch.state[position] for epoch in epochs])


@contextmanager
def unchecked() -> Iterator[None]:
    """Switch off the run-time checks of shapes and types: they take ten times a long run's time.

    Short runs of the same code keep them on.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jaxtyping.config, "jaxtyping_disable", True)
        yield


def assert_holds(truth: float, values: np.ndarray, *, precision: float) -> None:
    """The 99.9% interval over replications has the truth, and is narrow enough to miss another.

    `precision` bounds its half width relative to the truth, so that the claim could fail.
    """
    interval = mean_interval(values, confidence=0.999)
    assert interval.low <= truth <= interval.high, (truth, interval)
    half_width = (interval.high - interval.low) / 2
    assert half_width <= precision * abs(truth), (half_width, truth)
