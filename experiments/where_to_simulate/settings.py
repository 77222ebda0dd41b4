"""The study as data: scenarios, how their surrogate is fitted, how many episodes, what is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from experiments.digests import short_digest
from experiments.lookup import found
from sim.description import Description
from surrogates.acquisition.committee import Fit
from surrogates.dataset import Transitions
from surrogates.families import DEFAULT_SETTINGS, FAMILIES
from surrogates.gaussian_process import GaussianProcessSettings
from surrogates.interface import Surrogate

Depth = Literal["quick", "thorough"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One scenario, and everything that its rows depend on."""

    scenario: str
    family: str
    """The surrogate that every arm is fitted with."""
    episodes: tuple[int, ...]
    """At how many simulated episodes, in all, the surrogate is fitted and scored."""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Of whole repetitions; arms with the same seed are compared."""
    screened_days: int = 2
    """True episodes for each candidate of the search for good policies."""
    searched: tuple[int, int] = (3, 12)
    """Rounds and candidates of that search."""
    varied: tuple[int, int] = (5, 11)
    """Constant rules and random linear rules among the policies to be ranked."""
    true_days: int = 12
    """True episodes from which a policy's value is known, at nominal parameters."""
    held_out: tuple[int, int] = (6, 2)
    """Held-out episodes of each good and of each varied policy, at nominal parameters; as many
    again all over the box."""
    scored_rows: int = 1000
    """Held-out epochs that are scored, drawn once."""
    draws: int = 16
    """Samples of the surrogate for each scored epoch."""
    ranked_days: int = 24
    """Episodes on the surrogate from which it ranks a policy."""
    search: tuple[int, int, int] = (2, 16, 4)
    """Rounds, candidates and days with which the active arm finds its current policy."""

    @property
    def digest(self) -> str:
        """Twelve characters that change with any of these; seeds only say how often."""
        told = (replace(self, seeds=()), _settings(self.family, 1000))
        return short_digest(told)


THOROUGH = (
    Setting(scenario="bank", family="flow", episodes=(8, 16, 32, 64)),
    Setting(scenario="clinic", family="gp", episodes=(8, 16, 32, 64)),
    Setting(scenario="callbacks", family="gp", episodes=(8, 16, 32, 64)),
)


def find_setting(scenario: str, depth: Depth = "thorough") -> Setting:
    """The setting of a scenario. Raises UnknownSetting."""
    known = {setting.scenario: setting for setting in THOROUGH}
    setting = found(scenario, known, "scenario")
    return setting if depth == "thorough" else quick(setting)


def quick(setting: Setting) -> Setting:
    """A smoke test: its figures mean little."""
    return replace(
        setting,
        episodes=(4, 8),
        seeds=(1, 2),
        screened_days=1,
        searched=(1, 6),
        varied=(2, 3),
        true_days=3,
        held_out=(1, 1),
        scored_rows=120,
        draws=6,
        ranked_days=4,
        search=(1, 6, 2),
    )


def _gaussian_process(rows: int) -> GaussianProcessSettings:
    # Never exact: a curve whose inference changes on the way would rise where it does.
    inducing = min(48, max(8, rows // 4))
    return GaussianProcessSettings(inducing=inducing, steps=30, batch=128, exact_rows=0)


SMALL: Mapping[str, Callable[[int], Any]] = {"gp": _gaussian_process}
"""By family small settings for so many rows, since hundreds of fits are needed; the others keep
their own."""


def _settings(family: str, rows: int) -> Any:
    small = SMALL.get(family)
    return small(rows) if small else DEFAULT_SETTINGS[family]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallFit:
    """Fits a family in a few seconds, holding out a tenth of all episodes whoever decided."""

    family: str
    description: Description

    def __call__(self, transitions: Transitions, random: np.random.Generator) -> Surrogate:
        """A fitted surrogate."""
        # One name for all, or a family that holds out an episode of every policy would hold out
        # half of a small data set with many policies.
        alike = replace(transitions, policy=np.full(len(transitions), "any"))
        settings = _settings(self.family, len(transitions))
        return FAMILIES[self.family](alike, self.description, settings, random)


def small_fit(setting: Setting, description: Description) -> Fit:
    """How this setting's surrogate is fitted."""
    return SmallFit(family=setting.family, description=description)
