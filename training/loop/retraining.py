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

from sim.errors import InvalidParameters
from sim.output import Estimate
from sim.streams import stream
from surrogates.interface import Surrogate
from training.evaluation import Comparison, compare
from training.forms import CostsForm, PolicyForm
from training.gate import decide_promotion
from training.journal import Journal
from training.loop.decision import Decision
from training.loop.learning import (
    OnPoint,
    Trained,
    TrainedForm,
    seeds_of,
    train_imagined,
    train_true,
)
from training.loop.renewal import Incumbent, RenewalSettings, renew
from training.plant import Plant
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
    renewal: RenewalSettings = field(default_factory=RenewalSettings)
    """Of what the surrogate has to learn first, where it must."""
    gate_episodes: int = 50
    """True paired episodes of the gate."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.gate_episodes < 1:
            raise InvalidParameters(f"gate_episodes {self.gate_episodes}: at least 1")

    def numbered(self, number: int) -> RetrainSettings:
        """The same for the answer of that number, which meets other chance."""
        renewal = replace(self.renewal, seed=self.renewal.seed + number)
        return replace(self, seed=self.seed + number, renewal=renewal)


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
    on_point: OnPoint | None = None,
) -> Retrained:
    """Carry out a decision for the plant as it is now, wanted as it is now.

    `incumbent.beliefs` are the parameters as re-estimated; `number` tells the challengers of one
    answer from those of another. Every step is kept in the journal. `on_point` hears how each
    challenger's training goes. Raises InvalidParameters for a decision that asks for no training.
    """
    if not decision.retrains:
        raise InvalidParameters(f"nothing to retrain for: {decision.reason}")
    renewed = renew(plant, incumbent, decision, settings.renewal, journal, executor)
    collected = renewed.simulator_epochs
    surrogate, transitions = renewed.surrogate, renewed.transitions
    job = _Retraining(
        plant.believing(incumbent.beliefs),
        incumbent,
        settings,
        journal,
        executor,
        number,
        on_point,
    )
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


@dataclass(frozen=True, slots=True)
class _Retraining:
    """The steps, each kept in the journal."""

    plant: Plant
    incumbent: Incumbent
    settings: RetrainSettings
    journal: Journal
    executor: Executor
    number: int
    on_point: OnPoint | None

    @property
    def retrained(self) -> str:
        """Name of the challenger from the surrogate."""
        return f"re-trained {self.number}"

    @property
    def tuned(self) -> str:
        """Name of the challenger that was tuned on the truth."""
        return f"fine-tuned {self.number}"

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
                    on_point=self.on_point,
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
                    on_point=self.on_point,
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
    def _believed(self) -> dict[str, float]:
        return self.plant.description.parameter_values(self.incumbent.beliefs)

    @property
    def _asked(self) -> dict[str, Any]:
        return {"beliefs": self._believed, "seed": self.settings.seed}

    @property
    def _lineage(self) -> dict[str, Any]:
        return {"seed": self.settings.seed, "beliefs": self._believed}
