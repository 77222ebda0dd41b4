"""The law of the desk's epochs, simulated event by event in machine code: exact, no surrogate.

It answers what a surrogate is asked, so that the same environment runs on it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numba
import numpy as np
from jaxtyping import Float

from sim.arrivals import SinusoidalArrivals
from sim.description import SystemDescription
from surrogates.interface import Epochs

_WAITING, _BUSY, _SO_FAR, _LAST, _UP, _DAY, _EPOCH = range(7)
"""Places of the state; those of the outputs are arrivals, lost, started, finished, waited, paid."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledDesk:
    """An exact simulator with the face of a surrogate."""

    description: SystemDescription
    arrivals: SinusoidalArrivals
    service: float
    patience: float
    name: str = "compiled simulator"

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """An empty desk."""
        opening = np.zeros((1, len(self.description.components)))
        opening[0, _UP] = self.description.servers_at_opening[0]
        return opening

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """One epoch for each row."""
        boundaries = np.asarray(self.description.boundaries, dtype=float)
        after = np.array(states, dtype=float)
        outputs = np.zeros((len(after), 6))
        process = self.arrivals
        swing = np.array(
            (process.mean_rate, process.amplitude, 2 * pi / process.period, process.phase)
        )
        rates = np.array((1.0 / self.service, 1.0 / self.patience))
        levels, scales = np.ravel(decisions).astype(float), np.ravel(parameters).astype(float)
        _run(after, levels, scales, outputs, boundaries, swing, rates, random)
        duration = np.diff(boundaries)[states[:, _EPOCH].astype(int)]
        return Epochs(state=after, outputs=outputs, duration=duration)


@numba.njit(cache=True)
def _run(
    states: np.ndarray,
    levels: np.ndarray,
    scales: np.ndarray,
    outputs: np.ndarray,
    boundaries: np.ndarray,
    swing: np.ndarray,
    rates: np.ndarray,
    random: np.random.Generator,
) -> None:
    """Every row from its epoch's beginning to its end, states changed in place.

    Arrivals are thinned. Whoever is in service when agents are sent home is served to the end, and
    as in the event simulator only those who were ordered are paid.
    """
    mean, amplitude, turn, phase = swing
    for row in range(len(states)):
        waiting, busy = states[row, _WAITING], states[row, _BUSY]
        epoch, level, scale = int(states[row, _EPOCH]), levels[row], scales[row]
        now, end = boundaries[epoch], boundaries[epoch + 1]
        peak = (mean + amplitude) * scale
        arrived = lost = started = finished = waited = 0.0
        while True:
            begun = min(waiting, max(level - busy, 0.0))
            waiting, busy, started = waiting - begun, busy + begun, started + begun
            leaving, going = busy * rates[0], waiting * rates[1]
            total = peak + leaving + going
            passed = random.standard_exponential() / total
            until = min(passed, end - now)
            waited += waiting * until
            now += until
            if now >= end:
                break
            which = random.random() * total
            if which < leaving:
                busy, finished = busy - 1.0, finished + 1.0
            elif which < leaving + going:
                waiting, lost = waiting - 1.0, lost + 1.0
            elif which - leaving - going < scale * (mean + amplitude * np.sin(turn * now + phase)):
                waiting, arrived = waiting + 1.0, arrived + 1.0
        paid = level * (end - boundaries[epoch])
        outputs[row] = (arrived, lost, started, finished, waited, paid)
        states[row, _WAITING], states[row, _BUSY] = waiting, busy
        states[row, _SO_FAR] += arrived
        states[row, _LAST] = arrived
        states[row, _UP] = level
        states[row, _EPOCH] += 1.0
