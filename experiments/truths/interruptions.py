"""A server who breaks down, whether at work or not."""

from __future__ import annotations

from functools import partial

from experiments.truths.estimates import per_minute
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Truth
from sim.distributions import Exponential
from sim.servers import Breakdown

_ARRIVALS, _FAILURES, _REPAIRS = 0.5, 0.05, 0.2


def _present() -> float:
    """Mean number in M/M/1 at service rate 1 with a server who is away at random times.

    With exponential times up and down and work that is resumed: the number of M/M/1 at the rate
    that is left, times 1 + failure rate / (failure rate + repair rate)^2.
    """
    both = _FAILURES + _REPAIRS
    left = _REPAIRS / both - _ARRIVALS
    return _ARRIVALS / left * (1.0 + _FAILURES / both**2)


TRUTHS: tuple[Truth, ...] = (
    Truth(
        name="breakdowns_present",
        quantity="mean customers present",
        value=_present(),
        source="M/M/1 with breakdowns (White and Christie 1958)",
        setting=Setting(
            name="breakdowns",
            build=partial(
                station,
                arrivals=_ARRIVALS,
                service=1.0,
                servers=1,
                preemption="resume",
                breakdown=Breakdown(
                    uptime=Exponential(mean=1.0 / _FAILURES),
                    repair=Exponential(mean=1.0 / _REPAIRS),
                ),
            ),
            warm_up=500.0,
            quick=Effort(replications=24, minutes=6000.0),
            thorough=Effort(replications=32, minutes=200_000.0),
        ),
        estimate=per_minute("call_present"),
        quick_precision=0.14,
        precision=0.022,
    ),
)
