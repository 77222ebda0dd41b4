"""Clauses on what a simulator accepts and what it refuses: turns, decisions, parameters, seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Float

from sim.contract.check import Verdict, fails, first_fault, holds, listed, noted, plural, skipped
from sim.contract.faults import not_counting, not_finite
from sim.contract.run import Run, attempt
from sim.contract.trial import Trial
from sim.description import Description, Lever
from sim.epoch import Parameter
from sim.errors import SurrogymError
from sim.plugins import told

_LARGEST_SEED = 2**31 - 1
_BRIEF = 5
"""Epochs of an episode that is only begun to see whether it can be."""
_BRIEF_EVENTS = 200
_ACCIDENTS = (AttributeError, IndexError, KeyError, NameError, TypeError, ZeroDivisionError)
"""Errors by which code stumbles, rather than says what is wrong."""


def turns(trial: Trial) -> Verdict:
    """`advance(decision)` before a reset, or after the last epoch, is refused."""
    fresh = trial.build()
    first = trial.episodes[0].decisions[0]
    early = _refusal("advance before any reset", lambda: fresh.advance(first.copy()))
    run = trial.run(trial.simulator, trial.extent.seeds[0])
    run.play(min(trial.extent.epochs, trial.description.epochs))
    if not run.is_over:
        return early
    late = _refusal("advance after the last epoch", lambda: trial.simulator.advance(first.copy()))
    return _worst(early, late)


def _refusal(
    what: str, call: Callable[[], Any], way_out: str = "raise sim.errors.InvalidDecision"
) -> Verdict:
    """That a call raises, and not by accident."""
    try:
        call()
    except SurrogymError:
        return holds()
    except _ACCIDENTS as error:
        return noted(f"{what} only stumbles: {told(error)}; {way_out}")
    except Exception:
        return holds()
    return fails(f"{what} was accepted: {way_out}")


def _worst(*verdicts: Verdict) -> Verdict:
    order = ("failed", "noted", "skipped", "passed")
    return min(verdicts, key=lambda verdict: order.index(verdict.outcome))


def levels(trial: Trial) -> Verdict:
    """Every level that is offered is accepted."""
    if not trial.description.levers:
        return skipped("nothing is decided")
    seen = [np.array(run.decisions) for run in trial.episodes]
    missing = list(_untried(trial.description, np.concatenate(seen)))
    for lever, level in missing:
        state = trial.simulator.reset(trial.extent.seeds[0])
        for decision in _with_level(trial.description, lever, level, state):
            _, fault = attempt(partial(trial.simulator.advance, decision))
            if fault:
                name = trial.description.lever_names[lever]
                return fails(f"lever {name!r} at {level:g}, which is offered: {fault}")
    return holds(f"{sum(len(lever.levels) for lever in trial.description.levers)} levels")


def _untried(
    description: Description, decisions: Float[np.ndarray, "epoch lever"]
) -> Iterator[tuple[int, float]]:
    for position, lever in enumerate(description.levers):
        for level in lever.levels:
            if level not in decisions[:, position]:
                yield position, level


def _with_level(
    description: Description, lever: int, level: float, state: Float[np.ndarray, "state"]
) -> Float[np.ndarray, "one lever"]:
    """The first feasible decision with a level, where there is any."""
    decisions = description.decisions[description.feasible(state[None, :])[0]]
    return np.array(decisions[decisions[:, lever] == level][:1])


def other_levels(trial: Trial) -> Verdict:
    """A level that its lever does not allow is refused, and so is a wrong number of levels."""
    verdicts = []
    for what, decision in _impossible(trial.description):
        trial.simulator.reset(trial.extent.seeds[0])
        call = partial(trial.simulator.advance, decision)
        verdicts.append(_refusal(what, call, "sim.adapting.check_decision refuses it"))
    return _worst(*verdicts)


def _impossible(description: Description) -> Iterator[tuple[str, Float[np.ndarray, "number"]]]:
    usual = description.decisions[0]
    yield (
        f"a decision of {len(usual) + 1} numbers for {plural(len(usual), 'lever')}",
        np.append(usual, 0.0),
    )
    for position, lever in enumerate(description.levers):
        for level in _not_allowed(lever):
            decision = usual.copy()
            decision[position] = level
            yield f"lever {lever.name!r} at {level:g} ({lever.bounds})", decision


def _not_allowed(lever: Lever) -> Iterator[float]:
    for level in (float("nan"), -1.0, max(lever.levels) + 0.5, float("inf")):
        if not lever.allows(level):
            yield level


def parameters(trial: Trial) -> Verdict:
    """Every corner of the parameters' boxes can be run."""
    if not trial.description.parameters:
        return skipped("it has no parameters")
    corners = list(_corners(trial.description))
    epochs = _BRIEF if trial.description.boundaries else _BRIEF_EVENTS
    epochs = min(epochs, trial.description.epochs)
    runs = (trial.run(trial.simulator, trial.extent.seeds[0], c).play(epochs) for c in corners)
    faults = map(_run_fault, runs)
    verdict = first_fault(faults, f"{len(corners)} corners")
    idle = [] if verdict.outcome == "failed" else list(_without_effect(trial))
    if idle:
        return noted(f"nothing changes between the bounds of {listed(idle)}: is it used?")
    return verdict


