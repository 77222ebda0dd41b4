"""Patient customers who wait for a server: Erlang C and square-root staffing."""

from __future__ import annotations

from functools import partial

from experiments.truths.estimates import (
    at_least,
    mean_of_waits,
    per_minute,
    ratio,
    service_level,
    share_of_looks,
    share_of_waits,
    wait_quantile,
)
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Truth

_ERLANG_C = "Erlang C"
_LOOKS = ("call_waiting", "agents_busy")
_WAIT = ratio("call_wait", "call_arrivals")


def _delay_setting(
    name: str,
    arrival_rate: float,
    service: float,
    servers: int,
    *,
    warm_up: float,
    look: float,
    quick: Effort,
    thorough: Effort,
) -> Setting:
    return Setting(
        name=name,
        build=partial(station, arrivals=arrival_rate, service=service, servers=servers),
        warm_up=warm_up,
        look=look,
        watched=_LOOKS,
        quick=quick,
        thorough=thorough,
    )


_ONE = _delay_setting(
    "erlang_c_0.8_1",
    0.8,
    1.0,
    1,
    warm_up=1000.0,
    look=5.0,
    quick=Effort(replications=24, minutes=6000.0),
    thorough=Effort(replications=32, minutes=120_000.0),
)
_TEN = _delay_setting(
    "erlang_c_8_10",
    8.0,
    1.0,
    10,
    warm_up=100.0,
    look=2.0,
    quick=Effort(replications=24, minutes=800.0),
    thorough=Effort(replications=32, minutes=20_000.0),
)
_CENTRE = _delay_setting(
    "centre_48_55",
    12.0,
    4.0,
    55,
    warm_up=120.0,
    look=4.0,
    quick=Effort(replications=20, minutes=1200.0),
    thorough=Effort(replications=32, minutes=30_000.0),
)
_FIFTY = _delay_setting(
    "erlang_c_48_50",
    48.0,
    1.0,
    50,
    warm_up=300.0,
    look=5.0,
    quick=Effort(replications=14, minutes=700.0),
    thorough=Effort(replications=32, minutes=40_000.0),
)
_WATCHED = Setting(
    name="erlang_c_10_14_watched",
    build=partial(station, arrivals=10.0 / 3.0, service=3.0, servers=14, is_event_driven=True),
    warm_up=100.0,
    watched=("call_arrivals", "agents_started"),
    quick=Effort(replications=16, minutes=600.0),
    thorough=Effort(replications=32, minutes=30_000.0),
)


def _square_root(
    slack: str, servers: int, value: float, *, warm_up: float, precision: float
) -> Truth:
    return Truth(
        name=f"square_root_{slack}",
        quantity="probability of waiting",
        value=value,
        source=f"Erlang C of load 100 and {servers} servers, slack {slack} (Halfin and Whitt 1981)",
        setting=_delay_setting(
            f"square_root_{slack}",
            100.0,
            1.0,
            servers,
            warm_up=warm_up,
            look=0.5,
            quick=Effort(replications=16, minutes=360.0),
            thorough=Effort(replications=32, minutes=16_000.0),
        ),
        estimate=share_of_looks(at_least("agents_busy", servers)),
        quick_precision=precision,
        precision=precision / 10,
    )


