"""The one list of truths."""

from __future__ import annotations

from experiments.truths import (
    arriving,
    controlled,
    delay,
    impatience,
    interruptions,
    loss,
    open_network,
    parts,
    priorities,
    service,
    time_varying,
)
from experiments.truths.errors import UnknownSetting
from experiments.truths.setting import Setting
from experiments.truths.truth import Truth
from sim.errors import suggestion

TRUTHS: tuple[Truth, ...] = (
    *loss.TRUTHS,
    *delay.TRUTHS,
    *impatience.TRUTHS,
    *time_varying.TRUTHS,
    *service.TRUTHS,
    *interruptions.TRUTHS,
    *arriving.TRUTHS,
    *priorities.TRUTHS,
    *open_network.TRUTHS,
    *parts.TRUTHS,
    *controlled.TRUTHS,
)
SETTINGS: dict[str, Setting] = {truth.setting.name: truth.setting for truth in TRUTHS}
"""By name, each once however many truths are measured on it."""


def truths_of(setting: Setting) -> tuple[Truth, ...]:
    """What is measured on a setting."""
    return tuple(truth for truth in TRUTHS if truth.setting.name == setting.name)


def find_setting(name: str) -> Setting:
    """A setting by its name. Raises UnknownSetting with a name that is near."""
    if name not in SETTINGS:
        raise UnknownSetting(f"unknown setting {name!r}{suggestion(name, SETTINGS)}")
    return SETTINGS[name]
