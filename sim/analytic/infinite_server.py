"""Systems where nobody waits: as many agents as customers (M/M/infinity).

The number in system is Poisson at any time when it begins empty or in steady state, so that its
mean says all. With a patience rate equal to the service rate, any number of agents has the same
law: customers leave at one rate whether they wait or are served.
"""

from __future__ import annotations

from math import cos, exp, inf, sin

from sim.analytic.stability import refuse_unless_positive
from sim.errors import InvalidSystem


def infinite_server_mean(
    arrival_rate: float, service_rate: float, minutes_since_empty: float = inf
) -> float:
    """Mean number in system, in steady state or some minutes after it was empty.

    In steady state only the mean service matters, not its shape (M/G/infinity).
    """
    refuse_unless_positive(arrival_rate=arrival_rate, service_rate=service_rate)
    if not minutes_since_empty >= 0:
        raise InvalidSystem(f"minutes_since_empty is {minutes_since_empty}: 0 or more")
    return arrival_rate / service_rate * (1.0 - exp(-service_rate * minutes_since_empty))


def sinusoidal_mean_number(
    mean_rate: float, amplitude: float, frequency: float, service_rate: float, time: float
) -> float:
    """Mean number in system when the arrival rate is `mean_rate + amplitude sin(frequency t)`.

    After many periods, at `time` in minutes; the frequency is in radians per minute. The mean
    lags the rate and swings less than it. Source: Eick, Massey and Whitt (1993). Raises
    InvalidSystem for an amplitude above the mean rate, which would make the rate negative.
    """
    refuse_unless_positive(mean_rate=mean_rate, frequency=frequency, service_rate=service_rate)
    if not abs(amplitude) <= mean_rate:
        raise InvalidSystem(f"amplitude is {amplitude}: at most the mean rate, {mean_rate:g}")
    phase = frequency * time
    swing = service_rate * sin(phase) - frequency * cos(phase)
    return mean_rate / service_rate + amplitude * swing / (service_rate**2 + frequency**2)
