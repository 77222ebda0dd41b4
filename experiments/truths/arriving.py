"""Arrivals that are more or less regular than Poisson ones, at one server."""

from __future__ import annotations

from functools import partial

from scipy.optimize import brentq

from experiments.truths.estimates import per_minute, ratio
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Truth
from sim.arrivals import BatchArrivals, PoissonArrivals, RenewalArrivals
from sim.distributions import Erlang

_QUICK = Effort(replications=24, minutes=8000.0)
_THOROUGH = Effort(replications=32, minutes=200_000.0)


def _regular_wait(arrival_rate: float, phases: int) -> float:
    """Mean wait in E_k/M/1 with service rate 1: s / (1 - s) minutes.

    `s` is the chance that somebody who comes finds the server busy, the root of
    s = E[exp(-(1 - s) interval)].
    """

    def excess(busy: float) -> float:
        rate = phases * arrival_rate
        return (rate / (rate + 1.0 - busy)) ** phases - busy

    busy = float(brentq(excess, 1e-9, 1.0 - 1e-6))
    return busy / (1.0 - busy)


_SIZES = (0.5, 0.2, 0.3)
"""Probabilities of one, two and three customers."""
_BATCH_RATE = 0.8 / 1.8


def _batch_present() -> float:
    """Mean number in M^X/M/1 at service rate 1: load (1 + E[X^2] / E[X]) / (2 (1 - load))."""
    mean = sum(size * share for size, share in enumerate(_SIZES, start=1))
    square = sum(size**2 * share for size, share in enumerate(_SIZES, start=1))
    load = _BATCH_RATE * mean
    return load * (1.0 + square / mean) / (2.0 * (1.0 - load))


TRUTHS: tuple[Truth, ...] = (
    Truth(
        name="erlang_intervals_wait",
        quantity="mean wait, minutes",
        value=_regular_wait(0.8, 4),
        source="GI/M/1 with Erlang intervals of four phases",
        setting=Setting(
            name="erlang_intervals",
            build=partial(
                station,
                arrivals=RenewalArrivals(interval=Erlang(mean=1.25, phases=4)),
                service=1.0,
                servers=1,
            ),
            warm_up=1000.0,
            quick=_QUICK,
            thorough=_THOROUGH,
        ),
        estimate=ratio("call_wait", "call_arrivals"),
        quick_precision=0.09,
        precision=0.016,
    ),
    Truth(
        name="batches_present",
        quantity="mean customers present",
        value=_batch_present(),
        source="M^X/M/1",
        setting=Setting(
            name="batches",
            build=partial(
                station,
                arrivals=BatchArrivals(arrivals=PoissonArrivals(rate=_BATCH_RATE), sizes=_SIZES),
                service=1.0,
                servers=1,
            ),
            warm_up=1000.0,
            quick=_QUICK,
            thorough=_THOROUGH,
        ),
        estimate=per_minute("call_present"),
        quick_precision=0.13,
        precision=0.023,
    ),
)
