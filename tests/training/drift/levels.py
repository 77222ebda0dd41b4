"""Two numbers about known levels: everything that detectors ask of a surrogate, exactly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.description import Description, Lever
from sim.epoch import Parameter, Quantity
from surrogates.dataset import Transitions, concatenate
from surrogates.interface import Epochs
from training.drift import Detector, DetectorSettings, Setting, Verdict

SAMPLES = 8
NAMES = ("first", "second")
SETTINGS = DetectorSettings(run_length=40.0, assurance=0.5, resamples=10, chains=40)


DESCRIPTION = Description(
    name="levels",
    components=(Quantity(name="nothing", unit="none"),),
    outputs=tuple(Quantity(name=name, unit="none", is_count=False) for name in NAMES),
    levers=(Lever(name="none", levels=(0.0,)),),
    parameters=tuple(
        Parameter(name=f"level_of_{name}", unit="none", low=-4.0, high=6.0, nominal=1.0)
        for name in NAMES
    ),
    epochs=SAMPLES,
    boundaries=tuple(float(minute) for minute in range(SAMPLES + 1)),
)


@dataclass(frozen=True)
class TwoLevels:
    """Foretells two normal values, of variance 1 about a parameter each."""

    name: str = "two levels"
    description: Description = DESCRIPTION

    @property
    def openings(self) -> np.ndarray:
        return np.zeros((1, 1))

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        rows = len(states)
        return Epochs(
            state=np.zeros((rows, 1)),
            outputs=parameters + random.standard_normal((rows, 2)),
            duration=np.ones(rows),
        )

    def log_prob(self, transitions: Transitions) -> np.ndarray:
        off = transitions.outputs - transitions.parameters
        return np.asarray(-0.5 * np.square(off).sum(axis=1) - np.log(2 * np.pi))


def days(
    count: int, seed: int, *, shift: float = 0.0, own: float = 1.0, apart: float = 0.0
) -> Transitions:
    """Days whose first number is off its level by `shift`.

    Each number has chance of its own, and `apart` of what raises the one and lowers the other.
    """
    random = np.random.default_rng(seed)
    return concatenate([_day(seed + number, shift, own, apart, random) for number in range(count)])


def _day(
    number: int, shift: float, own: float, apart: float, random: np.random.Generator
) -> Transitions:
    none, common = np.zeros((SAMPLES, 1)), random.standard_normal(SAMPLES)
    outputs = (
        1.0 + own * random.standard_normal((SAMPLES, 2)) + np.outer(apart * common, [1.0, -1.0])
    )
    return Transitions(
        state=none,
        decision=none,
        parameters=np.ones((SAMPLES, 2)),
        next_state=none,
        outputs=outputs + np.array([shift, 0.0]),
        duration=np.ones(SAMPLES),
        episode=np.full(SAMPLES, number),
        policy=np.full(SAMPLES, "none"),
    )


def first_alarm(detector: Detector[Any], state: Any, telemetry: Transitions) -> Verdict:
    """The verdict on the first of these days that alarms; fails where none does."""
    for seen in detector.measure(telemetry):
        state, verdict = detector.step(state, seen)
        if verdict.alarm:
            return verdict
    raise AssertionError(f"{detector.name}: no alarm in {len(detector.measure(telemetry))} days")


def setting(control_days: int = 150) -> Setting:
    """To calibrate any detector on."""
    return Setting(
        surrogate=TwoLevels(),
        in_control=days(control_days, 1_000),
        reference=np.ones(2),
        settings=SETTINGS,
        seed=7,
    )
