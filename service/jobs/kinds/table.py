"""The kinds of jobs by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from service.jobs.kinds import (
    calibrate,
    collect,
    evaluate,
    fine_tune,
    fit,
    pipeline,
    retrain,
    train,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One stage as a job."""

    run: Callable[[Any], dict[str, Any]]
    """Does a `Work`, adds artefacts, and gives the outcome in a few numbers."""
    weights: Callable[[Any], Mapping[str, float]]
    """Steps of the journal under a spec, and about how long each takes beside the others."""
    needs_ray: bool = False
    """Whether it trains; simulations alone need Ray only for several cores."""


KIND_TABLE: dict[str, Kind] = {
    "collect": Kind(run=collect.run, weights=collect.weights),
    "fit": Kind(run=fit.run, weights=fit.weights),
    "train": Kind(run=train.run, weights=train.weights, needs_ray=True),
    "fine_tune": Kind(run=fine_tune.run, weights=fine_tune.weights, needs_ray=True),
    "evaluate": Kind(run=evaluate.run, weights=evaluate.weights),
    "calibrate": Kind(run=calibrate.run, weights=calibrate.weights),
    "retrain": Kind(run=retrain.run, weights=retrain.weights, needs_ray=True),
    "pipeline": Kind(run=pipeline.run, weights=pipeline.weights, needs_ray=True),
}
