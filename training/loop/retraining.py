"""The answer to a change: learn what is missing, train on, and replace only what is surely worse.

An objective that changed and parameters inside the box cost no epoch of the true simulator but
those of the gate. Else the surrogate is taken to where it has not been: episodes are chosen there
by its doubt and by where the policy in charge goes, and it learns on from what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.description import Description
from sim.errors import InvalidParameters
from sim.output import Estimate
from sim.streams import stream
from surrogates.acquisition import AcquisitionSettings, choose_episodes
from surrogates.acquisition.proposals import CURRENT, plan_purpose, propose_episodes
from surrogates.collect import collect
from surrogates.dataset import Transitions, concatenate
from surrogates.design import PlannedEpisode
from surrogates.interface import Surrogate
from training.evaluation import Comparison, compare
from training.forms import CostsForm, PolicyForm, SurrogateForm, TransitionsForm
from training.gate import decide_promotion
from training.journal import Journal
from training.loop.decision import Change, Decision
from training.loop.learning import (
    Trained,
    TrainedForm,
    redescribed,
    refit,
    seeds_of,
    train_imagined,
    train_true,
)
from training.plant import Plant
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, PPOSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainSettings:
    """How much of everything."""

    ppo: PPOSettings = field(default_factory=PPOSettings)
    """On the surrogate."""
    budget: Budget = field(default_factory=lambda: Budget(steps=1_000_000))
    """Of the training on the surrogate."""
    tuning: PPOSettings | None = None
    """On the true simulator, afterwards; None leaves that out."""
    tuning_budget: Budget = field(default_factory=lambda: Budget(steps=20_000))
    episodes: int = 40
    """True episodes that a surrogate learns on from, where it must."""
    candidates: int = 4
    """Candidates for each of them."""
    around: float = 0.15
    """How far around the new parameters they are spread, as a share of each."""
    gate_episodes: int = 50
    """True paired episodes of the gate."""
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.episodes, self.candidates, self.gate_episodes) < 1 or not 0 <= self.around < 1:
            raise InvalidParameters(
                f"episodes {self.episodes}, candidates {self.candidates}, gate_episodes "
                f"{self.gate_episodes}: at least 1; around {self.around}: from 0 to below 1"
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrained:
    """What came of an answer."""

    incumbent: Incumbent
    """Who is in charge afterwards; the surrogate is the refitted one in any case."""
    is_promoted: bool
    evidence: Estimate
    """Relative cost of the best challenger against who was in charge, under what is wanted now: how
    much worse the old policy's answer at once was."""
    reason: str
    comparison: Comparison
    surrogate_steps: int
    simulator_epochs: int
    """Of the true simulator, the gate's included."""


