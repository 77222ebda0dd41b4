"""The families of surrogates, by name: how each is fitted, set and brought back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sim.description import Description
from sim.errors import suggestion
from surrogates.baselines import (
    MeanSurrogate,
    NearestNeighbourSettings,
    NearestNeighbourSurrogate,
    fit_mean,
    fit_nearest_neighbours,
)
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow, obstacle_to_flow
from surrogates.gaussian_process import (
    GaussianProcessSettings,
    GaussianProcessSurrogate,
    fit_gaussian_process,
)
from surrogates.interface import Surrogate

Fit = Callable[..., Surrogate]
"""`fit(transitions, description, settings, random, on_progress=None)`."""
Load = Callable[[dict[str, np.ndarray], Description], Surrogate]

FAMILIES: dict[str, Fit] = {
    "flow": fit_flow,
    "gp": fit_gaussian_process,
    "bootstrap": fit_nearest_neighbours,
    "mean": fit_mean,
}

DEFAULT_SETTINGS: dict[str, Any] = {
    "flow": FlowSettings(),
    "gp": GaussianProcessSettings(),
    "bootstrap": NearestNeighbourSettings(),
    "mean": None,
}
"""The settings each family is fitted with unless told otherwise."""

LOADERS: dict[str, Load] = {
    "flow": FlowSurrogate.from_tensors,
    "gp": GaussianProcessSurrogate.from_tensors,
    "bootstrap": NearestNeighbourSurrogate.from_tensors,
    "mean": MeanSurrogate.from_tensors,
}


def families_for(description: Description) -> tuple[str, ...]:
    """Names of the families that can stand in for a simulator; `flow` needs stocks and flows."""
    has_flows = obstacle_to_flow(description) is None
    return tuple(name for name in FAMILIES if has_flows or name != "flow")


def fit_family(
    family: str,
    transitions: Transitions,
    description: Description,
    random: np.random.Generator,
    on_progress: Callable[[float], None] | None = None,
) -> Surrogate:
    """Fit a family by its name with its default settings.

    Raises InvalidDataset for an unknown name.
    """
    if family not in FAMILIES:
        raise InvalidDataset(f"no surrogate family {family!r}{suggestion(family, FAMILIES)}")
    fit = FAMILIES[family]
    return fit(transitions, description, DEFAULT_SETTINGS[family], random, on_progress)