TRUTHS: tuple[Truth, ...] = (
    Truth(
        name="erlang_c_0.8_1_waiting",
        quantity="probability of waiting",
        value=0.8,
        source=_ERLANG_C,
        setting=_ONE,
        estimate=share_of_looks(at_least("agents_busy", 1)),
        quick_precision=0.03,
        precision=0.006,
    ),
    Truth(
        name="erlang_c_0.8_1_wait",
        quantity="mean wait, minutes",
        value=4.0,
        source=_ERLANG_C,
        setting=_ONE,
        estimate=_WAIT,
        quick_precision=0.18,
        precision=0.035,
    ),
    Truth(
        name="erlang_c_8_10_waiting",
        quantity="probability of waiting",
        value=0.409180,
        source=_ERLANG_C,
        setting=_TEN,
        estimate=share_of_looks(at_least("agents_busy", 10)),
        quick_precision=0.09,
        precision=0.016,
    ),
    Truth(
        name="erlang_c_8_10_wait",
        quantity="mean wait, minutes",
        value=0.204590,
        source=_ERLANG_C,
        setting=_TEN,
        estimate=_WAIT,
        quick_precision=0.27,
        precision=0.045,
    ),
    Truth(
        name="erlang_c_10_14_waiting",
        quantity="share of customers who waited",
        value=0.1741319336,
        source=_ERLANG_C,
        setting=_WATCHED,
        estimate=share_of_waits(longer_than=0.0),
        quick_precision=0.33,
        precision=0.03,
    ),
    Truth(
        name="erlang_c_10_14_wait",
        quantity="mean wait measured one by one, seconds",
        value=7.835937,
        source=_ERLANG_C,
        setting=_WATCHED,
        estimate=lambda recording: 60.0 * mean_of_waits(recording),
        quick_precision=0.55,
        precision=0.05,
    ),
    Truth(
        name="erlang_c_10_14_service_level",
        quantity="share of customers who waited no more than 20 s",
        value=0.8883500192,
        source="Erlang C, as in pyworkforce",
        setting=_WATCHED,
        estimate=lambda recording: 1.0 - share_of_waits(longer_than=20.0 / 60.0)(recording),
        quick_precision=0.05,
        precision=0.006,
    ),
    Truth(
        name="centre_48_55_waiting",
        quantity="probability of waiting",
        value=0.238701,
        source=_ERLANG_C,
        setting=_CENTRE,
        estimate=share_of_looks(at_least("agents_busy", 55)),
        quick_precision=0.22,
        precision=0.035,
    ),
    Truth(
        name="centre_48_55_wait",
        quantity="mean wait, seconds",
        value=8.184,
        source=_ERLANG_C,
        setting=_CENTRE,
        estimate=ratio("call_wait", "call_arrivals", scale=60.0),
        quick_precision=0.42,
        precision=0.065,
    ),
    Truth(
        name="centre_48_55_service_level",
        quantity="probability of waiting no more than 15 s",
        value=0.845883,
        source=_ERLANG_C,
        setting=_CENTRE,
        estimate=service_level(15.0 / 60.0, servers=55, service_rate=0.25),
        quick_precision=0.06,
        precision=0.01,
    ),
    Truth(
        name="centre_48_55_occupancy",
        quantity="share of agents at work",
        value=48.0 / 55.0,
        source="load over servers",
        setting=_CENTRE,
        estimate=per_minute("agents_busy_minutes", scale=1.0 / 55.0),
        quick_precision=0.013,
        precision=0.002,
    ),
    Truth(
        name="erlang_c_48_50_wait",
        quantity="mean wait, seconds",
        value=20.834,
        source=_ERLANG_C,
        setting=_FIFTY,
        estimate=ratio("call_wait", "call_arrivals", scale=60.0),
        quick_precision=0.47,
        precision=0.04,
    ),
    Truth(
        name="erlang_c_48_50_queue",
        quantity="mean customers waiting",
        value=16.667,
        source=_ERLANG_C,
        setting=_FIFTY,
        estimate=per_minute("call_wait"),
        quick_precision=0.47,
        precision=0.04,
    ),
    Truth(
        name="erlang_c_48_50_long_wait",
        quantity="wait that one customer in ten exceeds, seconds",
        value=58.139,
        source=_ERLANG_C,
        setting=_FIFTY,
        estimate=lambda recording: (
            60.0 * wait_quantile(0.9, servers=50, service_rate=1.0, most=30.0)(recording)
        ),
        quick_precision=0.45,
        precision=0.04,
    ),
    _square_root("0.5", 105, 0.515707, warm_up=100.0, precision=0.15),
    _square_root("1", 110, 0.237008, warm_up=50.0, precision=0.22),
    _square_root("1.5", 115, 0.095441, warm_up=20.0, precision=0.27),
    _square_root("2", 120, 0.033196, warm_up=20.0, precision=0.45),
)
