"""What a surrogate learns after a change, where it has to, and from which true episodes.

Inside the box nothing: it has learnt what parameters do. Outside it, and after a change of
structure, episodes are chosen about the new beliefs, where the surrogate doubts and where the
policy in charge goes, and it learns on from what it knows.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.description import Description
from sim.errors import InvalidParameters
from sim.streams import stream
from surrogates.acquisition import AcquisitionSettings, choose_episodes
from surrogates.acquisition.proposals import CURRENT, plan_purpose, propose_episodes
from surrogates.collect import collect
from surrogates.dataset import Transitions, concatenate
from surrogates.design import PlannedEpisode
from surrogates.interface import Surrogate
from training.controllers import PolicyController
from training.digests import digest_of
from training.forms import SurrogateForm, TransitionsForm
from training.journal import Journal
from training.loop.decision import Change, Decision
from training.loop.learning import redescribed, refit
from training.plant import Plant
from training.policies import NetworkPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class RenewalSettings:
    """How much is simulated, and where."""

    episodes: int = 40
    """True episodes that a surrogate learns on from."""
    candidates: int = 4
    """Candidates for each of them."""
    around: float = 0.15
    """How far around the new parameters they are spread, as a share of each."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.episodes, self.candidates) < 1 or not 0 <= self.around < 1:
            raise InvalidParameters(
                f"episodes {self.episodes} and candidates {self.candidates}: at least 1; around "
                f"{self.around}: from 0 to below 1"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Incumbent:
    """Who is in charge, and what is known and believed of the system."""

    policy: NetworkPolicy
    surrogate: Surrogate
    transitions: Transitions
    """What the surrogate was fitted to."""
    beliefs: Float[np.ndarray, "parameter"]
    """Parameters believed true, in the order of the description."""

    def controller(self, plant: Plant) -> PolicyController:
        """Who decides on the plant, seeing it as it is believed to be."""
        return plant.believing(self.beliefs).controller(self.policy)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Renewed:
    """A surrogate that knows what it has to, and what that took."""

    surrogate: Surrogate
    transitions: Transitions
    """What it was fitted to."""
    simulator_epochs: int
    """Of the true simulator; none where nothing had to be learnt."""


def renew(
    plant: Plant,
    incumbent: Incumbent,
    decision: Decision,
    settings: RenewalSettings,
    journal: Journal,
    executor: Executor,
) -> Renewed:
    """Let the surrogate learn what the change asks for, and nothing where it knows that already.

    True episodes are chosen about the beliefs, where it doubts and where the policy goes. After a
    change of structure they are all that it learns from: what the system did before it will not do
    again.
    """
    if not decision.simulates:
        return Renewed(
            surrogate=incumbent.surrogate, transitions=incumbent.transitions, simulator_epochs=0
        )
    seen = plant.believing(incumbent.beliefs)
    job = _Renewal(seen, incumbent, settings, journal, executor)
    new = job.collect()
    is_another = decision.change is Change.STRUCTURE
    transitions = new if is_another else concatenate([incumbent.transitions, new])
    return Renewed(
        surrogate=job.refit(transitions), transitions=transitions, simulator_epochs=len(new)
    )


def around(
    description: Description, parameters: Float[np.ndarray, "parameter"], share: float
) -> Description:
    """The same system with a box about the given parameters, which become the nominal ones."""
    placed = tuple(
        replace(p, low=value * (1 - share), high=value * (1 + share), nominal=value)
        if p.low < p.high
        else p
        for p, value in zip(description.parameters, parameters.tolist(), strict=True)
    )
    return replace(description, parameters=placed)


def widened(description: Description, to: Description) -> Description:
    """The same system with a box that holds those of both."""
    boxes = zip(description.parameters, to.parameters, strict=True)
    wide = tuple(
        replace(p, low=min(p.low, other.low), high=max(p.high, other.high)) for p, other in boxes
    )
    return replace(description, parameters=wide)


@dataclass(frozen=True, slots=True)
class _Renewal:
    """The steps, each kept in the journal."""

    plant: Plant
    incumbent: Incumbent
    settings: RenewalSettings
    journal: Journal
    executor: Executor

    @property
    def _there(self) -> Description:
        return around(self.plant.description, self.incumbent.beliefs, self.settings.around)

    @property
    def _wide(self) -> Description:
        return widened(self.incumbent.surrogate.description, self._there)

    def collect(self) -> Transitions:
        """True episodes about the beliefs, where the surrogate doubts and the policy goes."""
        controller = self.plant.controller(self.incumbent.policy)
        return self.journal.step(
            "collect",
            lambda: collect(
                self.plant.build,
                self._choose(),
                self.executor,
                policies={CURRENT: controller},
                on_progress=self.journal.counting(self.settings.episodes),
            ),
            TransitionsForm(description=self.plant.description, lineage=self._lineage),
            {"episodes": self.settings.episodes, **self._asked},
        )

    def _choose(self) -> tuple[PlannedEpisode, ...]:
        settings, there = self.settings, self._there
        random = stream(settings.seed, "where to simulate")
        offered_seed, purpose_seed = random.integers(2**31, size=2).tolist()
        offered = propose_episodes(
            there, settings.candidates * settings.episodes, offered_seed, policies=(CURRENT,)
        )
        matters = plan_purpose(there, (CURRENT, CURRENT, "linear"), 32, purpose_seed)
        return choose_episodes(
            redescribed(self.incumbent.surrogate, self._wide),
            self.plant.build(),
            self.incumbent.transitions,
            offered,
            matters,
            settings.episodes,
            random,
            policies={CURRENT: self.plant.controller(self.incumbent.policy)},
            settings=AcquisitionSettings(),
        )

    def refit(self, transitions: Transitions) -> Surrogate:
        """Learn on from what is known, in a box that holds the beliefs."""
        random = stream(self.settings.seed, "refit")
        return self.journal.step(
            "refit",
            lambda: refit(
                redescribed(self.incumbent.surrogate, self._wide),
                transitions,
                random,
                self.journal.at,
            ),
            SurrogateForm(description=self._wide, lineage=self._lineage),
            {"rows": len(transitions), **self._asked},
        )

    @property
    def _believed(self) -> dict[str, float]:
        return self.plant.description.parameter_values(self.incumbent.beliefs)

    @property
    def _asked(self) -> dict[str, Any]:
        return {
            "beliefs": self._believed,
            "seed": self.settings.seed,
            "candidates": self.settings.candidates,
            "around": self.settings.around,
            "simulator": digest_of(self.plant.build, self.plant.description),
            "policy": digest_of(self.incumbent.policy.to_tensors()),
            "data": digest_of(self.incumbent.transitions),
        }

    @property
    def _lineage(self) -> dict[str, Any]:
        return {"seed": self.settings.seed, "beliefs": self._believed}
