"""Hidden parameters re-estimated from observed days by maximum likelihood, with intervals.

A surrogate is a little wrong, so the likelihood of even many days peaks beside the truth. Days
simulated at known parameters show by how much: their mean score is taken off (`InControl`), and
their spread of scores widens the intervals. When the estimate moves far from where those days
were simulated, simulate again there: `refine_calibration`, which is indirect inference
(Gourieroux, Monfort and Renault 1993) in its score form. Intervals hold together: the truth lies in
all of them with 95%, also where the days were chosen by when a change shows most.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float

from surrogates.dataset import Transitions
from training.likelihood import (
    DayLikelihood,
    InControl,
    LikelihoodSurrogate,
    first_rows,
    square_root,
)
from training.simultaneous import simultaneous_quantile

SimulateDays = Callable[[Float[np.ndarray, "parameter"]], Transitions]
"""Runs some days of the simulator at the given parameters, under a sensible policy."""
_AT_BOUND = 1e-3
"""Distance to a bound that counts as lying on it, as a share of the box."""
_TOLERANCE, _LINE_STEPS = 1e-7, 5
"""Where L-BFGS-B stops: the likelihood is in single precision, in whose noise the usual tolerance
and line searches of 20 steps spend four in five of their evaluations."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """One hidden parameter."""

    name: str
    start: float
    """What was believed before."""
    value: float
    standard_error: float
    low: float
    """Lower end of the interval; those of all parameters together hold the truth with 95%."""
    high: float
    at_bound: bool
    """Whether the likelihood pushes against the box: the truth may lie outside."""

    @property
    def shift(self) -> float:
        """Distance from what was believed, in standard errors."""
        return (self.value - self.start) / self.standard_error

    @property
    def has_moved(self) -> bool:
        """Whether the interval leaves out what was believed."""
        return not self.low <= self.start <= self.high

    @property
    def half_width(self) -> float:
        """Of the interval, in standard errors."""
        return (self.high - self.low) / (2 * self.standard_error)

    def within(self, half_width: float) -> Estimate:
        """The same with an interval of another half-width, in standard errors."""
        off = half_width * self.standard_error
        return replace(self, low=self.value - off, high=self.value + off)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The hidden parameters of some observed days."""

    estimates: tuple[Estimate, ...]
    parameters: tuple[float, ...]
    """All parameters in the order of the description: visible ones as observed on the last day."""
    days: int
    log_likelihood: float
    """Of all days at the estimate, in nats."""

    @property
    def is_inside_box(self) -> bool:
        """Whether no estimate lies on a bound of its box."""
        return not any(estimate.at_bound for estimate in self.estimates)

    @property
    def moved(self) -> tuple[str, ...]:
        """Names whose interval leaves out what was believed, the clearest first."""
        ordered = sorted(self.estimates, key=lambda e: -abs(e.shift))
        return tuple(e.name for e in ordered if e.has_moved)

    def within(self, half_width: float) -> Calibration:
        """The same with intervals of another half-width, in standard errors."""
        return replace(self, estimates=tuple(e.within(half_width) for e in self.estimates))

    def held_against(self, first: Calibration) -> Calibration:
        """The same with what was believed at `first`, and what intervals allowed for then."""
        pairs = zip(self.estimates, first.estimates, strict=True)
        estimates = tuple(replace(e, start=f.start).within(f.half_width) for e, f in pairs)
        return replace(self, estimates=estimates)

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "estimates": [asdict(e) for e in self.estimates],
            "parameters": list(self.parameters),
            "days": self.days,
            "log_likelihood": self.log_likelihood,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> Calibration:
        """Rebuild from a record."""
        return cls(
            estimates=tuple(Estimate(**e) for e in record["estimates"]),
            parameters=tuple(record["parameters"]),
            days=int(record["days"]),
            log_likelihood=float(record["log_likelihood"]),
        )


def calibrate_parameters(
    likelihood: DayLikelihood, days: Transitions, control: InControl
) -> Calibration:
    """Most likely hidden parameters of the days inside their box; starts at the reference.

    `control` must have been measured at the likelihood's reference. Intervals take the days for
    given: see `calibrate_since_change` where they are chosen by what they show.
    """
    point = _most_likely(likelihood, days, control)
    total, _ = likelihood.values_and_scores(days, point)
    errors = _standard_errors(likelihood.information(days, point), control, len(total))
    parameters = days.parameters[-1].astype(float)
    parameters[likelihood.positions] = point
    return Calibration(
        estimates=_estimates(likelihood, point, errors),
        parameters=tuple(parameters.tolist()),
        days=len(total),
        log_likelihood=float(total.sum()),
    )


