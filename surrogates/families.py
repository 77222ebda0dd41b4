"""The families of surrogates, by name: how each is fitted, set and brought back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
from surrogates.ensemble import EnsembleSurrogate, fit_ensemble
from surrogates.ensemble.members import FAST
from surrogates.errors import InvalidDataset
from surrogates.flow import FlowSettings, FlowSurrogate, fit_flow, obstacle_to_flow
from surrogates.fluid import FluidSurrogate, fit_fluid, obstacle_to_fluid
from surrogates.gaussian_process import (
    GaussianProcessSettings,
    GaussianProcessSurrogate,
    fit_gaussian_process,
)
from surrogates.interface import Surrogate
from surrogates.progress import Progress
from surrogates.quantile import QuantileSettings, QuantileSurrogate, fit_quantile
from surrogates.trees import TreesSettings, TreesSurrogate, fit_trees

Fit = Callable[..., Surrogate]
"""`fit(transitions, description, settings, random, on_progress=None)`."""
Load = Callable[[dict[str, np.ndarray], Description], Surrogate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One way to learn a surrogate."""

    name: str
    fit: Fit
    settings: Any
    """What it is fitted with unless told otherwise."""
    load: Load
    obstacle: Callable[[Description], str | None] | None = None
    """Why it cannot stand in for a simulator, or None; no function where it always can."""


_TABLE = (
    Family(
        name="flow",
        fit=fit_flow,
        settings=FlowSettings(),
        load=FlowSurrogate.from_tensors,
        obstacle=obstacle_to_flow,
    ),
    Family(
        name="ensemble",
        fit=fit_ensemble,
        settings=FAST,
        load=EnsembleSurrogate.from_tensors,
    ),
    Family(
        name="gp",
        fit=fit_gaussian_process,
        settings=GaussianProcessSettings(),
        load=GaussianProcessSurrogate.from_tensors,
    ),
    Family(
        name="quantile",
        fit=fit_quantile,
        settings=QuantileSettings(),
        load=QuantileSurrogate.from_tensors,
    ),
    Family(
        name="trees",
        fit=fit_trees,
        settings=TreesSettings(),
        load=TreesSurrogate.from_tensors,
    ),
    Family(
        name="bootstrap",
        fit=fit_nearest_neighbours,
        settings=NearestNeighbourSettings(),
        load=NearestNeighbourSurrogate.from_tensors,
    ),
    Family(
        name="fluid",
        fit=fit_fluid,
        settings=None,
        load=FluidSurrogate.from_tensors,
        obstacle=obstacle_to_fluid,
    ),
    Family(name="mean", fit=fit_mean, settings=None, load=MeanSurrogate.from_tensors),
)

FAMILIES: dict[str, Fit] = {family.name: family.fit for family in _TABLE}
DEFAULT_SETTINGS: dict[str, Any] = {family.name: family.settings for family in _TABLE}
"""The settings each family is fitted with unless told otherwise."""
LOADERS: dict[str, Load] = {family.name: family.load for family in _TABLE}
_OBSTACLES = {family.name: family.obstacle for family in _TABLE if family.obstacle}


def families_for(description: Description) -> tuple[str, ...]:
    """Names of the families that can stand in for a simulator."""
    return tuple(name for name in FAMILIES if obstacle_to(name, description) is None)


def obstacle_to(family: str, description: Description) -> str | None:
    """Why a family cannot stand in for a simulator; None when it can."""
    obstacle = _OBSTACLES.get(family)
    return None if obstacle is None else obstacle(description)


def refuse_unfit(family: str, description: Description) -> None:
    """Raise InvalidDataset for an unknown name, and for a family that cannot stand in."""
    if family not in FAMILIES:
        raise InvalidDataset(f"no surrogate family {family!r}{suggestion(family, FAMILIES)}")
    obstacle = obstacle_to(family, description)
    if obstacle is not None:
        raise InvalidDataset(
            f"{family} cannot stand in for {description.name!r}: {obstacle}; "
            f"these can: {', '.join(families_for(description))}"
        )


def fit_family(
    family: str,
    transitions: Transitions,
    description: Description,
    random: np.random.Generator,
    on_progress: Progress | None = None,
) -> Surrogate:
    """Fit a family by its name with its default settings.

    Raises InvalidDataset for an unknown name, and for a family that cannot stand in.
    """
    refuse_unfit(family, description)
    fit = FAMILIES[family]
    return fit(transitions, description, DEFAULT_SETTINGS[family], random, on_progress)
