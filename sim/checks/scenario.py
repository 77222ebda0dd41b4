"""Every check that applies to one scenario."""

from __future__ import annotations

from collections.abc import Callable

from sim.checks import truths
from sim.checks.long_run import LongRun
from sim.contract import Check, check_simulator
from sim.contract.check import Verdict, fails
from sim.contract.run import attempt
from sim.recipes import whole_recipe
from sim.scenario import Scenario
from sim.system import System

_EVENTS = 10_000
"""Of the run that queueing laws are held against; a second or two."""
_EPOCHS = 2000


def check_scenario(scenario: Scenario, *, seed: int = 1) -> tuple[Check, ...]:
    """The contract for any simulator, then, where it is a system of ours, queueing laws.

    Raises InvalidSystem where the simulator cannot be built at all.
    """
    recipe = whole_recipe(scenario)
    contract = check_simulator(recipe, seeds=(seed, seed + 1), epochs=_EPOCHS, fresh_process=True)
    if scenario.template is None:
        return contract
    return (*contract, *check_system(recipe.system, seed=seed))


def check_system(system: System, *, seed: int = 1) -> tuple[Check, ...]:
    """Hold a system against what queueing theory says of it."""
    run, fault = attempt(lambda: LongRun.of(system, seed, _EVENTS))
    looks: tuple[tuple[str, Callable[..., Verdict], Callable[[], Verdict]], ...] = (
        ("stability", truths.stability, lambda: truths.stability(system)),
        ("little", truths.little, lambda: fails(fault) if fault else truths.little(run)),
        (
            "utilisation",
            truths.utilisation,
            lambda: fails(fault) if fault else truths.utilisation(run),
        ),
        (
            "same_arrivals",
            truths.same_arrivals,
            lambda: truths.same_arrivals(system, seed, _EPOCHS),
        ),
    )
    return tuple(_check(name, law, look) for name, law, look in looks)


def _check(name: str, law: Callable[..., Verdict], look: Callable[[], Verdict]) -> Check:
    verdict, fault = attempt(look)
    if fault:
        verdict = fails(fault)
    return Check(name=name, claim=law.__doc__ or "", outcome=verdict.outcome, detail=verdict.detail)