def calibrate_since_change(
    likelihood: DayLikelihood, days: Transitions, control: InControl
) -> Calibration:
    """Most likely hidden parameters of the last of these days, and since when they hold.

    Tries every day as the first after the change and keeps the one whose days gain the most
    likelihood over the reference (generalised likelihood ratio, Lai 1995), because an alarm comes
    some days after a change or finds a sum that was already rising before it. `Calibration.days`
    is the number of days kept. The gain is of the likelihood that is maximised, less the slope it
    has when nothing has changed. Intervals allow for the choice (`simultaneous_quantile`).
    """
    before = likelihood.values(days, likelihood.centre[None, :])[0]
    starts = first_rows(days)
    best, best_gain = None, -np.inf
    for position, start in enumerate(starts):
        found = calibrate_parameters(likelihood, days.take(np.arange(start, len(days))), control)
        shifts = np.array([e.value - e.start for e in found.estimates])
        tilt = found.days * float(control.mean_score @ shifts)
        gain = found.log_likelihood - tilt - float(before[position:].sum())
        if gain > best_gain:
            best, best_gain = found, gain
    assert best is not None
    return best.within(simultaneous_quantile(len(likelihood.names), len(starts)))


def refine_calibration(
    calibration: Calibration,
    surrogate: LikelihoodSurrogate,
    days: Transitions,
    control: InControl,
    simulate: SimulateDays,
    rounds: int = 2,
) -> Calibration:
    """Correct a calibration for the surrogate's misfit where the estimate lies.

    Each round simulates days at the estimate and estimates again with their mean score taken off.
    `control` is what the first calibration used. A mean over too few days adds its own noise:
    simulate some thirty. What was believed at first is kept as the start of each estimate, and so
    is what intervals allow for.
    """
    names, first = tuple(e.name for e in calibration.estimates), calibration
    for _ in range(rounds):
        reference = np.array(calibration.parameters)
        likelihood = DayLikelihood(surrogate=surrogate, reference=reference, names=names)
        there = control.moved_to(likelihood, simulate(reference))
        calibration = calibrate_parameters(likelihood, days, there).held_against(first)
    return calibration


def _most_likely(
    likelihood: DayLikelihood, days: Transitions, control: InControl
) -> Float[np.ndarray, "hidden"]:
    """Maximum of the log likelihood less the slope it has when nothing has changed."""
    start, box = likelihood.centre, likelihood.box
    widths = box[:, 1] - box[:, 0]

    def cost(share: Float[np.ndarray, "hidden"]) -> tuple[float, Float[np.ndarray, "hidden"]]:
        point = box[:, 0] + share * widths
        values, slopes = likelihood.values_and_scores(days, point)
        tilt = len(values) * control.mean_score
        value = values.sum() - float(tilt @ (point - start))
        return -value, -(slopes.sum(axis=0) - tilt) * widths

    # Shares of the box, so that one tolerance fits all; a second start guards against a local peak.
    starts = (np.clip((start - box[:, 0]) / widths, 0.0, 1.0), np.full(len(widths), 0.5))
    bounds = [(0.0, 1.0)] * len(widths)
    found = [
        scipy.optimize.minimize(
            cost, x, jac=True, method="L-BFGS-B", bounds=bounds,
            options={"ftol": _TOLERANCE, "maxls": _LINE_STEPS},
        )
        for x in starts
    ]  # fmt: skip
    best = min(found, key=lambda result: float(result.fun))
    point: Float[np.ndarray, "hidden"] = box[:, 0] + np.asarray(best.x, dtype=float) * widths
    return point


def _standard_errors(
    information: Float[np.ndarray, "hidden hidden"], control: InControl, days: int
) -> Float[np.ndarray, "hidden"]:
    """Sandwich: the scores' covariance is the information at hand times the dispersion in control.

    A congested day says more of patience than a quiet one, and its score varies more; the
    dispersion carries over where the covariance itself would not. The mean score is itself a mean
    over the days in control, hence the second share.
    """
    inverse = np.linalg.inv(square_root(information))
    covariance = inverse @ control.dispersion @ inverse * (1.0 / days + 1.0 / control.days)
    result: Float[np.ndarray, "hidden"] = np.sqrt(np.diag(covariance))
    return result


def _estimates(
    likelihood: DayLikelihood,
    point: Float[np.ndarray, "hidden"],
    errors: Float[np.ndarray, "hidden"],
) -> tuple[Estimate, ...]:
    box, half_widths = likelihood.box, simultaneous_quantile(len(point), 1) * errors
    near = _AT_BOUND * (box[:, 1] - box[:, 0])
    is_at_bound = (point - box[:, 0] < near) | (box[:, 1] - point < near)
    return tuple(
        Estimate(
            name=name,
            start=float(likelihood.centre[i]),
            value=float(point[i]),
            standard_error=float(errors[i]),
            low=float(point[i] - half_widths[i]),
            high=float(point[i] + half_widths[i]),
            at_bound=bool(is_at_bound[i]),
        )
        for i, name in enumerate(likelihood.names)
    )
