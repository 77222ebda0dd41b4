"""The study as data: scenarios, changes, and how much is simulated of everything."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Literal

from experiments.lookup import found
from training.drift import DetectorSettings, StructureSettings

Depth = Literal["quick", "thorough"]
SHIFT = "shift"
"""The one kind of change of values that do not depend on each other."""


_DETECTOR = DetectorSettings(run_length=100.0, assurance=0.5, resamples=20, chains=25)
_STRUCTURE = StructureSettings(points=24, spans=(1, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The routing that changes; no parameter of the scenario stands for it."""

    of: str
    to: str
    grows: bool
    """Whether more customers take it after the change, or fewer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One scenario, and everything that its rows depend on."""

    scenario: str
    choice: int
    """The joint decision that is taken all day: who is in charge matters little here."""
    route: Route | None
    kinds: tuple[str, ...] = ("arrivals", "service", "patience", "capacity", "routing")
    sizes: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    """Relative changes: arrivals, service times and the route up or as it says, patience and
    capacity down."""
    seeds: tuple[int, ...] = (1, 2, 3, 4, 5)
    """Of calibrations; each has a fit, days in control and random numbers of its own."""
    episodes: int = 200
    """From which the surrogate is learnt."""
    control_days: int = 150
    """On which each detector is calibrated."""
    fresh_days: int = 300
    """In control, on which no detector was calibrated; runs are drawn from them."""
    changed_days: int = 15
    """Of each kind and size of change; runs after a change are drawn from them."""
    quiet_days: int = 20
    """Before each change."""
    longest_delay: int = 40
    """Days after a change beyond which it counts as missed."""
    runs: int = 10
    """For each change and calibration."""
    control_runs: int = 30
    """In control, for each calibration."""
    longest_run: int = 250
    """Days of a run in control at most; a run without an alarm counts as unfinished."""
    explained: int = 1
    """Alarms of each change and calibration that the structure test explains."""
    detector: DetectorSettings = _DETECTOR
    """Half of the resampled sets run longer and half shorter, so that all aim at the same mean."""
    structure: StructureSettings = _STRUCTURE

    @property
    def digest(self) -> str:
        """Twelve characters that change with any of these; seeds only say how often."""
        return sha256(repr(replace(self, seeds=())).encode()).hexdigest()[:12]


THOROUGH = (
    Setting(scenario="iid", choice=0, route=None, kinds=(SHIFT,), sizes=(0.5, 1.0)),
    Setting(
        scenario="clinic",
        choice=10,
        route=Route(of="consultation", to="pharmacy", grows=False),
    ),
    Setting(scenario="bank", choice=9, route=Route(of="call", to="escalation", grows=True)),
)


def find_setting(scenario: str, depth: Depth = "thorough") -> Setting:
    """The setting of a scenario. Raises UnknownSetting."""
    known = {setting.scenario: setting for setting in THOROUGH}
    setting = found(scenario, known, "scenario")
    return setting if depth == "thorough" else quick(setting)


def quick(setting: Setting) -> Setting:
    """A smoke test: its figures mean little."""
    return replace(
        setting,
        sizes=setting.sizes[-1:],
        seeds=(1, 2),
        episodes=24,
        control_days=24,
        fresh_days=24,
        changed_days=4,
        quiet_days=4,
        longest_delay=8,
        runs=2,
        control_runs=4,
        longest_run=30,
        explained=1,
        detector=replace(setting.detector, run_length=20.0, resamples=4, chains=4),
        structure=replace(setting.structure, points=20, spans=(1,)),
    )
