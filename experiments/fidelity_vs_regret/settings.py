"""The study as data: which surrogates, how little each sees, and how much is looked at."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from experiments.digests import short_digest
from experiments.lookup import found
from experiments.plants import Ground
from surrogates.fidelity import FidelitySettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One system, and everything that its rows depend on."""

    ground: Ground
    episodes: tuple[int, ...] = (4, 12, 40, 120)
    """Simulated days that a surrogate sees: starved, scant, some, enough."""
    seeds: tuple[int, ...] = (1, 2, 3)
    """Of the data, the fits and the trainings."""
    steps: int = 300_000
    """Epochs of the surrogate that PPO learns from: the same for a quick family and a slow one."""
    judged_days: int = 60
    """True days, the same for every policy."""
    looked_at: FidelitySettings = field(
        default_factory=lambda: FidelitySettings(
            episodes=32,
            scored_rows=800,
            conditional_rows=200,
            policies=20,
            days=12,
            copies=4,
            gap_days=40,
            gap_episodes=256,
        )
    )
    """Smaller than a report's, which is of one surrogate and not of a hundred."""

    @property
    def name(self) -> str:
        """Of the system."""
        return self.ground.name

    @property
    def digest(self) -> str:
        """Changes with any of these; seeds and sizes only say which rows there are."""
        told = replace(self, seeds=(), episodes=())
        return short_digest(told)


THOROUGH = (
    Setting(ground=Ground(scenario="clinic")),
    Setting(ground=Ground(scenario="bank", agents=50), seeds=(1, 2)),
)


def find_setting(name: str, *, quick: bool = False) -> Setting:
    """The setting of a system. Raises UnknownSetting."""
    known = {setting.name: setting for setting in THOROUGH}
    setting = found(name, known, "system")
    return _quick(setting) if quick else setting


def _quick(setting: Setting) -> Setting:
    """A smoke test: its figures mean nothing."""
    return replace(
        setting,
        episodes=(6,),
        seeds=(1,),
        steps=20_000,
        judged_days=4,
        looked_at=FidelitySettings(
            episodes=8,
            scored_rows=60,
            conditional_rows=20,
            draws=16,
            policies=6,
            days=4,
            copies=1,
            gap_days=4,
            gap_episodes=8,
        ),
    )
