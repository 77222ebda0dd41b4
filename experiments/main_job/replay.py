"""The live episodes through the true simulator, under whoever is in charge.

Where a scenario has volumes these are its later recorded days; else as many episodes as are
wanted. What the scenario says of change (dated, drifting or structural) is built into them, and
nobody who decides is told.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass, field

from envs.objective import Objective
from experiments.main_job.context import Context
from sim.arrivals import TraceArrivals
from sim.scenario import Scenario, SimulatorRecipe
from sim.simulator import Simulator
from sim.streams import stream
from surrogates.clock import with_clock
from training.evaluation import Day, run_day
from training.heuristics import Controller

_CHUNK = 6
_EPISODES = 80
"""Live episodes where the scenario does not say how many there are."""
_FARTHEST = 1000
"""Episodes among which the beginning of a drift is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangingRecipe:
    """Builds the simulator as it is in one episode, in whatever process calls it."""

    recipe: SimulatorRecipe
    episode: int

    def __call__(self) -> Simulator:
        """A fresh simulator, told nothing but what it was told at first."""
        simulator = self.recipe.drifting()
        simulator.episode = self.episode
        return with_clock(simulator)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveDay:
    """One live episode and what is true of it, unknown to those who decide."""

    label: str
    build: ChangingRecipe
    seed: int
    customers: int | None = None
    """Those who are recorded to have come."""
    parameters: dict[str, float] = field(default_factory=dict)
    """Changed on a date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What changes, and with which of the live days it begins."""

    position: int
    parameters: dict[str, float]
    """At the end of the live days; empty where the structure alone changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """The live days, and when they stop being like those before."""

    days: list[LiveDay]
    turn: Turn | None
    by_date: bool = False
    """Whether labels are dates."""


def live_days(context: Context) -> Live | None:
    """What is replayed; None for a scenario without volumes in which nothing ever changes."""
    scenario = context.scenario
    if scenario.volumes is not None:
        return _recorded(context)
    if scenario.drift or scenario.structural_change:
        return _simulated(context)
    return None


def run_live(
    days: list[LiveDay], controller: Controller, objective: Objective, executor: Executor
) -> list[Day]:
    """Run the days in parallel: each begins anew, so none depends on another."""
    parts = [days[i : i + _CHUNK] for i in range(0, len(days), _CHUNK)]
    jobs = [executor.submit(_run_part, part, controller, objective) for part in parts]
    return [day for job in jobs for day in job.result()]


def _run_part(days: list[LiveDay], controller: Controller, objective: Objective) -> list[Day]:
    return [run_day(day.build(), controller, objective, day.seed, day.parameters) for day in days]


def _recorded(context: Context) -> Live:
    """The days of the live period, with the dated change applied."""
    settings, change = context.scenario.volumes, context.scenario.change
    arrivals = context.arrivals
    assert settings is not None
    assert arrivals is not None
    volumes = context.volumes.between(settings.live_from, settings.live_to)
    dates, total = volumes.days, len(volumes.days)
    seeds = stream(context.settings.seed, "live").integers(2**31, size=total)
    dated = total if change is None else sum(day < change.on for day in dates)
    turn = min(dated, _first_changed(context.scenario, total))
    first, last = _window(total, context.settings.live_days or total, turn)
    days = [
        LiveDay(
            label=dates[i].isoformat(),
            customers=int(volumes.counts[i].sum()),
            seed=int(seeds[i]),
            parameters=change.parameters if change and i >= dated else {},
            build=ChangingRecipe(
                episode=i,
                recipe=SimulatorRecipe(
                    scenario=context.scenario,
                    arrivals=TraceArrivals(
                        day=dates[i].weekday(),
                        counts=volumes.counts[i],
                        slot_minutes=arrivals.slot_minutes,
                        profile=arrivals.profile,
                    ),
                ),
            ),
        )
        for i in range(first, last)
    ]
    return Live(days=days, turn=_turn(context, days, turn - first), by_date=True)


def _simulated(context: Context) -> Live:
    """As many episodes as are wanted, about the first that is unlike those before."""
    turn = _first_changed(context.scenario, _FARTHEST)
    wanted = context.settings.live_days or _EPISODES
    first, last = _window(turn + wanted, wanted, turn)
    seeds = stream(context.settings.seed, "live").integers(2**31, size=last)
    days = [
        LiveDay(
            label=f"episode {i}",
            seed=int(seeds[i]),
            build=ChangingRecipe(recipe=context.recipe, episode=i),
        )
        for i in range(first, last)
    ]
    return Live(days=days, turn=_turn(context, days, turn - first))


def _first_changed(scenario: Scenario, among: int) -> int:
    """The first of so many episodes in which something is not as at first; their number if none."""
    change = scenario.structural_change
    begun = {name: drift.at(0.0) for name, drift in scenario.drift.items()}
    for episode in range(1, among):
        if change is not None and episode >= change.from_episode:
            return episode
        if any(drift.at(float(episode)) != begun[name] for name, drift in scenario.drift.items()):
            return episode
    return among


def _window(total: int, wanted: int, turn: int) -> tuple[int, int]:
    """All days, or the wanted number about the change."""
    if wanted >= total:
        return 0, total
    middle = turn if turn < total else wanted // 2
    first = max(0, min(middle - wanted // 2, total - wanted))
    return first, first + wanted


def _turn(context: Context, days: list[LiveDay], position: int) -> Turn | None:
    if position >= len(days):
        return None
    names = context.description.parameter_values(context.description.nominal)
    drift, episode = context.scenario.drift, days[-1].build.episode
    drifted = {name: names[name] * course.at(float(episode)) for name, course in drift.items()}
    return Turn(position=max(0, position), parameters={**drifted, **days[-1].parameters})
