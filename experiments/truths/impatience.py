"""Customers who give up: Erlang A and its identities."""

from __future__ import annotations

from functools import partial
from math import e

from experiments.truths.estimates import (
    at_least,
    per_minute,
    ratio,
    seen,
    share_not_served_at_once,
    share_of_looks,
)
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Estimator, Truth

_GARNETT = "Erlang A (Garnett, Mandelbaum and Reiman 2002)"
_LOOKS = ("call_waiting", "agents_busy")
_LEFT = ratio("call_abandoned", "call_arrivals")

_FIFTY = Setting(
    name="erlang_a_48_50",
    build=partial(station, arrivals=48.0, service=1.0, servers=50, patience=2.0),
    warm_up=20.0,
    look=2.0,
    watched=_LOOKS,
    quick=Effort(replications=24, minutes=400.0),
    thorough=Effort(replications=32, minutes=10_000.0),
)
_HUNDRED = Setting(
    name="erlang_a_100_100",
    # Service and patience alike: the number present forgets its past at rate 1 a minute.
    build=partial(station, arrivals=100.0, service=1.0, servers=100, patience=1.0),
    warm_up=20.0,
    look=2.0,
    watched=_LOOKS,
    quick=Effort(replications=16, minutes=120.0),
    thorough=Effort(replications=32, minutes=5_000.0),
)
_ONE = Setting(
    name="erlang_a_1_1",
    build=partial(station, arrivals=1.0, service=1.0, servers=1, patience=1.0),
    warm_up=20.0,
    quick=Effort(replications=16, minutes=5000.0),
    thorough=Effort(replications=32, minutes=100_000.0),
)
_WATCHED = Setting(
    name="erlang_a_1_1_watched",
    build=partial(
        station, arrivals=1.0, service=1.0, servers=1, patience=1.0, is_event_driven=True
    ),
    warm_up=20.0,
    watched=("call_arrivals", "agents_started"),
    quick=Effort(replications=16, minutes=1500.0),
    thorough=Effort(replications=32, minutes=50_000.0),
)


def _queue_by_two_ways(arrival_rate: float) -> Estimator:
    """Customers seen waiting, over the rate times the mean wait: Little's law makes it 1."""
    looks, wait = seen("call_waiting"), ratio("call_wait", "call_arrivals")
    return lambda recording: looks(recording) / (arrival_rate * wait(recording))


TRUTHS: tuple[Truth, ...] = (
    Truth(
        name="erlang_a_48_50_abandonment",
        quantity="share of customers who give up",
        value=0.030912,
        source=_GARNETT,
        setting=_FIFTY,
        estimate=_LEFT,
        quick_precision=0.12,
        precision=0.02,
    ),
    Truth(
        name="erlang_a_48_50_wait",
        quantity="mean wait, seconds",
        value=3.7095,
        source=_GARNETT,
        setting=_FIFTY,
        estimate=ratio("call_wait", "call_arrivals", scale=60.0),
        quick_precision=0.14,
        precision=0.023,
    ),
    Truth(
        name="erlang_a_48_50_queue",
        quantity="mean customers waiting",
        value=2.9676,
        source=_GARNETT,
        setting=_FIFTY,
        estimate=per_minute("call_wait"),
        quick_precision=0.14,
        precision=0.023,
    ),
    Truth(
        name="erlang_a_48_50_occupancy",
        quantity="share of agents at work",
        value=0.9303,
        source=_GARNETT,
        setting=_FIFTY,
        estimate=per_minute("agents_busy_minutes", scale=1.0 / 50.0),
        quick_precision=0.0055,
        precision=0.001,
    ),
    Truth(
        name="erlang_a_48_50_waiting",
        quantity="probability of waiting",
        value=0.46777,
        source=_GARNETT,
        setting=_FIFTY,
        estimate=share_of_looks(at_least("agents_busy", 50)),
        quick_precision=0.09,
        precision=0.016,
    ),
    Truth(
        name="erlang_a_48_50_rate_of_giving_up",
        quantity="share who give up over patience rate times mean wait",
        value=1.0,
        source="exponential patience: P(ab) = theta E[W]",
        setting=_FIFTY,
        estimate=ratio("call_abandoned", "call_wait", scale=2.0),
        quick_precision=0.05,
        precision=0.009,
    ),
    Truth(
        name="erlang_a_48_50_little",
        quantity="customers seen waiting over arrival rate times mean wait",
        value=1.0,
        source="Little (1961): Lq = lambda E[W]",
        setting=_FIFTY,
        estimate=_queue_by_two_ways(48.0),
        quick_precision=0.05,
        precision=0.009,
    ),
    Truth(
        name="erlang_a_100_100_waiting",
        quantity="probability of waiting",
        value=0.513299,
        source="the number present is Poisson of mean 100",
        setting=_HUNDRED,
        estimate=share_of_looks(at_least("agents_busy", 100)),
        quick_precision=0.18,
        precision=0.018,
    ),
    Truth(
        name="erlang_a_100_100_abandonment",
        quantity="share of customers who give up",
        value=0.039861,
        source=_GARNETT,
        setting=_HUNDRED,
        estimate=_LEFT,
        quick_precision=0.17,
        precision=0.018,
    ),
    Truth(
        name="erlang_a_100_100_queue",
        quantity="mean customers waiting",
        value=3.9861,
        source=_GARNETT,
        setting=_HUNDRED,
        estimate=per_minute("call_wait"),
        quick_precision=0.2,
        precision=0.02,
    ),
    Truth(
        name="erlang_a_1_1_abandonment",
        quantity="share of customers who give up",
        value=1.0 / e,
        source="the number present is Poisson of mean 1",
        setting=_ONE,
        estimate=_LEFT,
        quick_precision=0.028,
        precision=0.005,
    ),
    Truth(
        name="erlang_a_1_1_waiting",
        quantity="share of customers whose service did not begin when they came",
        value=1.0 - 1.0 / e,
        source="the number present is Poisson of mean 1",
        setting=_WATCHED,
        estimate=share_not_served_at_once,
        quick_precision=0.035,
        precision=0.005,
    ),
)
