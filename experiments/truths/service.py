"""Service of any shape: one server in turn, and servers that all share."""

from __future__ import annotations

from functools import partial
from math import exp, inf

from scipy.integrate import quad

from experiments.truths.estimates import per_minute, ratio
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Truth
from sim.analytic import erlang_c
from sim.customers import QueueOrder
from sim.distributions import Deterministic, Distribution, Gamma, Hyperexponential, Lognormal

_RATE = 0.8
_QUICK = Effort(replications=24, minutes=8000.0)
_THOROUGH = Effort(replications=32, minutes=200_000.0)


def _in_turn(shape: str, service: Distribution, value: float, precision: float) -> Truth:
    return Truth(
        name=f"m_g_1_{shape}",
        quantity="mean wait, minutes",
        value=value,
        source="Pollaczek and Khinchine",
        setting=Setting(
            name=f"m_g_1_{shape}",
            build=partial(station, arrivals=_RATE, service=service, servers=1),
            warm_up=1000.0,
            quick=_QUICK,
            thorough=_THOROUGH,
        ),
        estimate=ratio("call_wait", "call_arrivals"),
        quick_precision=precision,
        precision=precision / 5,
    )


def _shared(shape: str, service: Distribution, precision: float) -> Truth:
    return Truth(
        name=f"sharing_1_{shape}",
        quantity="mean customers present",
        value=4.0,
        source="processor sharing: as in M/M/1, whatever the service time (Kelly 1979)",
        setting=Setting(
            name=f"sharing_1_{shape}",
            build=partial(station, arrivals=_RATE, service=service, servers=1, is_shared=True),
            warm_up=1000.0,
            quick=_QUICK,
            thorough=_THOROUGH,
        ),
        estimate=per_minute("call_present"),
        quick_precision=precision,
        precision=precision / 5,
    )


def _ordered(order: QueueOrder, value: float, source: str, precision: float) -> Truth:
    return Truth(
        name=f"m_m_1_{order}",
        quantity="mean wait, minutes",
        value=value,
        source=source,
        setting=Setting(
            name=f"m_m_1_{order}",
            build=partial(station, arrivals=_RATE, service=1.0, servers=1, order=order),
            warm_up=1000.0,
            quick=_QUICK,
            thorough=_THOROUGH,
        ),
        estimate=ratio("call_wait", "call_arrivals"),
        quick_precision=precision,
        precision=precision / 5,
    )


def _shortest_first() -> float:
    """Mean wait where the shortest goes first and nobody is interrupted (Phipps 1956).

    A customer of work x waits for the residual work and for those who are shorter: with load(x)
    of the shorter ones, `rate / (1 - load(x))**2` minutes at exponential work of mean 1.
    """

    def wait(work: float) -> float:
        load = _RATE * (1.0 - (1.0 + work) * exp(-work))
        return exp(-work) * _RATE / (1.0 - load) ** 2

    return float(quad(wait, 0.0, inf)[0])


_PAIR = Truth(
    name="sharing_2_gamma",
    quantity="mean customers present",
    value=1.6 + erlang_c(1.6, 2) * 0.8 / (1.0 - 0.8),
    source="two servers shared: as in M/M/2, whatever the service time (Kelly 1979)",
    setting=Setting(
        name="sharing_2_gamma",
        build=partial(
            station, arrivals=1.6, service=Gamma(mean=1.0, scv=4.0), servers=2, is_shared=True
        ),
        warm_up=1000.0,
        quick=Effort(replications=24, minutes=4000.0),
        thorough=Effort(replications=32, minutes=100_000.0),
    ),
    estimate=per_minute("call_present"),
    quick_precision=0.14,
    precision=0.026,
)

TRUTHS: tuple[Truth, ...] = (
    _in_turn("0", Deterministic(mean=1.0), 2.0, 0.075),
    _in_turn("1", Lognormal(mean=1.0, scv=1.0), 4.0, 0.2),
    _in_turn("4", Gamma(mean=1.0, scv=4.0), 10.0, 0.2),
    _shared("deterministic", Deterministic(mean=1.0), 0.1),
    _shared("hyperexponential", Hyperexponential(mean=1.0, scv=4.0), 0.15),
    _PAIR,
    _ordered("last_come", 4.0, "the order among equals does not change the mean", 0.16),
    _ordered("shortest_first", _shortest_first(), "shortest first (Phipps 1956)", 0.075),
)
