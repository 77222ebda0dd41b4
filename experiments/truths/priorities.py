"""Several classes at one server: who goes first, and whether others are interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from experiments.truths.estimates import ratio, weighted
from experiments.truths.setting import Effort, Setting
from experiments.truths.truth import Truth
from sim.arrivals import PoissonArrivals
from sim.customers import CustomerClass
from sim.distributions import Exponential
from sim.servers import Picks, Pool, Preemption, ServerTeam
from sim.system import System


def one_server(
    rates: Sequence[float],
    order: Sequence[int],
    *,
    picks: Picks = "priority",
    preemption: Preemption | None = None,
) -> System:
    """Classes `class_1`, `class_2`, ... of exponential service of mean 1, ranked as in `order`."""
    names = [f"class_{number}" for number in range(1, len(rates) + 1)]
    return System(
        name="one_server",
        arrivals={
            name: PoissonArrivals(rate=rate) for name, rate in zip(names, rates, strict=True)
        },
        classes=tuple(CustomerClass(name=name, service=Exponential(mean=1.0)) for name in names),
        pools=(Pool(name="server", shifts=((0.0, 1.0),), picks=picks, preemption=preemption),),
        teams=tuple(
            ServerTeam(name=f"for_{number}", pool="server", serves=f"class_{number}")
            for number in order
        ),
        boundaries=(0.0, 1.0),
        measures=("wait", "present"),
    )


_TWO = Setting(
    name="two_classes",
    build=partial(one_server, (0.3, 0.4), (1, 2)),
    warm_up=500.0,
    quick=Effort(replications=24, minutes=8000.0),
    thorough=Effort(replications=32, minutes=200_000.0),
)
_HOLDING = {f"class_{number}_present": float(6 - number) for number in range(1, 6)}
"""Costs of 5, 4, 3, 2 and 1 a minute."""


def _five(
    name: str,
    order: Sequence[int],
    value: float,
    *,
    picks: Picks = "priority",
    preemption: Preemption | None = None,
) -> Truth:
    return Truth(
        name=f"five_classes_{name}",
        quantity="average holding cost",
        value=value,
        source="M/M/1 of the classes at and above each rank",
        setting=Setting(
            name=f"five_classes_{name}",
            build=partial(one_server, (0.18,) * 5, order, picks=picks, preemption=preemption),
            warm_up=2000.0,
            quick=Effort(replications=24, minutes=14_000.0),
            thorough=Effort(replications=32, minutes=800_000.0),
        ),
        estimate=weighted(_HOLDING),
        quick_precision=0.18,
        precision=0.022,
    )


TRUTHS: tuple[Truth, ...] = (
    Truth(
        name="two_classes_first",
        quantity="mean wait of the first class, minutes",
        value=1.0,
        source="non-preemptive priorities (Cobham 1954)",
        setting=_TWO,
        estimate=ratio("class_1_wait", "class_1_arrivals"),
        quick_precision=0.05,
        precision=0.009,
    ),
    Truth(
        name="two_classes_second",
        quantity="mean wait of the second class, minutes",
        value=10.0 / 3.0,
        source="non-preemptive priorities (Cobham 1954)",
        setting=_TWO,
        estimate=ratio("class_2_wait", "class_2_arrivals"),
        quick_precision=0.1,
        precision=0.016,
    ),
    _five("c_mu", (1, 2, 3, 4, 5), 13.5274, preemption="resume"),
    _five("first_come", (1, 2, 3, 4, 5), 27.0, picks="first_come"),
    _five("reverse", (5, 4, 3, 2, 1), 40.4726, preemption="resume"),
)
