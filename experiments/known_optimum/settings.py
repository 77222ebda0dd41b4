"""The study as data: how much of the truth is seen, and how long PPO learns on the surrogate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from experiments.digests import digest_of
from experiments.known_optimum.networks import NETWORKS, Network, find_network
from experiments.known_optimum.walk import Walk
from training.rllib.settings import PPOSettings

PUBLISHED: Mapping[str, tuple[str, float]] = {
    "criss_cross_IL": ("PPO, Dai and Gluzman (2022), after up to 5e8 transitions", 0.671),
    "criss_cross_BL": ("PPO, Dai and Gluzman (2022), after up to 5e8 transitions", 0.843),
    "criss_cross_IM": ("PPO, Dai and Gluzman (2022), after up to 5e8 transitions", 2.084),
    "criss_cross_BM": ("PPO, Dai and Gluzman (2022), after up to 5e8 transitions", 2.829),
    "n_model": ("work-conserving PPO, QGym (2024)", 44.3),
    "reentrant": ("PPO, Dai and Gluzman (2022), after 5e8 transitions", 14.13),
}
"""What learners are published to cost. QGym's figures do not agree with exact simulation: its
MaxWeight costs 40.2 on the N-model, where 46.165 is the least possible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One network, and everything that its rows depend on."""

    network: str
    episodes: int
    """Simulated to fit the surrogate, at nominal parameters, from the empty system."""
    rule: str
    """Whose long-run costs are the measure of a decision (a key of `RULES`)."""
    rules: tuple[str, ...]
    """To compare with (keys of `RULES`)."""
    best_rule: str
    """The cheapest of these, with which what is learnt is paired. Learning begins with it and falls
    back on it where no rule is tuned."""
    steps: int
    """Epochs of the surrogate that PPO learns from."""
    horizon_minutes: float
    """For which the discount of .99 counts; a hundred times as long is what matters."""
    learning: PPOSettings = field(
        default_factory=lambda: PPOSettings(
            learning_rate=1e-3,
            final_learning_rate=5e-5,
            gae_lambda=0.97,
            num_envs=512,
            rollout_length=64,
            minibatch_size=4096,
        )
    )
    walk: Walk = field(default_factory=lambda: Walk(copies=1024, warm_up=4_000, events=8_000))
    """How a network without a grid is evaluated."""
    simulated: tuple[int, int] = (4, 2_500)
    """Paired episodes of the event simulator, and their epochs."""

    fades: tuple[float, ...] | None = None
    """Of the basis of costs to come; None: its own."""
    judged_every: int | None = None
    """Iterations between two looks at the policy's exact cost on the network that the surrogate is;
    the cheapest is kept. None keeps the last policy unseen."""

    is_stabilised: bool | None = None
    """Whether the rule decides where a class has more customers than the data ever showed."""
    faith: float | None = None
    """Chance with which PPO follows a rule to begin with, to which it learns exceptions; None: it
    learns from nothing."""
    tuning: tuple[int, int] | None = None
    """Rounds and candidates of the search for that rule on the network that the surrogate is; None:
    the best rule as it is."""

    @property
    def where(self) -> Network:
        """The network."""
        return find_network(self.network)

    @property
    def digest(self) -> str:
        """Changes with the setting."""
        return digest_of(self)


def _setting(network: str) -> Setting:
    if network == "n_model":
        # c-mu is unstable there, and max-pressure is MaxWeight.
        return Setting(
            network=network,
            episodes=10,
            rule="MaxWeight",
            rules=("threshold", "MaxWeight"),
            best_rule="threshold",
            steps=1_200_000,
            horizon_minutes=50.0,
            fades=(2.0, 6.0, 18.0),
            judged_every=4,
            is_stabilised=True,
            faith=0.9,
            tuning=(6, 24),
        )
    if network == "reentrant":
        return Setting(
            network=network,
            episodes=20,
            rule="last buffer first",
            rules=("last buffer first", "max-pressure", "MaxWeight", "c-mu"),
            best_rule="last buffer first",
            steps=2_000_000,
            horizon_minutes=300.0,
        )
    return Setting(
        network=network,
        episodes=20,
        rule="MaxWeight",
        rules=("max-pressure", "MaxWeight", "c-mu"),
        best_rule="max-pressure",
        steps=600_000,
        horizon_minutes=20.0,
    )


THOROUGH: tuple[Setting, ...] = tuple(_setting(name) for name in NETWORKS)


def find_setting(network: str, *, quick: bool) -> Setting:
    """The setting of a network; a quick one is a smoke test whose figures mean nothing."""
    setting = _setting(find_network(network).name)
    if not quick:
        return setting
    return replace(
        setting,
        episodes=3,
        steps=20_000,
        learning=replace(setting.learning, num_envs=64, rollout_length=32, minibatch_size=512),
        walk=Walk(copies=64, warm_up=100, events=200),
        simulated=(2, 200),
        tuning=None if setting.tuning is None else (1, 5),
    )
