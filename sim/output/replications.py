"""As many independent runs as a wanted precision takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSample
from sim.output.intervals import Estimate, mean_interval
from sim.output.samples import refuse_confidence

Run = Callable[[int], float | Float[np.ndarray, "output"]]
"""The figure, or the figures, of the replication with the given number, counted from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replications:
    """Figures of independent runs, and whether they are as precise as was asked."""

    values: Float[np.ndarray, "replication output"]
    estimates: tuple[Estimate, ...]
    """One for each figure of a run."""
    relative_precision: float
    """Greatest half-width of an interval, relative to its mean without the half-width."""
    is_met: bool
    """False when the most replications allowed were not enough."""


def replicate(
    run: Run,
    relative_precision: float,
    confidence: float = 0.95,
    first: int = 10,
    most: int = 1000,
) -> Replications:
    """Repeat a run until every mean is known within a share of itself, or `most` times.

    The number that `run` receives must choose its random streams, so that runs are independent
    and can be repeated. After the `first` runs it stops as soon as every half-width is at most
    `relative_precision` of its mean less that half-width, which bounds the error relative to the
    truth (Law 2015, chapter 9). To stop by looking makes intervals hold the truth slightly less
    often than they say; a larger `first` mends that. Raises InvalidSample for a precision that is
    not above 0 and for figures that are not finite.
    """
    refuse_confidence(confidence)
    _refuse_plan(relative_precision, first, most)
    rows: list[Float[np.ndarray, "output"]] = []
    for number in range(most):
        rows.append(_figures(run(number), number))
        if len(rows) >= first and _precision(rows, confidence) <= relative_precision:
            break
    precision = _precision(rows, confidence)
    return Replications(
        values=np.array(rows),
        estimates=_estimates(rows, confidence),
        relative_precision=precision,
        is_met=precision <= relative_precision,
    )


def _refuse_plan(relative_precision: float, first: int, most: int) -> None:
    if not relative_precision > 0:
        raise InvalidSample(f"relative_precision {relative_precision}: above 0, such as 0.05")
    if not 2 <= first <= most:
        raise InvalidSample(f"{first} first and {most} most replications: 2 <= first <= most")


def _figures(
    result: float | Float[np.ndarray, "output"], number: int
) -> Float[np.ndarray, "output"]:
    figures = np.atleast_1d(np.asarray(result, dtype=float))
    if not np.isfinite(figures).all():
        raise InvalidSample(f"replication {number} gave {figures}: figures must be finite")
    return figures


def _estimates(rows: list[Float[np.ndarray, "output"]], confidence: float) -> tuple[Estimate, ...]:
    return tuple(mean_interval(column, confidence) for column in np.array(rows).T)


def _precision(rows: list[Float[np.ndarray, "output"]], confidence: float) -> float:
    """Greatest relative half-width; endless when an interval reaches 0."""
    return max(_relative(estimate) for estimate in _estimates(rows, confidence))


def _relative(estimate: Estimate) -> float:
    half_width = estimate.half_width
    if half_width == 0:
        return 0.0
    surely = abs(estimate.value) - half_width
    return half_width / surely if surely > 0 else float("inf")
