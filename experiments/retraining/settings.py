"""The study as data: one system, four changes of it, and how long everything may take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from experiments.digests import short_digest
from experiments.lookup import found
from experiments.plants import Ground
from training.loop import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What changes, and in which way that counts."""

    name: str
    change: Change
    parameters: dict[str, float] = field(default_factory=dict)
    """New parameters; the others stay nominal."""
    prices: dict[str, float] = field(default_factory=dict)
    """New costs of outputs and, with `closing:` in front, of what is left at the close."""
    routes: dict[str, float] = field(default_factory=dict)
    """By class that customers are passed on to, a new probability that no parameter stands for."""


DEARER = Turn(
    name="objective",
    change=Change.OBJECTIVE,
    # Lost calls count three times as much, and cases may wait for tomorrow.
    prices={"call_abandoned": 15.0, "call_wait": 0.45, "closing:follow_up_waiting": 3.0},
)
SLOWER = Turn(
    name="parameters inside",
    change=Change.INSIDE,
    parameters={"handle_time_scale": 1.2, "patience_scale": 0.7},
)
FAR = Turn(
    name="parameters outside",
    change=Change.OUTSIDE,
    parameters={"handle_time_scale": 1.6, "patience_scale": 0.35},
)
OTHER = Turn(
    name="structure",
    change=Change.STRUCTURE,
    # Tier 1 may settle what specialists used to, and leaves twice as many cases behind.
    routes={"escalation": 0.03, "follow_up": 0.30},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One change of one system, and everything that its rows depend on."""

    turn: Turn
    ground: Ground = field(default_factory=lambda: Ground(scenario="bank", agents=50))
    episodes: int = 200
    """Simulated for the surrogate before the change."""
    pretrain_seconds: float = 60.0
    """Of PPO on it before the change, and of the conditioned policy as well."""
    train_seconds: float = 40.0
    """Of PPO on the surrogate after the change."""
    renewed_episodes: int = 40
    """Simulated after a change that the surrogate has to learn."""
    simulator_seconds: float = 900.0
    """Of the arms that train on the simulator: some 25 times what a surrogate takes."""
    tuned_after: float = 15.0
    """Seconds on the surrogate after which one arm goes on on the simulator."""
    tuned_seconds: float = 120.0
    """That it has there."""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    simulator_seeds: tuple[int, ...] = (1, 2, 3)
    judged_days: int = 60
    checkpoints: int = 14
    regained: float = 0.9
    """Share of what can be gained over the old policy that must be reached."""

    @property
    def name(self) -> str:
        """Of the race."""
        return f"{self.ground.name}, {self.turn.name}"

    @property
    def digest(self) -> str:
        """Twelve characters that change with any of these; seeds only say how often."""
        told = replace(self, seeds=(), simulator_seeds=())
        return short_digest(told)


THOROUGH = (
    Setting(turn=DEARER),
    Setting(turn=SLOWER),
    # A surrogate that has to learn first is hoped to be five times sooner, not fifty.
    Setting(turn=FAR, simulator_seconds=450.0),
    Setting(turn=OTHER, simulator_seconds=450.0),
)


def find_setting(name: str, *, quick: bool = False) -> Setting:
    """The setting of a change. Raises UnknownSetting."""
    known = {setting.turn.name: setting for setting in THOROUGH}
    setting = found(name, known, "change")
    return _quick(setting) if quick else setting


def _quick(setting: Setting) -> Setting:
    """A smoke test: its figures mean little."""
    return replace(
        setting,
        episodes=24,
        pretrain_seconds=5.0,
        train_seconds=4.0,
        renewed_episodes=8,
        simulator_seconds=8.0,
        tuned_after=2.0,
        tuned_seconds=6.0,
        seeds=(1,),
        simulator_seeds=(1,),
        judged_days=4,
        checkpoints=3,
    )
