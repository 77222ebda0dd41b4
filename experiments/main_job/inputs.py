"""Looks at what a run is given before anything is written: every fault is said beforehand."""

from __future__ import annotations

from datetime import date

from experiments.main_job.errors import InvalidRun
from experiments.main_job.settings import MainJobSettings
from sim.arrivals import DoublyStochasticArrivals, fit_doubly_stochastic
from sim.description import Description
from sim.scenario import Scenario, SimulatorRecipe, load_scenario
from sim.scenario_file import Change
from training.likelihood import hidden_parameters

_MOST_CHOICES = 4096


def check_inputs(settings: MainJobSettings) -> None:
    """Refuse a bad scenario, bad volumes, or a simulator with nothing to decide."""
    scenario = load_scenario(settings.scenario)
    arrivals = _check_volumes(scenario, settings.volumes)
    description = SimulatorRecipe(scenario=scenario, arrivals=arrivals)().describe()
    _check_choices(description)
    if scenario.change is not None:
        _check_change(scenario.change, description)


def _check_volumes(scenario: Scenario, source: str | None) -> DoublyStochasticArrivals | None:
    used = scenario.volumes
    if used is None:
        if source is not None:
            raise InvalidRun(
                f"--volumes {source}: scenario {scenario.name!r} says itself who comes; leave it "
                "out, or give the scenario [volumes] in place of [arrivals]"
            )
        return None
    volumes = used.read(source)
    arrivals = fit_doubly_stochastic(volumes.between(used.fit_from, used.fit_to))
    volumes.between(used.live_from, used.live_to)
    _check_order(used.fit_to, used.live_from)
    return arrivals


def _check_order(fit_to: date, live_from: date) -> None:
    if live_from <= fit_to:
        raise InvalidRun(f"volumes.live_from {live_from} must be later than fit_to {fit_to}")


def _check_choices(description: Description) -> None:
    if not description.levers:
        raise InvalidRun(f"{description.name!r} has no levers: there is nothing to decide")
    count = 1
    for lever in description.levers:
        count *= len(lever.levels)
    if not 1 < count <= _MOST_CHOICES:
        raise InvalidRun(
            f"{description.name!r} offers {count:,} joint choices: from 2 to {_MOST_CHOICES:,}; "
            "give its levers fewer levels"
        )


def _check_change(change: Change, description: Description) -> None:
    hidden = hidden_parameters(description)
    for name in change.parameters:
        if name not in hidden or name == "arrival_scale":
            raise InvalidRun(
                f"change.parameters.{name}: rosters are seen and recorded volumes are given, "
                "so the replay can change handle_time_scale and patience_scale only"
            )
