"""Clauses on the form of what a simulator says: description, states, epochs, time and end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from sim.contract.check import Verdict, fails, first_fault, holds, plural, skipped
from sim.contract.faults import not_counting, not_finite, state_fault
from sim.contract.run import Run, attempt
from sim.contract.trial import Trial
from sim.description import Description

_METHODS = ("describe", "reset", "advance")


def describe(trial: Trial) -> Verdict:
    """`describe()` gives the same Description, whatever has been run."""
    simulator, fault = trial.built
    if fault:
        return fails(f"it cannot be built: {fault}")
    lacking = [name for name in _METHODS if not callable(getattr(simulator, name, None))]
    if lacking:
        return fails(f"{type(simulator).__name__} lacks {', '.join(lacking)}")
    found, fault = attempt(simulator.describe)
    if fault:
        return fails(f"describe() raised {fault}")
    if not isinstance(found, Description):
        return fails(f"describe() gave a {type(found).__name__}: give a sim.Description")
    again, fault = attempt(lambda: _described_later(trial, simulator))
    if fault:
        return fails(f"describe() raised {fault} after a reset")
    change = _changed(found, again)
    if change:
        return fails(f"describe() changed its {change} with a reset: describe all episodes alike")
    return holds(_counted(found))


def _described_later(trial: Trial, simulator: Any) -> Any:
    # What reset may raise is for the clause on reset to tell.
    attempt(lambda: simulator.reset(trial.extent.seeds[0]))
    return simulator.describe()


def _changed(one: Description, other: Any) -> str | None:
    for part in ("name", "components", "outputs", "levers", "parameters", "epochs", "boundaries"):
        if getattr(one, part) != getattr(other, part, None):
            return part
    return None


def _counted(description: Description) -> str:
    choices = np.prod([len(lever.levels) for lever in description.levers], dtype=int)
    return (
        f"{plural(len(description.components), 'component')}, "
        f"{plural(len(description.outputs), 'output')}, "
        f"{plural(len(description.levers), 'lever')} with {plural(int(choices), 'choice')}, "
        f"{plural(len(description.parameters), 'parameter')}, "
        f"{plural(description.epochs, 'epoch')}"
    )


def reset(trial: Trial) -> Verdict:
    """`reset(seed)` gives a finite vector of the declared components."""
    seed = trial.extent.seeds[0]
    where = f"reset(seed={seed})"
    state, fault = attempt(lambda: trial.simulator.reset(seed))
    if fault:
        return fails(f"{where} raised {fault}")
    wrong = state_fault(state, trial.description, where)
    if wrong:
        return fails(wrong)
    names, components = trial.description.state_names, trial.description.components
    wrong = not_finite(state, names) or not_counting(state, components)
    return fails(f"after {where} {wrong}") if wrong else holds()


def advance(trial: Trial) -> Verdict:
    """`advance(decision)` gives an Epoch of the declared components and outputs."""
    count = sum(run.epochs for run in trial.episodes)
    return first_fault((run.fault for run in trial.episodes), f"{count:,} epochs looked at")


def finite(trial: Trial) -> Verdict:
    """No state or output is NaN or infinite."""
    names = (trial.description.state_names, trial.description.output_names)
    return first_fault(
        _told(where, not_finite(numbers, of), "every number must be finite")
        for run in trial.episodes
        for where, numbers, of in _vectors(run, *names)
    )


def counts(trial: Trial) -> Verdict:
    """What is declared a count is whole and 0 or more."""
    quantities = (trial.description.components, trial.description.outputs)
    rule = "a count is whole and 0 or more; declare others with Quantity(..., is_count=False)"
    return first_fault(
        _told(where, not_counting(numbers, of), rule)
        for run in trial.episodes
        for where, numbers, of in _vectors(run, *quantities)
    )


def _told(where: str, fault: str | None, rule: str) -> str | None:
    return f"{where}: {fault}; {rule}" if fault else None


def _vectors(run: Run, of_states: Any, of_outputs: Any) -> Iterator[tuple[str, Any, Any]]:
    for epoch, state in enumerate(run.states):
        yield f"seed {run.seed}, epoch {epoch}, state", state, of_states
    for epoch, outputs in enumerate(run.outputs, start=1):
        yield f"seed {run.seed}, epoch {epoch}, outputs", outputs, of_outputs


def time(trial: Trial) -> Verdict:
    """Time goes on, by the declared boundaries where there are any."""
    return first_fault(_time_fault(run) for run in trial.episodes)


def _time_fault(run: Run) -> str | None:
    for epoch, minutes in enumerate(run.durations, start=1):
        if not 0 <= minutes < np.inf:
            return f"epoch {epoch} lasted {minutes:g} minutes: time cannot go back"
    if run.description.is_event_driven:
        # Things may happen at one moment, such as the arrival of a family.
        still = run.epochs > 0 and sum(run.durations) == 0
        return f"{run.epochs} epochs lasted 0 minutes in all: time stands still" if still else None
    planned = run.description.durations[: run.epochs]
    for epoch, (minutes, due) in enumerate(zip(run.durations, planned, strict=True), start=1):
        if not np.isclose(minutes, due, rtol=1e-9, atol=1e-9):
            standing = " (time stands still)" if minutes == 0 else ""
            return (
                f"epoch {epoch} lasted {minutes:g} minutes{standing}, {due:g} by the boundaries: "
                "run to the next boundary, or declare no boundaries"
            )
    return None


def end(trial: Trial) -> Verdict:
    """An episode ends at the declared number of epochs at the latest."""
    declared = trial.description.epochs
    if declared > trial.extent.epochs and not any(run.is_over for run in trial.episodes):
        return skipped(f"looked at {trial.extent.epochs:,} of {declared:,} epochs only")
    for run in trial.episodes:
        if not run.is_over:
            return fails(
                f"epoch {run.epochs} of {declared} had is_last=False: the last declared epoch "
                "must have is_last=True"
            )
    lengths = {run.epochs for run in trial.episodes}
    return holds(f"after {min(lengths):,} to {max(lengths):,} epochs" if len(lengths) > 1 else "")
