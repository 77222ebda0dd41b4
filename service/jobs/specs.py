"""What can be asked for: one kind of job for each stage, told by `kind`.

A spec names systems, earlier jobs' artefacts and registered models; never a path, a module or a
function, so that whoever may submit jobs may not choose what code runs.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, model_validator

from service.jobs.registry import MODEL_NAME, ModelKind
from sim.errors import SurrogymError
from training.rllib.off_policy_settings import DQNSettings, SACSettings
from training.rllib.settings import Budget, PPOSettings

_MINIBATCH = 2048
_FEWEST_POINTS, _FEWEST_DAYS = 20, 20
"""As a structure test asks for, which is not loaded where jobs are only taken."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=60)]
ModelName = Annotated[str, Field(pattern=MODEL_NAME)]
SystemName = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(:[A-Za-z0-9._-]+)?$",
        max_length=100,
        description="A system of /v1/scenarios, or `name:variant`",
        examples=["clinic"],
    ),
]
Seed = Annotated[int, Field(ge=0, le=2**31 - 1)]
Episodes = Annotated[int, Field(ge=1, le=100_000)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Values = Annotated[dict[Annotated[str, Field(max_length=200)], Number], Field(max_length=200)]


class InvalidSpec(SurrogymError):
    """A job that could not be done as it is."""


class Closed(BaseModel):
    """Refuses what it does not know, and never changes."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FromJob(Closed):
    """An artefact of an earlier job that is done."""

    job: str = Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")
    artefact: Name


class FromModel(Closed):
    """A registered version: `name@version`, or `name@alias` as it stands at submission."""

    model: str = Field(pattern=r"^[^@]{1,100}@[^@]{1,60}$", examples=["clinic-policy@champion"])


class Given(Closed):
    """What the service itself brings along, such as a monitor's telemetry."""

    given: Name


Input = FromJob | FromModel | Given


class BudgetSpec(Closed):
    """When a training ends: at whichever comes first."""

    steps: int | None = Field(default=None, ge=1, le=10**10)
    seconds: float | None = Field(default=None, gt=0, le=7 * 24 * 3600)

    def to_settings(self) -> Budget:
        """As trainings take it; raises InvalidSettings where nothing is given."""
        return Budget(steps=self.steps, seconds=self.seconds)


Widths = Annotated[list[Annotated[int, Field(ge=1, le=1024)]], Field(min_length=1, max_length=4)]
Rate = Annotated[float, Field(gt=0, le=1)]
Share = Annotated[float, Field(ge=0, le=1)]


class LearningSpec(Closed):
    """What every algorithm can be told; what is left out is as the algorithm likes it."""

    hidden: Widths | None = None
    learning_rate: Rate | None = None
    discount: Share | None = None
    num_envs: int | None = Field(default=None, ge=1, le=16_384)
    rollout_length: int | None = Field(default=None, ge=1, le=4096)

    def told(self) -> dict[str, Any]:
        """What was told, as settings take it."""
        told = self.model_dump(exclude_none=True)
        if self.hidden is not None:
            told["hidden"] = tuple(self.hidden)
        return told


class PPOSpec(LearningSpec):
    """How PPO learns."""

    memory: int | None = Field(default=None, ge=0, le=512)
    gae_lambda: Share | None = None
    clip: Rate | None = None
    entropy_coefficient: Share | None = None
    minibatch_size: int | None = Field(default=None, ge=1, le=1_000_000)
    num_epochs: int | None = Field(default=None, ge=1, le=100)

    def to_settings(self, seed: int, **defaults: Any) -> PPOSettings:
        """As PPO takes it; raises InvalidSettings for what no training could mean."""
        told = defaults | self.told()
        if "minibatch_size" not in told:
            envs = told.get("num_envs", PPOSettings().num_envs)
            length = told.get("rollout_length", PPOSettings().rollout_length)
            told["minibatch_size"] = min(_MINIBATCH, envs * length)
        return PPOSettings(**told, seed=seed)


class OffPolicySpec(LearningSpec):
    """How DQN and SAC learn."""

    batch_size: int | None = Field(default=None, ge=1, le=65_536)
    updates_per_iteration: int | None = Field(default=None, ge=1, le=10_000)
    replay_capacity: int | None = Field(default=None, ge=1, le=10_000_000)
    learning_starts: int | None = Field(default=None, ge=1, le=1_000_000)
    n_step: int | None = Field(default=None, ge=1, le=100)

    def to_dqn(self, seed: int, **defaults: Any) -> DQNSettings:
        """As DQN takes it; raises InvalidSettings for what no training could mean."""
        return DQNSettings(**defaults | self.told(), seed=seed)

    def to_sac(self, seed: int, **defaults: Any) -> SACSettings:
        """As SAC takes it; raises InvalidSettings for what no training could mean."""
        return SACSettings(**defaults | self.told(), seed=seed)


class BaseSpec(Closed):
    """What every job is told."""

    scenario: SystemName
    seed: Seed = 0
    cores: int = Field(default=1, ge=1, le=1024, description="Cores that are kept for it")
    title: str | None = Field(default=None, max_length=200)
    limit_seconds: float | None = Field(
        default=None, gt=0, description="Wall time of an attempt; the operator's limit by default"
    )
    stall_seconds: float | None = Field(
        default=None, gt=0, description="Without news after which it is taken to be stuck"
    )
    makes: ClassVar[tuple[ModelKind, ...]] = ()
    """Artefacts that are models."""

    publish: dict[ModelKind, ModelName] = Field(
        default_factory=dict,
        description="Names under which artefacts are registered as models when it is done",
        examples=[{"policy": "clinic-policy"}],
    )

    def check(self) -> None:
        """Raise SurrogymError for what contradicts itself."""
        stray = [name for name in self.publish if name not in self.makes]
        if stray:
            raise InvalidSpec(
                f"publish: such a job makes no {stray[0]}; models that it makes: "
                f"{', '.join(self.makes) or 'none'}"
            )
        if len(set(self.publish.values())) < len(self.publish):
            raise InvalidSpec("publish: one name for two models, give each its own")


class CollectSpec(BaseSpec):
    """Run the true simulator over its parameters and all kinds of behaviour."""

    kind: Literal["collect"]
    episodes: Episodes = 200


class FitSpec(BaseSpec):
    """Fit a surrogate, and score it on episodes that it has not seen."""

    makes = ("surrogate",)
    kind: Literal["fit"]
    transitions: Input
    family: Name = "flow"
    held_out: float = Field(default=0.2, ge=0.05, le=0.5)


class TrainSpec(BaseSpec):
    """Train a policy on a surrogate."""

    makes = ("policy",)
    kind: Literal["train"]
    surrogate: Input
    algorithm: Literal["ppo", "dqn", "sac"] = "ppo"
    budget: BudgetSpec = BudgetSpec(steps=1_000_000)
    ppo: PPOSpec = PPOSpec()
    off_policy: OffPolicySpec = OffPolicySpec()
    warm_start: Input | None = None
    parameters: Values | None = None

    def check(self) -> None:
        """Raise SurrogymError for what contradicts itself."""
        super().check()
        self.budget.to_settings()
        if self.algorithm == "ppo":
            self.ppo.to_settings(self.seed)
        else:
            self.off_policy.to_dqn(self.seed)


class FineTuneSpec(BaseSpec):
    """Go on from a policy on the true simulator; it is kept unless the new one is surely better."""

    makes = ("policy",)
    kind: Literal["fine_tune"]
    policy: Input
    budget: BudgetSpec = BudgetSpec(steps=20_000)
    ppo: PPOSpec | None = None
    parameters: Values | None = None
    judge_episodes: Annotated[Episodes, Field(ge=2)] = 40
    evaluate_every: int = Field(default=0, ge=0, le=10_000)

    def check(self) -> None:
        """Raise SurrogymError for what contradicts itself."""
        super().check()
        self.budget.to_settings()
        if self.ppo is not None:
            self.ppo.to_settings(self.seed)


class EvaluateSpec(BaseSpec):
    """Policies beside rules of thumb on the true simulator, all on the same episodes."""

    kind: Literal["evaluate"]
    policies: dict[Name, Input] = Field(default_factory=dict, max_length=20)
    rules: bool = True
    surrogate: Input | None = Field(
        default=None, description="On which a rule is tuned; none is where it is not given"
    )
    episodes: Annotated[int, Field(ge=2, le=100_000)] = 40
    parameters: Values | None = None


class Estimating(Closed):
    """How parameters are re-estimated."""

    most_days_back: int = Field(
        default=10, ge=1, le=100, description="Last days among which the change is sought"
    )
    in_control_days: int = Field(default=60, ge=4, le=10_000)
    refining_days: int = Field(default=30, ge=0, le=10_000)


class Investigating(Estimating):
    """How it is found out what changed."""

    structure_points: Annotated[int, Field(ge=_FEWEST_POINTS, le=10_000)] | None = Field(
        default=None,
        description="Places in the box where three days each are simulated, to tell a change of "
        "structure from one of parameters: 60 are enough. With null all are taken for the latter",
    )

    @model_validator(mode="after")
    def _knows_what_is_usual(self) -> Investigating:
        if self.structure_points is not None and self.in_control_days < _FEWEST_DAYS:
            raise ValueError(
                f"in_control_days: at least {_FEWEST_DAYS} where a change of structure is looked "
                "for, or structure_points null"
            )
        return self


class Retraining(Closed):
    """How policies are trained again, and judged."""

    ppo: PPOSpec = PPOSpec()
    budget: BudgetSpec = BudgetSpec(steps=1_000_000)
    tuning_budget: BudgetSpec | None = Field(
        default=None, description="Of going on on the true simulator; none where it is left out"
    )
    renewal_episodes: Episodes = 40
    gate_episodes: Annotated[int, Field(ge=2, le=100_000)] = 50

    def check_training(self, seed: int) -> None:
        """Raise SurrogymError for what contradicts itself."""
        self.ppo.to_settings(seed)
        self.budget.to_settings()
        if self.tuning_budget is not None:
            self.tuning_budget.to_settings()


class CalibrateSpec(Investigating, BaseSpec):
    """Re-estimate hidden parameters from telemetry, and since when they hold."""

    kind: Literal["calibrate"]
    surrogate: Input
    telemetry: Input
    policy: Input | None = Field(
        default=None, description="Who was in charge; the middle decision where it is not given"
    )
    beliefs: Values | None = None


class RetrainSpec(Retraining, Investigating, BaseSpec):
    """The answer to a change: learn what is missing, train on, and judge by paired episodes.

    With the telemetry a calibration that pushes against the box is followed beyond it first; where
    a test of structure finds the days unexplained there too, the job fails and says so.
    """

    makes = ("policy", "surrogate")
    kind: Literal["retrain"]
    change: Literal["objective", "inside", "outside", "structure"]
    policy: Input
    surrogate: Input
    transitions: Input
    beliefs: Values | None = None
    calibration: Input | None = Field(
        default=None, description="A calibration whose estimates are believed"
    )
    telemetry: Input | None = Field(
        default=None, description="From which parameters outside the box are estimated further"
    )
    costs: Values | None = Field(default=None, description="Other costs of outputs")
    costs_at_close: Values | None = None

    def check(self) -> None:
        """Raise SurrogymError for what contradicts itself."""
        super().check()
        self.check_training(self.seed)


class PipelineSpec(BaseSpec):
    """From no data to a policy: collect, fit, train, look at the truth, correct, and again."""

    makes = ("policy", "surrogate")
    kind: Literal["pipeline"]
    family: Name = "flow"
    episodes: Episodes = 200
    rounds: int = Field(default=3, ge=1, le=20)
    visits: Annotated[int, Field(ge=2, le=100_000)] = 40
    doublings: int = Field(
        default=2,
        ge=0,
        le=10,
        description="Times that visits are doubled at most, where they leave the gap unknown",
    )
    imagined: Annotated[int, Field(ge=2, le=100_000)] = 512
    tolerance: float = Field(default=0.02, ge=0, le=1)
    final_episodes: Annotated[int, Field(ge=2, le=100_000)] = 40
    ppo: PPOSpec = PPOSpec()
    budget: BudgetSpec = BudgetSpec(steps=3_000_000)
    transitions: Input | None = Field(default=None, description="In place of the first collection")

    def check(self) -> None:
        """Raise SurrogymError for what contradicts itself."""
        super().check()
        self.ppo.to_settings(self.seed)
        self.budget.to_settings()


Spec = Annotated[
    CollectSpec
    | FitSpec
    | TrainSpec
    | FineTuneSpec
    | EvaluateSpec
    | CalibrateSpec
    | RetrainSpec
    | PipelineSpec,
    Field(discriminator="kind"),
]
SPEC: TypeAdapter[Spec] = TypeAdapter(Spec)
KINDS = (
    "collect", "fit", "train", "fine_tune", "evaluate", "calibrate", "retrain", "pipeline",
)  # fmt: skip


def inputs_of(spec: BaseSpec) -> Iterator[tuple[str, Input]]:
    """What a spec stands on: `field`, or `field.name` where there are several."""
    for name in type(spec).model_fields:
        value = getattr(spec, name)
        if isinstance(value, FromJob | FromModel | Given):
            yield name, value
        elif name == "policies":
            yield from ((f"policies.{who}", each) for who, each in value.items())


def digest_of(spec: BaseSpec) -> str:
    """The same for the same spec, however it was written."""
    written = json.dumps(spec.model_dump(mode="json"), sort_keys=True, allow_nan=False)
    return hashlib.sha256(written.encode()).hexdigest()
