"""The study as data."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from experiments.digests import short_digest
from experiments.lookup import found
from experiments.plants import Ground, Place
from experiments.time_to_policy.direct import LEAN, STOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One system, and everything that its rows depend on."""

    ground: Place
    episodes: int = 60
    """Simulated for a surrogate, on all cores."""
    train_seconds: float = 60.0
    """Of PPO on each surrogate."""
    surrogates: tuple[str, ...] = ("flow", "gp", "ensemble")
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    simulator_seeds: tuple[int, ...] = (1, 2, 3)
    """Of the arms that train on the simulator alone, which cost hours."""
    direct: tuple[str, ...] = field(default=(STOCK, LEAN), repr=False)
    """Those arms (keys of `DIRECT`)."""
    patience: float = 25.0
    """Those arms get so many times the wall-clock in which the quickest surrogate got there."""
    least_seconds: float = 300.0
    """They get at least that long."""
    judged_days: int = 30
    """True days, the same for everybody, on which checkpoints are judged."""
    checkpoints: int = 12
    """Of each training that are judged, evenly in the logarithm of time."""
    reaches: float = 0.98
    """Share of the best value known that must be reached: its cost over this is enough."""
    rule_search: tuple[int, int, int] = (6, 48, 128)
    """Rounds, candidates and days with which rules are tuned on a surrogate."""

    @property
    def name(self) -> str:
        """Of the system."""
        return self.ground.name

    @property
    def digest(self) -> str:
        """Twelve characters that change with any of these; seeds only say how often."""
        told = replace(self, seeds=(), simulator_seeds=())
        return short_digest(told)


THOROUGH = (
    Setting(ground=Ground(scenario="bank", agents=50)),
    Setting(ground=Ground(scenario="bank", agents=200)),
    Setting(
        ground=Ground(scenario="bank", agents=1000),
        episodes=24,
        judged_days=12,
        seeds=(1, 2, 3),
        simulator_seeds=(1,),
    ),
    Setting(ground=Ground(scenario="clinic"), episodes=200),
    Setting(ground=Ground(scenario="n_model")),
)


def find_setting(name: str, *, quick: bool = False) -> Setting:
    """The setting of a system. Raises UnknownSetting."""
    known = {setting.name: setting for setting in THOROUGH}
    setting = found(name, known, "system")
    return _quick(setting) if quick else setting


def _quick(setting: Setting) -> Setting:
    """A smoke test: its figures mean little."""
    return replace(
        setting,
        episodes=24,
        train_seconds=6.0,
        surrogates=("flow",),
        seeds=(1,),
        simulator_seeds=(1,),
        patience=0.5,
        least_seconds=10.0,
        judged_days=4,
        checkpoints=3,
        rule_search=(1, 8, 8),
    )
