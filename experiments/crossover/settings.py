"""The study as data: the desk in five sizes, raced as in `time_to_policy`."""

from __future__ import annotations

from dataclasses import replace

from experiments.crossover.desk import Desk
from experiments.lookup import found
from experiments.time_to_policy.direct import COMPILED, LEAN
from experiments.time_to_policy.settings import Setting

SURROGATE = "flow"
_BASE = Setting(
    ground=Desk(agents=5),
    episodes=24,
    train_seconds=30.0,
    surrogates=(SURROGATE,),
    seeds=(1, 2, 3),
    simulator_seeds=(1, 2, 3),
    direct=(LEAN, COMPILED),
    patience=10.0,
    least_seconds=60.0,
    judged_days=60,
    checkpoints=12,
)

THOROUGH = (
    _BASE,
    replace(_BASE, ground=Desk(agents=20)),
    replace(_BASE, ground=Desk(agents=100)),
    replace(_BASE, ground=Desk(agents=500), judged_days=24),
    replace(_BASE, ground=Desk(agents=2000), judged_days=12, simulator_seeds=(1,)),
)


def find_setting(name: str, *, quick: bool = False) -> Setting:
    """The setting of a size. Raises UnknownSetting."""
    known = {setting.name: setting for setting in THOROUGH}
    setting = found(name, known, "size")
    return _quick(setting) if quick else setting


def _quick(setting: Setting) -> Setting:
    """A smoke test: its figures mean little."""
    return replace(
        setting,
        episodes=8,
        train_seconds=5.0,
        seeds=(1,),
        simulator_seeds=(1,),
        patience=0.5,
        least_seconds=6.0,
        judged_days=4,
        checkpoints=3,
        rule_search=(1, 8, 8),
    )
