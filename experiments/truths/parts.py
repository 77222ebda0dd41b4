"""Parts of systems that have no formula of their own, against the exact law of a small chain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from math import inf
from typing import Any

from experiments.truths.estimates import per_minute, ratio
from experiments.truths.setting import Effort, Setting
from experiments.truths.truth import Estimator, Truth
from sim.arrivals import PoissonArrivals
from sim.customers import Balking, CustomerClass, Route
from sim.distributions import Distribution, Exponential, Gamma
from sim.routing import Dispatcher, Room
from sim.servers import Breakdown, Pool, ServerTeam
from sim.system import System


def _class(name: str, service: Distribution | float = 1.0, **more: Any) -> CustomerClass:
    law = Exponential(mean=service) if isinstance(service, float) else service
    return CustomerClass(name=name, service=law, **more)


def _pool(name: str, servers: float = 1.0, **more: Any) -> Pool:
    return Pool(name=name, shifts=((0.0, servers),), **more)


def _system(
    rates: dict[str, float],
    classes: Sequence[CustomerClass],
    pools: Sequence[Pool],
    teams: Sequence[tuple[str, str]],
    **more: Any,
) -> System:
    """Teams are given as (pool, class)."""
    return System(
        name="parts",
        arrivals={name: PoissonArrivals(rate=rate) for name, rate in rates.items()},
        classes=tuple(classes),
        pools=tuple(pools),
        teams=tuple(ServerTeam(name=f"{p}_{c}", pool=p, serves=c) for p, c in teams),
        boundaries=(0.0, 1.0),
        measures=("wait", "present", "busy"),
        **more,
    )


_TWO_POOLS = (("one", "a"), ("two", "b"))


def _shortest_queue() -> System:
    return _system(
        {"door": 1.5},
        (_class("a"), _class("b")),
        (_pool("one"), _pool("two")),
        _TWO_POOLS,
        dispatchers=(Dispatcher(name="door", to=("a", "b")),),
    )


def _blocked_tandem() -> System:
    return _system(
        {"a": 0.5},
        (_class("a", routes=(Route(to="b"),)), _class("b")),
        (_pool("one"), _pool("two")),
        _TWO_POOLS,
        rooms=(Room(name="room", places=2, classes=("b",), when_full="block"),),
    )


def _retrials() -> System:
    return _system(
        {"a": 0.6},
        (_class("a", rejection_routes=(Route(to="b"),)), _class("b", 2.0, routes=(Route(to="a"),))),
        (_pool("one"), _pool("two", inf)),
        _TWO_POOLS,
        rooms=(Room(name="room", places=1, classes=("a",)),),
    )


def _overflow() -> System:
    return _system(
        {"a": 1.0, "b": 0.5},
        (_class("a"), _class("b")),
        (_pool("one"), _pool("two", picks="priority")),
        (("one", "a"), ("two", "b"), ("two", "a")),
    )


def _longest_queue() -> System:
    return _system(
        {"a": 0.5, "b": 0.3},
        (_class("a"), _class("b")),
        (_pool("one", picks="longest_queue"),),
        (("one", "a"), ("one", "b")),
    )


def _finished_first() -> System:
    breakdown = Breakdown(uptime=Exponential(mean=20.0), repair=Exponential(mean=5.0))
    return _system(
        {"a": 0.5}, (_class("a"),), (_pool("one", breakdown=breakdown),), (("one", "a"),)
    )


def _balking() -> System:
    doors = (Balking(waiting=2, share=0.5),)
    return _system({"a": 1.2}, (_class("a", balking=doors),), (_pool("one"),), (("one", "a"),))


def _shared_by_two() -> System:
    return _system(
        {"a": 0.3, "b": 0.2},
        (_class("a"), _class("b", Gamma(mean=2.0, scv=3.0))),
        (_pool("one", is_shared=True),),
        (("one", "a"), ("one", "b")),
    )


_FIRST = ("mean customers of the first class present", per_minute("a_present"))
_SECOND = ("mean customers of the second class present", per_minute("b_present"))


def _of(
    name: str,
    build: Callable[[], System],
    *claims: tuple[str, float, float, tuple[str, Estimator]],
    source: str = "stationary law of a small chain",
) -> tuple[Truth, ...]:
    """Truths of one system: each with its name, value, quick precision and what is estimated."""
    setting = Setting(
        name=name,
        build=build,
        warm_up=1000.0,
        quick=Effort(replications=16, minutes=8000.0),
        thorough=Effort(replications=32, minutes=200_000.0),
    )
    truth = partial(Truth, source=source, setting=setting)
    return tuple(
        truth(
            name=f"{name}_{suffix}",
            quantity=quantity,
            value=value,
            estimate=estimate,
            quick_precision=precision,
            precision=precision / 5,
        )
        for suffix, value, precision, (quantity, estimate) in claims
    )


TRUTHS: tuple[Truth, ...] = (
    *_of(
        "shortest_queue",
        _shortest_queue,
        ("first", 2.044856, 0.08, _FIRST),
        ("second", 1.627224, 0.09, _SECOND),
    ),
    *_of(
        "blocked_tandem",
        _blocked_tandem,
        ("first", 1.469370, 0.13, _FIRST),
        ("second", 0.735836, 0.05, _SECOND),
    ),
    *_of(
        "retrials",
        _retrials,
        ("away", 2.7, 0.085, _SECOND),
        ("busy", 0.6, 0.03, _FIRST),
    ),
    *_of(
        "overflow",
        _overflow,
        ("first", 1.521943, 0.18, ("mean customers waiting", per_minute("a_wait"))),
        ("second", 0.785487, 0.08, ("mean customers waiting", per_minute("b_wait"))),
        ("guests", 0.2854866, 0.05, ("servers helping others", per_minute("two_a_busy_minutes"))),
    ),
    *_of(
        "longest_queue",
        _longest_queue,
        ("first", 1.625, 0.2, ("mean customers waiting", per_minute("a_wait"))),
        ("second", 1.575, 0.2, ("mean customers waiting", per_minute("b_wait"))),
    ),
    *_of("finished_first", _finished_first, ("present", 2.475, 0.17, _FIRST)),
    *_of(
        "balking",
        _balking,
        ("present", 2.954774, 0.045, _FIRST),
        ("share", 0.271357, 0.05, ("share who turn away", ratio("a_rejected", "a_arrivals"))),
    ),
    *_of(
        "shared_by_two",
        _shared_by_two,
        ("first", 1.0, 0.15, _FIRST),
        ("second", 4.0 / 3.0, 0.2, _SECOND),
        source="processor sharing: load over what is left, whatever the service time (Kelly 1979)",
    ),
)