def retrain(
    plant: Plant,
    incumbent: Incumbent,
    decision: Decision,
    settings: RetrainSettings,
    journal: Journal,
    executor: Executor,
    *,
    number: int = 1,
) -> Retrained:
    """Carry out a decision for the plant as it is now, wanted as it is now.

    `incumbent.beliefs` are the parameters as re-estimated; `number` tells the challengers of one
    answer from those of another. Every step is kept in the journal.
    Raises InvalidParameters for a decision that asks for no training.
    """
    if not decision.retrains:
        raise InvalidParameters(f"nothing to retrain for: {decision.reason}")
    job = _Retraining(
        plant.believing(incumbent.beliefs), incumbent, settings, journal, executor, number
    )
    surrogate, transitions, collected = incumbent.surrogate, incumbent.transitions, 0
    if decision.simulates:
        new = job.collect()
        collected = len(new)
        # What the system did before its structure changed it will not do again.
        is_another = decision.change is Change.STRUCTURE
        transitions = new if is_another else concatenate([transitions, new])
        surrogate = job.refit(transitions)
    challengers = job.train(surrogate)
    comparison = job.compare(challengers)
    names = tuple(challengers)
    verdict = decide_promotion(
        comparison, incumbent.policy.name, names, stream(settings.seed, "gate")
    )
    policy = challengers[verdict.champion].policy if verdict.is_promotion else incumbent.policy
    tuned = challengers[job.tuned].steps if job.tuned in challengers else 0
    gate = (len(names) + 1) * settings.gate_episodes * plant.description.epochs
    return Retrained(
        incumbent=replace(incumbent, policy=policy, surrogate=surrogate, transitions=transitions),
        is_promoted=verdict.is_promotion,
        evidence=verdict.evidence,
        reason=verdict.reason,
        comparison=comparison,
        surrogate_steps=challengers[job.retrained].steps,
        simulator_epochs=collected + tuned + gate,
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
class _Retraining:
    """The steps, each kept in the journal."""

    plant: Plant
    incumbent: Incumbent
    settings: RetrainSettings
    journal: Journal
    executor: Executor
    number: int

    @property
    def retrained(self) -> str:
        """Name of the challenger from the surrogate."""
        return f"re-trained {self.number}"

    @property
    def tuned(self) -> str:
        """Name of the challenger that was tuned on the truth."""
        return f"fine-tuned {self.number}"

    @property
    def _there(self) -> Description:
        return around(self.plant.description, self.incumbent.beliefs, self.settings.around)

    @property
    def _wide(self) -> Description:
        return widened(self.incumbent.surrogate.description, self._there)

    @property
    def _believed(self) -> dict[str, float]:
        return self.plant.description.parameter_values(self.incumbent.beliefs)

    def collect(self) -> Transitions:
        """True episodes about the beliefs, where the surrogate doubts and the policy goes."""
        controller = self.plant.controller(self.incumbent.policy)
        return self.journal.step(
            "collect",
            lambda: collect(
                self.plant.build, self._choose(), self.executor, policies={CURRENT: controller}
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
            lambda: refit(redescribed(self.incumbent.surrogate, self._wide), transitions, random),
            SurrogateForm(description=self._wide, lineage=self._lineage),
            {"rows": len(transitions), **self._asked},
        )

    def train(self, surrogate: Surrogate) -> dict[str, Trained]:
        """Challengers by name: from the surrogate, and where asked for tuned on the truth."""
        settings = self.settings
        form = TrainedForm(
            policies=PolicyForm(system=self.plant.description.name, lineage=self._lineage)
        )
        found = {
            self.retrained: self.journal.step(
                "train",
                lambda: train_imagined(
                    self.plant,
                    surrogate,
                    settings.ppo,
                    settings.budget,
                    where=self.incumbent.beliefs,
                    warm_start=self.incumbent.policy,
                    name=self.retrained,
                ),
                form,
                {"ppo": asdict(settings.ppo), "budget": asdict(settings.budget), **self._asked},
            )
        }
        tuning = settings.tuning
        if tuning is not None:
            found[self.tuned] = self.journal.step(
                "fine-tune",
                lambda: train_true(
                    self.plant,
                    tuning,
                    settings.tuning_budget,
                    parameters=self._believed,
                    warm_start=found[self.retrained].policy,
                    name=self.tuned,
                ),
                form,
                {"ppo": asdict(tuning), "budget": asdict(settings.tuning_budget), **self._asked},
            )
        return found

    def compare(self, challengers: Mapping[str, Trained]) -> Comparison:
        """Everybody on the same fresh episodes of the true simulator, at the beliefs."""
        settings, plant = self.settings, self.plant
        seeds = seeds_of(settings.seed, settings.gate_episodes, "gate")
        who = [self.incumbent.policy, *(each.policy for each in challengers.values())]
        controllers = [plant.controller(policy) for policy in who]
        return self.journal.step(
            "gate",
            lambda: compare(
                plant.build,
                controllers,
                plant.objective,
                seeds,
                self.executor,
                parameters=self._believed,
            ),
            CostsForm(),
            {"seeds": list(seeds), "who": [policy.name for policy in who], **self._asked},
        )

    @property
    def _asked(self) -> dict[str, Any]:
        return {"beliefs": self._believed, "seed": self.settings.seed}

    @property
    def _lineage(self) -> dict[str, Any]:
        return {"seed": self.settings.seed, "beliefs": self._believed}