def _without_effect(trial: Trial) -> Iterator[str]:
    """Parameters that change nothing, even in whole episodes."""
    for box in trial.description.parameters:
        if box.low < box.high and not any(
            _matters(trial, box, seed, epochs)
            for epochs in (_BRIEF, trial.extent.epochs)
            for seed in trial.extent.seeds
        ):
            yield box.name


def _matters(trial: Trial, box: Parameter, seed: int, epochs: int) -> bool:
    low, high = (
        trial.run(trial.simulator, seed, {box.name: value}).play(
            min(epochs, trial.description.epochs)
        )
        for value in (box.low, box.high)
    )
    return low.difference(high) is not None


def _run_fault(run: Run) -> str | None:
    if run.fault:
        return run.fault
    for numbers, quantities in (
        *((state, run.description.components) for state in run.states),
        *((outputs, run.description.outputs) for outputs in run.outputs),
    ):
        names = tuple(quantity.name for quantity in quantities)
        wrong = not_finite(numbers, names) or not_counting(numbers, quantities)
        if wrong:
            return f"under {run.parameters} {wrong}"
    return None


def _corners(description: Description) -> Iterator[dict[str, float]]:
    """All low, all high, then each alone at its low and its high."""
    boxes = description.parameters
    yield {box.name: box.low for box in boxes}
    yield {box.name: box.high for box in boxes}
    for box in boxes:
        yield {box.name: box.low}
        yield {box.name: box.high}


def other_parameters(trial: Trial) -> Verdict:
    """A parameter that is unknown, or not a number, is refused."""
    impossible = [("no_such_parameter", 1.0)]
    impossible += [(box.name, float("nan")) for box in trial.description.parameters[:1]]
    seed = trial.extent.seeds[0]
    return _worst(
        *(
            _refusal(
                f"parameter {name!r} at {value:g}",
                partial(trial.simulator.reset, seed, {name: value}),
                "sim.epoch.parameter_vector refuses it",
            )
            for name, value in impossible
        )
    )


def seeds(trial: Trial) -> Verdict:
    """Any whole seed from 0 to 2147483647 will do, and another seed gives another episode."""
    extremes = [trial.run(trial.simulator, seed).play(1) for seed in (0, _LARGEST_SEED)]
    verdict = first_fault(run.fault for run in extremes)
    if verdict.outcome == "passed" and trial.episodes[0].difference(trial.episodes[1]) is None:
        one, other = trial.extent.seeds[:2]
        return noted(
            f"seeds {one} and {other} give the same episode: nothing is random, or reset drops "
            "the seed"
        )
    return verdict
