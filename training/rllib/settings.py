"""What a training run is told: how to learn, and how long."""

from dataclasses import dataclass

from sim.errors import SurrogymError


class InvalidSettings(SurrogymError):
    """A setting outside its bounds; the message has the value and the bound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """What every algorithm is told. The defaults suit environments cheap to step."""

    hidden: tuple[int, ...] = (64, 64)
    """Widths of the tanh layers of every network."""
    learning_rate: float = 3e-4
    """Step size of the optimiser (Adam) at the start."""
    final_learning_rate: float = 0.0
    """Step size when the budget is spent; it falls linearly."""
    discount: float = 0.99
    """Weight of the next step's reward against this one's."""
    discount_minutes: float | None = None
    """Minutes for which `discount` counts, where epochs differ in length; None: for each step."""
    gradient_norm: float | None = 0.5
    """Bound on the gradient of each network per update; None does not clip."""
    num_envs: int = 256
    """Environments stepped side by side, over all runners."""
    rollout_length: int = 64
    """Steps of each environment in an iteration."""
    reward_scale: float | None = None
    """What rewards are multiplied by to be predicted; None: chosen from the first rollout."""
    num_env_runners: int = 0
    """Ray processes that collect; 0 collects in the calling process."""
    seed: int = 0
    """Root of initial weights, environments and exploration."""

    def __post_init__(self) -> None:
        """Raise InvalidSettings for values no training could mean."""
        self.require("num_envs", "rollout_length", at_least=1)
        self.require("num_env_runners", "final_learning_rate", at_least=0)
        self.require("discount", at_least=0, at_most=1)
        self.require("learning_rate", "discount_minutes", "gradient_norm", "reward_scale", above=0)
        check(self, "hidden", bool(self.hidden) and min(self.hidden) > 0, "positive widths")
        check(
            self,
            "num_envs",
            self.num_envs % max(self.num_env_runners, 1) == 0,
            f"a multiple of num_env_runners={self.num_env_runners}",
        )

    def require(
        self,
        *names: str,
        at_least: int | None = None,
        at_most: int | None = None,
        above: int | None = None,
    ) -> None:
        """Raise InvalidSettings where a value that is given is outside these bounds."""
        for name in names:
            value = getattr(self, name)
            if value is None:
                continue
            if at_least is not None:
                check(self, name, value >= at_least, f"at least {at_least}")
            if at_most is not None:
                check(self, name, value <= at_most, f"at most {at_most}")
            if above is not None:
                check(self, name, value > above, f"above {above}")

    @property
    def transitions_per_iteration(self) -> int:
        """Environment steps of an iteration, over all environments."""
        return self.num_envs * self.rollout_length


@dataclass(frozen=True, slots=True, kw_only=True)
class PPOSettings(TrainingSettings):
    """How PPO learns: from each rollout a few times, then never again."""

    memory: int = 0
    """Numbers that the policy remembers of an episode (by a gated recurrent unit behind its tanh
    layers), where what it sees does not tell all; 0: none. Learned through whole rollouts."""
    gae_lambda: float = 0.95
    """Trust in collected rewards (1) against the value network (0) when judging a decision."""
    clip: float = 0.2
    """Largest change of a decision's probability ratio that an update is rewarded for."""
    entropy_coefficient: float = 0.01
    """Weight of the bonus for random decisions at the start; it falls to 0 over the budget."""
    value_coefficient: float = 0.5
    """Weight of the value network's error."""
    minibatch_size: int = 2048
    """Transitions per gradient step."""
    num_epochs: int = 4
    """Times each transition is learned from."""
    value_warmup_iterations: int = 0
    """Iterations of a warm start that fit only the value network, which guards the policy."""
    step_warmup_iterations: int = 0
    """Iterations after that over which the steps of a warm start grow to their size."""
    reference_weight: float = 0.0
    """Weight of the KL divergence from the warm start's policy; it falls to 0 over the budget."""

    def __post_init__(self) -> None:
        """Raise InvalidSettings for values no training could mean."""
        # A class with slots is made anew, which `super()` does not know of.
        TrainingSettings.__post_init__(self)
        self.require("minibatch_size", "num_epochs", at_least=1)
        self.require(
            "value_warmup_iterations",
            "step_warmup_iterations",
            "reference_weight",
            "memory",
            at_least=0,
        )
        self.require("gae_lambda", at_least=0, at_most=1)
        self.require("clip", above=0)
        check(
            self,
            "reference_weight",
            not (self.memory and self.reference_weight),
            f"0 with memory={self.memory}, because the policy loaded remembers other things",
        )
        check(
            self,
            "minibatch_size",
            self.minibatch_size <= self.transitions_per_iteration,
            f"at most num_envs * rollout_length = {self.transitions_per_iteration}",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """When to stop: at whichever limit comes first. Give at least one."""

    seconds: float | None = None
    """Wall time from the call, evaluations included; no iteration is begun that would pass it."""
    steps: int | None = None
    """Environment steps; the last iteration may pass it."""

    def __post_init__(self) -> None:
        """Raise InvalidSettings without a positive limit."""
        limits = [limit for limit in (self.seconds, self.steps) if limit is not None]
        if not limits or min(limits) <= 0:
            raise InvalidSettings(
                f"budget of {self.seconds} seconds and {self.steps} steps: give a positive limit"
            )

    def spent(self, *, seconds: float, steps: int) -> float:
        """The share of the budget used up, 1 when it is gone."""
        shares = [0.0]
        if self.seconds is not None:
            shares.append(seconds / self.seconds)
        if self.steps is not None:
            shares.append(steps / self.steps)
        return min(1.0, max(shares))


def check(settings: TrainingSettings, name: str, holds: bool, bound: str) -> None:
    """Raise InvalidSettings with the setting's value unless the bound holds."""
    if not holds:
        raise InvalidSettings(f"{name}={getattr(settings, name)!r} must be {bound}")
