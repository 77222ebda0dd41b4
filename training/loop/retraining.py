"""The answer to a change: learn what is missing, train on, and replace only what is surely worse.

Challengers go on from the policy in charge and from nothing: which is better depends on how far
the change has moved the best policy, which nobody knows before. True episodes of their own choose
among them; the chosen one meets the policy in charge on fresh ones, so that luck in being chosen
counts for nothing.

An objective that changed and parameters inside the box cost no epoch of the true simulator but
those. Else the surrogate is taken to where it has not been: episodes are chosen there
by its doubt and by where the policy in charge goes, and it learns on from what it knows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sim.errors import InvalidParameters
from sim.output import Estimate
from surrogates.interface import Surrogate
from training.digests import digest_of
from training.evaluation import Comparison, compare
from training.forms import CostsForm, PolicyForm
from training.gate import FEWEST_EPISODES, decide_promotion
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
from training.policies import NetworkPolicy
from training.rllib.settings import Budget, PPOSettings
from training.search import mean_cost

_IMAGINED = 512
"""Episodes on the surrogate that say whom to tune."""


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
    fresh: bool = True
    """Whether another challenger is trained on the surrogate from nothing, within a budget of its
    own."""
    choose_episodes: int = 25
    """True paired episodes that choose among several challengers."""
    gate_episodes: int = 50
    """True paired episodes of the gate, others than those."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.choose_episodes < 1:
            raise InvalidParameters(f"choose_episodes {self.choose_episodes}: at least 1")
        if self.gate_episodes < FEWEST_EPISODES:
            raise InvalidParameters(
                f"gate_episodes {self.gate_episodes}: at least {FEWEST_EPISODES}, or nothing says "
                "how far costs differ by chance; a small gain takes 10 or more to show"
            )

    def numbered(self, number: int) -> RetrainSettings:
        """The same for the answer of that number, which meets other chance."""
        renewal = replace(self.renewal, seed=self.renewal.seed + number)
        return replace(self, seed=self.seed + number, renewal=renewal)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Retrained:
    """What came of an answer."""

    incumbent: Incumbent
    """Who is in charge afterwards; the surrogate is the refitted one in any case."""
    challenger: NetworkPolicy
    """The best of those who were trained, promoted or not."""
    is_promoted: bool
    evidence: Estimate
    """Relative cost of the challenger against who was in charge, under what is wanted now: how much
    worse the old policy's answer at once was."""
    reason: str
    comparison: Comparison
    """The gate's: who was in charge and the challenger."""
    choice: Comparison | None
    """Of all challengers, on the episodes that chose among them; None where there was one."""
    surrogate_steps: int
    """Of all trainings on the surrogate."""
    simulator_epochs: int
    """Of the true simulator, those of choice and gate included."""


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
    choice = job.choose(challengers)
    best = job.retrained if choice is None else choice.best(tuple(challengers))
    challenger = challengers[best].policy
    comparison = job.compare(challenger)
    verdict = decide_promotion(comparison, incumbent.policy.name, (best,))
    policy = challenger if verdict.is_promotion else incumbent.policy
    return Retrained(
        incumbent=replace(incumbent, policy=policy, surrogate=surrogate, transitions=transitions),
        challenger=challenger,
        is_promoted=verdict.is_promotion,
        evidence=verdict.evidence,
        reason=verdict.reason,
        comparison=comparison,
        choice=choice,
        surrogate_steps=sum(c.steps for name, c in challengers.items() if name != job.tuned),
        simulator_epochs=collected + job.simulated(challengers, choice),
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
        """Name of the challenger that went on from who is in charge, on the surrogate."""
        return f"re-trained {self.number}"

    @property
    def fresh(self) -> str:
        """Name of the challenger from nothing, on the surrogate."""
        return f"trained anew {self.number}"

    @property
    def tuned(self) -> str:
        """Name of the challenger that was tuned on the truth."""
        return f"fine-tuned {self.number}"

    def train(self, surrogate: Surrogate) -> dict[str, Trained]:
        """Challengers by name: from the surrogate, and where asked for tuned on the truth."""
        found = {self.retrained: self._imagined("train", surrogate, self.incumbent.policy)}
        if self.settings.fresh:
            found[self.fresh] = self._imagined("train-fresh", surrogate, None)
        tuning = self.settings.tuning
        if tuning is not None:
            best = self._best_imagined(surrogate, found)
            found[self.tuned] = self._tuned(tuning, found[best].policy)
        return found

    def _imagined(
        self, step: str, surrogate: Surrogate, warm_start: NetworkPolicy | None
    ) -> Trained:
        settings = self.settings
        name = self.fresh if warm_start is None else self.retrained
        return self.journal.step(
            step,
            lambda: train_imagined(
                self.plant,
                surrogate,
                settings.ppo,
                settings.budget,
                where=self.incumbent.beliefs,
                warm_start=warm_start,
                name=name,
                on_point=self.on_point,
            ),
            self._form,
            {"ppo": asdict(settings.ppo), "budget": asdict(settings.budget), **self._asked},
        )

    def _best_imagined(self, surrogate: Surrogate, found: Mapping[str, Trained]) -> str:
        """Whom the surrogate finds cheapest, all on the same episodes there, which are free."""
        if len(found) == 1:
            return self.retrained
        problem = self.plant.imagined(surrogate, self.incumbent.beliefs)
        (seed,) = seeds_of(self.settings.seed, 1, "imagined")
        costs = {
            name: mean_cost(problem, self.plant.controller(each.policy), _IMAGINED, seed)
            for name, each in found.items()
        }
        return min(costs, key=costs.__getitem__)

    def _tuned(self, tuning: PPOSettings, start: NetworkPolicy) -> Trained:
        budget = self.settings.tuning_budget
        return self.journal.step(
            "fine-tune",
            lambda: train_true(
                self.plant,
                tuning,
                budget,
                parameters=self._believed,
                warm_start=start,
                name=self.tuned,
                on_point=self.on_point,
            ),
            self._form,
            {"ppo": asdict(tuning), "budget": asdict(budget), **self._asked},
        )

    def choose(self, challengers: Mapping[str, Trained]) -> Comparison | None:
        """All challengers on true episodes; None where there is nothing to choose."""
        if len(challengers) == 1:
            return None
        policies = [each.policy for each in challengers.values()]
        return self._compared("choose", policies, self.settings.choose_episodes)

    def compare(self, challenger: NetworkPolicy) -> Comparison:
        """The chosen one and who is in charge, on episodes that chose nobody."""
        policies = [self.incumbent.policy, challenger]
        return self._compared("gate", policies, self.settings.gate_episodes)

    def simulated(self, challengers: Mapping[str, Trained], choice: Comparison | None) -> int:
        """Epochs of the true simulator that trainings, choice and gate took."""
        settings = self.settings
        tuned = challengers[self.tuned].steps if self.tuned in challengers else 0
        chosen = 0 if choice is None else len(choice.costs) * settings.choose_episodes
        episodes = chosen + 2 * settings.gate_episodes
        return tuned + episodes * self.plant.description.epochs

    def _compared(self, step: str, policies: Sequence[NetworkPolicy], episodes: int) -> Comparison:
        """Everybody on the same episodes of the true simulator, at the beliefs."""
        plant, seeds = self.plant, seeds_of(self.settings.seed, episodes, step)
        return self.journal.step(
            step,
            lambda: compare(
                plant.build,
                [plant.controller(policy) for policy in policies],
                plant.objective,
                seeds,
                self.executor,
                parameters=self._believed,
                on_progress=self.journal.counting(len(policies) * len(seeds)),
            ),
            CostsForm(),
            {"seeds": list(seeds), "who": [policy.name for policy in policies], **self._asked},
        )

    @property
    def _form(self) -> TrainedForm:
        return TrainedForm(
            policies=PolicyForm(system=self.plant.description.name, lineage=self._lineage)
        )

    @property
    def _believed(self) -> dict[str, float]:
        return self.plant.description.parameter_values(self.incumbent.beliefs)

    @property
    def _asked(self) -> dict[str, Any]:
        return {
            "beliefs": self._believed,
            "seed": self.settings.seed,
            "task": digest_of(self.plant),
            "policy": digest_of(self.incumbent.policy.to_tensors()),
            "data": digest_of(self.incumbent.transitions),
        }

    @property
    def _lineage(self) -> dict[str, Any]:
        return {"seed": self.settings.seed, "beliefs": self._believed}
