"""Customers who are turned away: Erlang B and finite rooms."""

from __future__ import annotations

from functools import partial

from experiments.truths.estimates import per_minute, ratio
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Truth
from sim.distributions import Distribution, Lognormal

_LOST = ratio("call_rejected", "call_arrivals")


def _loss(
    load: float,
    servers: int,
    value: float,
    *,
    minutes: float,
    precision: float,
    service: Distribution | float = 1.0,
    suffix: str = "",
) -> Truth:
    name = f"erlang_b_{load:g}_{servers}{suffix}"
    return Truth(
        name=name,
        quantity="share of customers turned away",
        value=value,
        source="Erlang B, which knows the service time by its mean alone (Sevastyanov 1957)",
        setting=Setting(
            name=name,
            build=partial(station, arrivals=load, service=service, servers=servers, places=servers),
            # Whoever is there at opening has left after a few services; nobody waits.
            warm_up=20.0,
            quick=Effort(replications=16, minutes=minutes),
            thorough=Effort(replications=32, minutes=30 * minutes),
        ),
        estimate=_LOST,
        quick_precision=precision,
        precision=precision / 4,
    )


def _room(utilisation: float, places: int) -> tuple[Truth, ...]:
    """One server and a room of so many places (M/M/1/K)."""
    setting = Setting(
        name="m_m_1_5",
        build=partial(station, arrivals=utilisation, service=1.0, servers=1, places=places),
        warm_up=200.0,
        quick=Effort(replications=16, minutes=4000.0),
        thorough=Effort(replications=32, minutes=60_000.0),
    )
    weights = [utilisation**number for number in range(places + 1)]
    total = sum(weights)
    source = "M/M/1/K: the number in system is geometric, cut at K"
    return (
        Truth(
            name="m_m_1_5_lost",
            quantity="share of customers turned away",
            value=weights[-1] / total,
            source=source,
            setting=setting,
            estimate=_LOST,
            quick_precision=0.12,
            precision=0.022,
        ),
        Truth(
            name="m_m_1_5_present",
            quantity="mean customers present",
            value=sum(number * weight for number, weight in enumerate(weights)) / total,
            source=source,
            setting=setting,
            estimate=per_minute("call_present"),
            quick_precision=0.055,
            precision=0.009,
        ),
    )


TRUTHS: tuple[Truth, ...] = (
    _loss(1.0, 1, 0.5, minutes=2000.0, precision=0.03),
    _loss(10.0, 10, 0.214582343, minutes=500.0, precision=0.06),
    _loss(
        10.0,
        10,
        0.214582343,
        minutes=500.0,
        precision=0.1,
        service=Lognormal(mean=1.0, scv=4.0),
        suffix="_lognormal",
    ),
    _loss(20.0, 30, 0.008457498, minutes=1000.0, precision=0.22),
    _loss(100.0, 110, 0.027463448, minutes=150.0, precision=0.22),
    *_room(0.9, 5),
)
