"""The fluid model against what can be solved by hand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from sim.arrivals import PoissonArrivals
from sim.customers import CustomerClass, Route
from sim.distributions import Exponential
from sim.errors import InvalidSystem
from sim.routing import Dispatcher, Room
from sim.servers import Pool, ServerTeam
from sim.system import System
from surrogates.fluid import FluidModel


def centre() -> System:
    """Callers of whom a fifth needs a second tier; both tiers lose the impatient."""
    return System(
        name="two_tiers",
        arrivals={"call": PoissonArrivals(rate=10.0)},
        classes=(
            CustomerClass(
                name="call",
                service=Exponential(mean=4.0),
                patience=Exponential(mean=5.0),
                routes=(Route(to="second", probability=0.2),),
            ),
            CustomerClass(name="second", service=Exponential(mean=10.0)),
        ),
        teams=(
            ServerTeam(name="first", pool="one", serves="call"),
            ServerTeam(name="other", pool="two", serves="second"),
        ),
        pools=(
            Pool(name="one", shifts=((0.0, 50.0),)),
            Pool(name="two", shifts=((0.0, 30.0),)),
        ),
        boundaries=(0.0, 60.0),
    )


def settle(agents: float, rate: float) -> tuple[np.ndarray, np.ndarray]:
    """Customers and abandonments per minute after a long time at constant rates."""
    model = FluidModel(centre(), {})
    customers = np.zeros((2, 1))
    capacity = np.array([[agents], [1000.0]])
    step = model.step(customers, np.array([rate]), capacity, 2.0)
    for _ in range(400):
        step = model.step(step.customers, np.array([rate]), capacity, 2.0)
    customers = step.customers
    return customers[:, 0], step.abandoned[:, 0] / 2.0


def test_an_underloaded_class_settles_at_its_offered_load() -> None:
    """With free agents nobody waits, so the number in system is rate times service time."""
    customers, abandoned = settle(agents=50.0, rate=10.0)
    assert customers == pytest.approx([40.0, 10.0 * 0.2 * 10.0], rel=1e-3)
    assert abandoned == pytest.approx([0.0, 0.0], abs=1e-9)


def test_an_overloaded_class_settles_where_abandonment_takes_the_excess() -> None:
    """Served are agents / mean service; the rest must leave: queue = excess x mean patience."""
    customers, abandoned = settle(agents=30.0, rate=10.0)
    excess = 10.0 - 30.0 / 4.0
    assert customers[0] == pytest.approx(30.0 + excess * 5.0, rel=1e-3)
    assert abandoned[0] == pytest.approx(excess, rel=1e-3)
    assert customers[1] == pytest.approx(7.5 * 0.2 * 10.0, rel=1e-2)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda s: replace(
                s, classes=(s.classes[0], replace(s.classes[1], routes=(Route(to="call"),)))
            ),
            "customers go back",
        ),
        (lambda s: replace(s, arrivals={"second": PoissonArrivals(rate=1.0)}), "come to second"),
        (
            lambda s: replace(s, dispatchers=(Dispatcher(name="door", to=("call", "second")),)),
            "a dispatcher chooses",
        ),
        (
            lambda s: replace(s, rooms=(Room(name="hall", places=5, classes=("call",)),)),
            "customers are rejected",
        ),
    ],
)
def test_shapes_it_does_not_know_are_refused(change: Callable[[System], System], says: str) -> None:
    """A plan for another system would look as good as a right one."""
    with pytest.raises(InvalidSystem, match=says):
        FluidModel(change(centre()), {})
