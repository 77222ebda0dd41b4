"""Clauses on repetition: the same seed, parameters and decisions give the same epochs anywhere."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from sim.contract.check import Verdict, fails, first_fault, holds, skipped
from sim.contract.run import Run, attempt
from sim.contract.trial import Build, Trial
from sim.description import Description


def again(trial: Trial) -> Verdict:
    """The same episode again on the same object is the same."""
    other = trial.run(trial.simulator, trial.extent.seeds[1])
    other.play(max(1, trial.description.epochs // 2) if trial.description.boundaries else 20)
    return _same(trial.episodes[0], _repeat(trial), "run again on the same object, after another")


def _repeat(trial: Trial) -> Run:
    return trial.run(trial.simulator, trial.extent.seeds[0]).play(trial.extent.repeated)


def _same(one: Run, other: Run, how: str) -> Verdict:
    difference = one.difference(other)
    if difference is None:
        return holds(f"{other.epochs:,} epochs compared")
    return fails(
        f"seed {one.seed} {how}, differs first in {difference}: draw from generators that reset "
        "makes from its seed, and keep nothing from before"
    )


def apart(trial: Trial) -> Verdict:
    """A second object gives the same episode."""
    return _same(trial.episodes[0], trial.lone, "on a second object")


def in_turn(trial: Trial) -> Verdict:
    """Objects that are run in turn do not disturb each other."""
    first, other = (trial.run(trial.build(), seed) for seed in trial.extent.seeds[:2])
    first.reset()
    other.reset()
    while first.epochs < trial.extent.repeated and first.step():
        other.step()
    difference = first.difference(trial.lone)
    if difference is None:
        return holds()
    return fails(
        f"seed {first.seed}, while another object runs seed {other.seed}, differs first in "
        f"{difference}: they share something, such as Python's or NumPy's global random generator "
        "or a variable of a module; give each object its own"
    )


def kept(trial: Trial) -> Verdict:
    """What was returned is never overwritten."""
    run = _repeat(trial)
    copies = [run.states[0]]
    for state, outputs in zip(run.states[1:], run.outputs, strict=True):
        copies += [state, outputs]
    return first_fault(
        f"{what} changed later: return a copy"
        for (what, array), copy in zip(run.given, copies, strict=True)
        if not np.array_equal(array, copy, equal_nan=True)
    )


def untouched(trial: Trial) -> Verdict:
    """What a caller does with returned arrays, and with the decision, changes nothing."""
    spoilt = trial.run(trial.build(), trial.extent.seeds[0], spoils=True)
    spoilt.play(trial.extent.repeated)
    difference = trial.lone.difference(spoilt)
    if difference is None:
        return holds()
    return fails(
        "when a caller writes into the arrays it was given, or into the decision it gave, the "
        f"episode differs first in {difference}: return copies, and copy the decision"
    )


def elsewhere(trial: Trial) -> Verdict:
    """A fresh process gives the same episode."""
    if not trial.extent.fresh_process:
        return skipped("ask for it with fresh_process=True")
    remote, fault = attempt(lambda: _in_fresh_process(trial))
    if fault:
        return fails(
            f"it cannot be run in another process: {fault}: build it by a class or a function of a "
            "module, with arguments that can be pickled"
        )
    difference = trial.lone.difference(remote)
    if difference is None:
        return holds()
    return fails(
        f"in another process the episode differs first in {difference}: the order of a set, the "
        "clock or what was run before must not matter"
    )


def _in_fresh_process(trial: Trial) -> Run:
    asked = (trial.build, trial.description, trial.extent.seeds[0], trial.extent.repeated)
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_play, *asked).result()


def _play(build: Build, description: Description, seed: int, epochs: int) -> Run:
    return Run(build(), description, seed).play(epochs).without_simulator()
