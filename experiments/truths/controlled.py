"""Networks under rules and optimal policies, with what these are known to cost."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from experiments.truths.controls import Buffer, ExactOptimum, Helping, LargestPressure
from experiments.truths.estimates import growth, per_minute, weighted
from experiments.truths.networks import network, ranked
from experiments.truths.setting import Always, Control, Effort, Setting
from experiments.truths.truth import Truth
from sim.analytic import CRISS_CROSS_OPTIMA, criss_cross, n_model
from sim.system import System

# The criss-cross network

_CLASSES = ("class_1", "class_2", "class_3")
_PRESENT = {f"{name}_present": 1.0 for name in _CLASSES}
_GRIDS = {"IL": (18, 12, 18), "BL": (18, 18, 18), "IM": (32, 18, 32), "BM": (36, 24, 36)}


def _least(load: str, minutes: float) -> Truth:
    return Truth(
        name=f"criss_cross_{load}_optimum",
        quantity="average holding cost under the best policy",
        value=CRISS_CROSS_OPTIMA[load].average_cost,
        source="value iteration; Dai and Gluzman (2022) to three digits",
        setting=Setting(
            name=f"criss_cross_{load}_optimum",
            build=partial(network, f"criss_cross:{load}"),
            control=ExactOptimum(
                network=criss_cross(load),
                levels=_GRIDS[load],
                classes=_CLASSES,
                server=0,
                level_of=((0, 0.0), (2, 1.0)),
            ),
            warm_up=200.0,
            quick=Effort(replications=16, minutes=minutes),
            thorough=Effort(replications=32, minutes=100 * minutes),
        ),
        estimate=weighted(_PRESENT),
        quick_precision=0.15,
        precision=0.01,
    )


def _rank(name: str, order: tuple[str, ...], value: float, source: str) -> Truth:
    return Truth(
        name=f"criss_cross_BM_{name}",
        quantity="average holding cost",
        value=value,
        source=source,
        setting=Setting(
            name=f"criss_cross_BM_{name}",
            build=partial(ranked, "criss_cross:BM", order),
            warm_up=200.0,
            quick=Effort(replications=24, minutes=4000.0),
            thorough=Effort(replications=32, minutes=300_000.0),
        ),
        estimate=weighted(_PRESENT),
        quick_precision=0.08,
        precision=0.01,
    )


# The N-model


def _n_model(
    name: str,
    control: Control,
    value: float,
    *,
    load: float = 0.95,
    warm_up: float = 3000.0,
    quick: Effort | None = None,
    minutes: float = 250_000.0,
) -> Truth:
    return Truth(
        name=f"n_model_{name}",
        quantity="average holding cost",
        value=value,
        source="stationary law of the truncated chain",
        setting=Setting(
            name=f"n_model_{name}",
            build=partial(network, "n_model"),
            control=control,
            parameters={"arrival_scale": load / 0.95},
            warm_up=warm_up,
            quick=quick,
            thorough=Effort(replications=20, minutes=minutes),
        ),
        estimate=weighted({"class_1_present": 1.0, "class_2_present": 3.0}),
        quick_precision=0.25,
        precision=0.08,
    )


_LIGHTER = partial(
    _n_model,
    load=0.8,
    warm_up=400.0,
    quick=Effort(replications=16, minutes=1200.0),
    minutes=60_000.0,
)


_MAX_WEIGHT = Helping(weights=(1.0, 1.5))


def _best_help(load: float, levels: tuple[int, int]) -> ExactOptimum:
    return ExactOptimum(
        network=n_model(load),
        levels=levels,
        classes=("class_1", "class_2"),
        server=0,
        level_of=((0, 0.0), (1, 1.0)),
    )


def _growth_under_c_mu() -> float:
    """Customers of the first class who come and are not served, per minute.

    The second class goes first with both servers, so that its number is a birth-and-death chain:
    one server works on one customer, both on two or more. What server 1 has left falls short of
    the first class.
    """
    rate = 1.235
    weights = (1.0, rate, rate**2 / 1.5 / (1.0 - rate / 1.5))
    helping = weights[2] / sum(weights)
    return 0.38 - (1.0 - helping)


_C_MU = Truth(
    name="n_model_c_mu_growth",
    quantity="growth of the first class per minute under c-mu, which is unstable",
    value=_growth_under_c_mu(),
    source="birth-and-death chain of the second class",
    setting=Setting(
        name="n_model_c_mu",
        build=partial(network, "n_model"),
        control=Helping(),
        warm_up=1000.0,
        quick=Effort(replications=12, minutes=2000.0),
        thorough=Effort(replications=32, minutes=100_000.0),
    ),
    estimate=growth("class_1_waiting"),
    quick_precision=0.33,
    precision=0.025,
)


# The reentrant line of two stations; each station's classes as its lever offers them

_RATES = {1: 1 / 8, 2: 1 / 2, 3: 1 / 4, 4: 1 / 6, 5: 1 / 7, 6: 1.0}
_NEXT = {1: 4, 3: 6, 4: 2, 2: 5}
_OFFERED = ((3, 2, 1), (6, 5, 4))


def _buffer(number: int, *, counts_next: bool) -> Buffer:
    onward = _NEXT.get(number) if counts_next else None
    return Buffer(
        name=f"class_{number}",
        weight=_RATES[number],
        next=None if onward is None else f"class_{onward}",
    )


def _largest(*, counts_next: bool) -> LargestPressure:
    return LargestPressure(
        stations=tuple(
            tuple(_buffer(number, counts_next=counts_next) for number in station)
            for station in _OFFERED
        )
    )


def _reentrant(
    name: str,
    value: float,
    half_width: float,
    build: Callable[[], System],
    control: Control,
    quick: Effort,
    quick_precision: float,
) -> Truth:
    return Truth(
        name=f"reentrant_{name}",
        quantity="mean customers present",
        value=value,
        # From 95% to 99.9%.
        uncertainty=half_width * 3.29 / 1.96,
        source="long simulation elsewhere",
        setting=Setting(
            name=f"reentrant_{name}",
            build=build,
            control=control,
            warm_up=6_000.0,
            quick=quick,
            thorough=Effort(replications=32, minutes=3_000_000.0),
        ),
        estimate=weighted({f"class_{number}_present": 1.0 for number in _RATES}),
        quick_precision=quick_precision,
        precision=0.025,
    )


def _by_rank(name: str, value: float, half_width: float, order: tuple[int, ...]) -> Truth:
    names = [f"class_{number}" for number in order]
    quick = Effort(replications=24, minutes=50_000.0)
    build = partial(ranked, "reentrant", names)
    return _reentrant(name, value, half_width, build, Always(), quick, 0.19)


def _by_pressure(name: str, value: float, half_width: float, rule: LargestPressure) -> Truth:
    quick = Effort(replications=10, minutes=10_000.0)
    build = partial(network, "reentrant")
    return _reentrant(name, value, half_width, build, rule, quick, 0.8)


_C_MU_RANKED = _by_rank("c_mu", 17.70, 0.07, (2, 3, 1, 6, 4, 5))
_FLOW = Truth(
    name="reentrant_arrivals",
    quantity="customers who come from outside, per minute",
    value=9.0 / 70.0,
    source="the arrival rates, which transfers between classes do not touch",
    setting=_C_MU_RANKED.setting,
    estimate=per_minute("class_1_arrivals", "class_3_arrivals"),
    quick_precision=0.014,
    precision=0.002,
)

TRUTHS: tuple[Truth, ...] = (
    *(_least(load, 1000.0) for load in _GRIDS),
    _rank(
        "first_class_first",
        ("class_1", "class_2", "class_3"),
        3.0,
        "the first class and the second server are M/M/1, and server 1 in all is too",
    ),
    _rank(
        "third_class_first",
        ("class_3", "class_1", "class_2"),
        3.159156,
        "stationary law of the truncated chain",
    ),
    _LIGHTER("80_max_weight", _MAX_WEIGHT, 11.458744),
    _LIGHTER("80_optimum", _best_help(0.8, (120, 80)), 11.321767),
    _n_model("max_weight", _MAX_WEIGHT, 48.576),
    _n_model("threshold", Helping(more_than=11), 47.240),
    _n_model("optimum", _best_help(0.95, (320, 180)), 46.165),
    _C_MU,
    _C_MU_RANKED,
    _FLOW,
    _by_rank("last_buffer_first", 14.24, 0.06, (3, 2, 1, 6, 5, 4)),
    _by_pressure("max_weight", 17.48, 0.07, _largest(counts_next=False)),
    _by_pressure("max_pressure", 16.33, 0.06, _largest(counts_next=True)),
)
