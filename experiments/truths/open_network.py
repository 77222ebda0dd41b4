"""A network of stations with feedback, whose stations look independent (Jackson 1963)."""

from __future__ import annotations

import numpy as np

from experiments.truths.estimates import per_minute
from experiments.truths.setting import Effort, Setting
from experiments.truths.truth import Truth
from sim.analytic import erlang_c
from sim.arrivals import PoissonArrivals
from sim.customers import CustomerClass, Route
from sim.distributions import Exponential
from sim.servers import Pool, ServerTeam
from sim.system import System

_NAMES = ("intake", "treatment", "tests")
_FROM_OUTSIDE = (0.5, 0.3, 0.0)
_SERVICE = (2.0, 0.8, 1.5)
_SERVERS = (2, 1, 2)
_ROUTES = ((0.0, 0.4, 0.3), (0.2, 0.0, 0.3), (0.25, 0.25, 0.0))
"""Probabilities of going from row to column; the remainder leaves."""


def _system() -> System:
    return System(
        name="feedback",
        arrivals={
            name: PoissonArrivals(rate=rate)
            for name, rate in zip(_NAMES, _FROM_OUTSIDE, strict=True)
            if rate
        },
        classes=tuple(
            CustomerClass(
                name=name,
                service=Exponential(mean=mean),
                routes=tuple(
                    Route(to=to, probability=p) for to, p in zip(_NAMES, row, strict=True) if p
                ),
            )
            for name, mean, row in zip(_NAMES, _SERVICE, _ROUTES, strict=True)
        ),
        pools=tuple(
            Pool(name=f"{name}_staff", shifts=((0.0, float(servers)),))
            for name, servers in zip(_NAMES, _SERVERS, strict=True)
        ),
        teams=tuple(
            ServerTeam(name=f"{name}_team", pool=f"{name}_staff", serves=name) for name in _NAMES
        ),
        boundaries=(0.0, 1.0),
        measures=("present",),
    )


def _present(position: int) -> float:
    """Mean number at a station, which sees its share of all traffic as if it were Poisson."""
    rates = np.linalg.solve(np.eye(3) - np.array(_ROUTES).T, np.array(_FROM_OUTSIDE))
    load, servers = float(rates[position] * _SERVICE[position]), _SERVERS[position]
    return load + erlang_c(load, servers) * load / (servers - load)


_SETTING = Setting(
    name="feedback",
    build=_system,
    warm_up=1000.0,
    quick=Effort(replications=24, minutes=5000.0),
    thorough=Effort(replications=32, minutes=150_000.0),
)

TRUTHS: tuple[Truth, ...] = tuple(
    Truth(
        name=f"feedback_{name}",
        quantity=f"mean customers at {name}",
        value=_present(position),
        source="product form (Jackson 1963)",
        setting=_SETTING,
        estimate=per_minute(f"{name}_present"),
        quick_precision=0.09,
        precision=0.014,
    )
    for position, name in enumerate(_NAMES)
)
