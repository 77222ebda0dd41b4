"""Observations that also tell which system and which objective are at hand.

One policy then serves a range of both: it is trained on episodes that differ in their parameters
and prices, sees which ones it has, and is told yours when it acts.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32

from envs.objective import Objective
from envs.observation import Observation, Viewpoint
from envs.preferences import Preferences
from sim.description import Description
from sim.errors import InvalidParameters, InvalidSystem, suggestion


@runtime_checkable
class ToldViewpoint(Protocol):
    """A viewpoint that can be told the parameters and the objective of each row."""

    def told(
        self,
        states: Float[np.ndarray, "batch state"],
        parameters: Float[np.ndarray, "batch parameter"],
        numbers: Float[np.ndarray, "batch number"],
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states, each of its own system and objective."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditioned:
    """A viewpoint with parameters and numbers of the objective beside it.

    They are told from -1 to 1 over their ranges. Asked about states alone it tells of `parameters`
    and of `numbers`: what is believed of the system now, and what is wanted now.
    """

    viewpoint: Viewpoint
    parameters: Float[np.ndarray, "parameter"]
    shown_parameters: tuple[str, ...]
    preferences: Preferences | None
    numbers: Float[np.ndarray, "number"]

    @classmethod
    def of(
        cls,
        viewpoint: Viewpoint,
        *,
        shown_parameters: tuple[str, ...] | None = None,
        preferences: Preferences | None = None,
        parameters: Float[np.ndarray, "parameter"] | None = None,
    ) -> Conditioned:
        """Show the named parameters (all by default), and the numbers that `preferences` vary."""
        description = viewpoint.description
        every = tuple(p.name for p in description.parameters)
        return cls(
            viewpoint=viewpoint,
            parameters=description.nominal if parameters is None else parameters,
            shown_parameters=every if shown_parameters is None else shown_parameters,
            preferences=preferences,
            numbers=np.zeros(0) if preferences is None else preferences.objective.numbers,
        )

    def __post_init__(self) -> None:
        known = [p.name for p in self.description.parameters]
        for name in self.shown_parameters:
            if name not in known:
                raise InvalidParameters(f"unknown parameter {name!r}{suggestion(name, known)}")
        if not (self.shown_parameters or self.preferences):
            raise InvalidSystem(
                "nothing to condition on: name a parameter of "
                f"{self.description.name!r} or give preferences"
            )

    def wanting(self, objective: Objective) -> Conditioned:
        """Telling of another objective. Raises InvalidSystem where that lacks what varies."""
        if self.preferences is None:
            return self
        preferences = replace(self.preferences, objective=objective)
        return replace(self, preferences=preferences, numbers=objective.numbers)

    @property
    def description(self) -> Description:
        """The simulator whose states are seen."""
        return self.viewpoint.description

    @property
    def _positions(self) -> list[int]:
        known = [p.name for p in self.description.parameters]
        return [known.index(name) for name in self.shown_parameters]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed numbers, in order."""
        wanted = () if self.preferences is None else tuple(self.preferences.ranges)
        return (*self.viewpoint.names, *self.shown_parameters, *wanted)

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of states of the one system that is believed in, under one objective."""
        rows = len(states)
        beside = self._beside(self.parameters[None, :], self.numbers[None, :])
        return np.concatenate(
            [self._seen(states, self.parameters[None, :]), np.repeat(beside, rows, axis=0)], axis=1
        )

    def told(
        self,
        states: Float[np.ndarray, "batch state"],
        parameters: Float[np.ndarray, "batch parameter"],
        numbers: Float[np.ndarray, "batch number"],
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states, each of its own system and objective."""
        seen = self._seen(states, parameters)
        return np.concatenate([seen, self._beside(parameters, numbers)], axis=1)

    def _seen(
        self,
        states: Float[np.ndarray, "batch state"],
        parameters: Float[np.ndarray, "rows parameter"],
    ) -> Float32[np.ndarray, "batch observation"]:
        """The calendar as it is under the parameters that are shown: what is hidden stays so."""
        if not isinstance(self.viewpoint, Observation):
            return self.viewpoint(states)
        beliefs = np.tile(self.parameters, (len(states), 1))
        beliefs[:, self._positions] = parameters[:, self._positions]
        return self.viewpoint.believing(states, beliefs)

    def _beside(
        self,
        parameters: Float[np.ndarray, "rows parameter"],
        numbers: Float[np.ndarray, "rows number"],
    ) -> Float32[np.ndarray, "rows beside"]:
        shown = [self.description.parameters[i] for i in self._positions]
        parts = [_centred(parameters[:, self._positions], [(p.low, p.high) for p in shown])]
        if self.preferences is not None:
            ranges = list(self.preferences.ranges.values())
            parts.append(_centred(numbers[:, self.preferences.positions], ranges))
        return np.concatenate(parts, axis=1).astype(np.float32)


def _centred(
    values: Float[np.ndarray, "rows name"], ranges: list[tuple[float, float]]
) -> Float[np.ndarray, "rows name"]:
    """From -1 at the least to 1 at the most; 0 where nothing varies."""
    low, high = np.array(ranges, dtype=float).reshape(-1, 2).T
    width = np.where(high > low, high - low, 1.0)
    return np.asarray(np.where(high > low, 2.0 * (values - low) / width - 1.0, 0.0))
