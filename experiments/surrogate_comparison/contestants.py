"""Who takes part: every family of ours that fits a system, and the peers that are installed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from experiments.surrogate_comparison.errors import UnusablePeer
from experiments.surrogate_comparison.peers.boosting import BoostingSettings
from experiments.surrogate_comparison.peers.exact import ExactSettings
from experiments.surrogate_comparison.peers.mbrl_ensemble import MbrlSettings
from experiments.surrogate_comparison.settings import Depth
from sim.description import Description
from surrogates.dataset import Transitions
from surrogates.families import DEFAULT_SETTINGS, families_for, fit_family
from surrogates.interface import Surrogate

Fit = Callable[[Transitions, Description, np.random.Generator], Surrogate]
BEST = ("flow", "gp")
"""The families of ours that are to be best everywhere."""
_PEERS = "experiments.surrogate_comparison.peers"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """Somebody who can be fitted."""

    name: str
    is_ours: bool
    settings: Any
    """All that its fit depends on beside data and seed."""
    fit: Fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A peer before its library is imported."""

    module: str
    function: str
    settings: Any
    quick: Any
    """Settings of a smoke test."""
    needs: str | None = None
    """A package that the project itself does not need."""

    @property
    def is_installed(self) -> bool:
        """Whether it can take part."""
        return self.needs is None or find_spec(self.needs) is not None

    def settings_at(self, depth: Depth) -> Any:
        """The settings of a smoke test or of the study."""
        return self.quick if depth == "quick" else self.settings

    def contestant(self, name: str, depth: Depth) -> Contestant:
        """The peer as a contestant; its library is imported when it is fitted."""
        settings = self.settings_at(depth)
        return Contestant(
            name=name, is_ours=False, settings=settings, fit=partial(self._fit, settings)
        )

    def _fit(
        self,
        settings: Any,
        transitions: Transitions,
        description: Description,
        random: np.random.Generator,
    ) -> Surrogate:
        if not self.is_installed:
            raise UnusablePeer(f"{self.needs!r} is not installed: pip install '.[comparison]'")
        fit = getattr(import_module(f"{_PEERS}.{self.module}"), self.function)
        fitted: Surrogate = fit(transitions, description, settings, random)
        return fitted


PEERS: dict[str, Peer] = {
    "botorch": Peer(
        module="botorch_gp",
        function="fit_botorch",
        settings=ExactSettings(rows=300),
        quick=ExactSettings(rows=60),
        needs="botorch",
    ),
    "smt": Peer(
        module="kriging",
        function="fit_kriging",
        settings=ExactSettings(rows=150),
        quick=ExactSettings(rows=40),
        needs="smt",
    ),
    "sklearn_gp": Peer(
        module="sklearn_gp",
        function="fit_sklearn_gp",
        settings=ExactSettings(rows=200),
        quick=ExactSettings(rows=60),
    ),
    "sklearn_boosting": Peer(
        module="boosting",
        function="fit_boosting",
        settings=BoostingSettings(),
        quick=BoostingSettings(folds=2),
    ),
    "mbrl": Peer(
        module="mbrl_ensemble",
        function="fit_mbrl",
        settings=MbrlSettings(),
        quick=replace(MbrlSettings(), hidden=50),
    ),
}
"""Rows of the exact processes: about what fits in two processor minutes for the clinic's 48
targets."""


def contestants(description: Description, depth: Depth) -> dict[str, Contestant]:
    """Everybody who can take part on a system, ours first."""
    ours = {
        name: Contestant(
            name=name,
            is_ours=True,
            settings=DEFAULT_SETTINGS[name],
            fit=partial(fit_family, name),
        )
        for name in families_for(description)
    }
    peers = {
        name: peer.contestant(name, depth) for name, peer in PEERS.items() if peer.is_installed
    }
    return ours | peers
