"""Arrivals that follow the clock, with service and patience alike (M_t/M/n_t + M).

Whoever is present leaves at rate 1, in service or in the queue, so that the number present is that
of a system without limits: Poisson with mean 100 + 10 (sin t - cos t), however many servers there
are (Feldman, Mandelbaum, Massey and Whitt 2008). A customer finds a delay where the number present
has reached the servers. The listed staffing is the least that keeps this below one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import cos, pi, sin

from scipy.stats import poisson

from experiments.truths.estimates import at_phase
from experiments.truths.setting import Effort, Setting
from experiments.truths.stations import station
from experiments.truths.truth import Truth
from sim.arrivals import SinusoidalArrivals
from sim.servers import Preemption

PHASES = 8
STAFFING = (91, 101, 111, 115, 111, 101, 91, 87)
"""Servers around t = 0, pi/4, ..., 7 pi/4."""
_STEP = 2.0 * pi / PHASES
_PERIODS = 110
_PRESENT = ("call_waiting", "agents_busy")


def _shifts(staffing: Sequence[int]) -> tuple[tuple[float, float], ...]:
    """Staffing that changes halfway between the phases, where no epoch ends."""
    starts = [0.0, *((k - 0.5) * _STEP for k in range(1, PHASES * _PERIODS))]
    return tuple((start, float(staffing[k % PHASES])) for k, start in enumerate(starts))


def _setting(name: str, staffing: Sequence[int], preemption: Preemption | None = None) -> Setting:
    return Setting(
        name=name,
        build=partial(
            station,
            arrivals=SinusoidalArrivals(mean_rate=100.0, amplitude=20.0, period=2.0 * pi),
            service=1.0,
            servers=_shifts(staffing),
            patience=1.0,
            preemption=preemption,
        ),
        # Two periods: the mean number has come within exp(-4 pi) of its course.
        warm_up=4.0 * pi,
        look=_STEP,
        watched=_PRESENT,
        quick=Effort(replications=16, minutes=20 * 2.0 * pi),
        thorough=Effort(replications=64, minutes=100 * 2.0 * pi),
    )


_LEAST = _setting("sinusoid", STAFFING)
# Half of those in service are sent back to the queue, four times a period.
_DISPLACED = _setting("sinusoid_displaced", (120, 60) * 4, "resume")


def _mean(phase: int) -> float:
    return 100.0 + 10.0 * (sin(phase * _STEP) - cos(phase * _STEP))


def _present(setting: Setting, phase: int) -> Truth:
    return Truth(
        name=f"{setting.name}_present_{phase}",
        quantity=f"mean customers present at t = {phase}/8 of the period",
        value=_mean(phase),
        source="Poisson number present (Feldman et al. 2008)",
        setting=setting,
        estimate=at_phase(phase, PHASES, _PRESENT, None),
        quick_precision=0.037,
        precision=0.007,
    )


def _delayed(setting: Setting, phase: int) -> Truth:
    return Truth(
        name=f"{setting.name}_delayed_{phase}",
        quantity=f"probability of waiting at t = {phase}/8 of the period",
        value=float(poisson.sf(STAFFING[phase] - 1, _mean(phase))),
        source="Poisson number present (Feldman et al. 2008)",
        setting=setting,
        estimate=at_phase(phase, PHASES, _PRESENT, STAFFING[phase]),
        quick_precision=0.4,
        precision=0.08,
    )


TRUTHS: tuple[Truth, ...] = (
    *(_present(_LEAST, phase) for phase in range(PHASES)),
    *(_delayed(_LEAST, phase) for phase in range(PHASES)),
    *(_present(_DISPLACED, phase) for phase in (0, 3, 5, 7)),
)
