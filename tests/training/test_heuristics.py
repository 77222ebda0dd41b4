"""The rules a policy is measured against must do what their names say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from envs.objective import Objective
from sim.arrivals import fit_doubly_stochastic
from sim.errors import InvalidSystem
from sim.scenario import SimulatorRecipe, load_scenario
from surrogates.fluid import FluidModel
from training.heuristics import (
    AdaptiveSettings,
    AdaptiveSquareRootRule,
    CentreFacts,
    ConstantRule,
    Controller,
    SquareRootRule,
    square_root_need,
)
from training.lookahead import FluidLookAheadRule


@pytest.fixture(scope="module")
def recipe() -> SimulatorRecipe:
    """The bank."""
    scenario = load_scenario("bank")
    assert scenario.volumes is not None
    return SimulatorRecipe(
        scenario=scenario, arrivals=fit_doubly_stochastic(scenario.volumes.read())
    )


@pytest.fixture(scope="module")
def facts(recipe: SimulatorRecipe) -> CentreFacts:
    """What the rules know of it."""
    system = recipe.system
    return CentreFacts.of(system, system.describe().nominal)


def state(facts: CentreFacts, epoch: int, **values: float) -> np.ndarray:
    """A state of the bank on a Wednesday that has been as busy as was expected."""
    names = facts.description.state_names
    found = facts.description.initial_state(2)
    found[-1] = epoch
    known = facts.known(found[None, :])
    found[names.index("arrived_so_far")] = known["expected_so_far"][0]
    found[names.index("arrived_last")] = known["expected_last"][0]
    for name, value in values.items():
        found[names.index(name)] = value
    return found[None, :]


def shares(facts: CentreFacts, rule: Controller, at: np.ndarray) -> list[float]:
    """What the rule decides, as shares."""
    decided: list[float] = facts.description.decisions[rule.decide(at)[0]].tolist()
    return decided


def test_square_root_staffing_adds_safety_to_the_load() -> None:
    """Halfin and Whitt: R + beta sqrt(R); nothing is needed for no load."""
    need = square_root_need(np.array([100.0, 0.0, -3.0]), 0.5)
    assert need.tolist() == [105.0, 0.0, 0.0]


def test_facts_follow_the_believed_parameters(recipe: SimulatorRecipe) -> None:
    """A rule told that handling takes longer must plan with it."""
    system = recipe.system
    names = [p.name for p in system.parameters]
    slower = system.describe().nominal
    slower[names.index("handle_time_scale")] = 1.2
    assert CentreFacts.of(system, slower).handle_minutes == pytest.approx([4.44, 12.0, 7.2])


def test_the_standard_rule_moves_whoever_the_forecast_can_spare(facts: CentreFacts) -> None:
    """At half past nine: 220 agents less load and safety, and 62 specialists likewise."""
    at = state(facts, 5, follow_up_waiting=400.0)
    rate = facts.known(at)["expected_arrivals"][0] / 30.0
    spare = [1 - (load + 0.5 * load**0.5) / agents
             for load, agents in ((3.7 * rate, 220), (0.9 * rate, 62))]  # fmt: skip
    levels = [lever.levels for lever in facts.description.levers]
    nearest = [
        offered[int(np.abs(np.array(offered) - wanted).argmin())]
        for offered, wanted in zip(levels, spare, strict=True)
    ]
    assert shares(facts, SquareRootRule(facts=facts), at) == nearest


def test_the_adaptive_rule_sends_nobody_to_cases_that_are_not_there(facts: CentreFacts) -> None:
    """Half of tier 1 is spare at opening, but only the cases that will come can be worked on."""
    rule = AdaptiveSquareRootRule(facts=facts, settings=AdaptiveSettings(call_safety=-2.0))
    assert shares(facts, rule, state(facts, 0))[0] == 0.18
    assert shares(facts, rule, state(facts, 0, follow_up_waiting=500.0))[0] == 0.40


def test_the_adaptive_rule_works_off_a_backlog_faster_when_time_runs_out(
    facts: CentreFacts,
) -> None:
    """Pace is backlog over remaining time."""
    settings = AdaptiveSettings(call_safety=2.0, future_cases=0.0)
    rule = AdaptiveSquareRootRule(facts=facts, settings=settings)
    on_cases = [
        shares(facts, rule, state(facts, epoch, follow_up_waiting=3000.0))[0] for epoch in (8, 14)
    ]
    assert on_cases[0] < on_cases[1]


def test_the_fluid_rule_finishes_the_cases_that_are_left_and_no_others(
    recipe: SimulatorRecipe, facts: CentreFacts
) -> None:
    """A case left at close costs more than the calls its agent would have taken."""
    costs = recipe.scenario.costs
    rule = FluidLookAheadRule(
        facts=facts,
        model=FluidModel(recipe.system, {}),
        objective=Objective.from_costs(facts.description, costs.outputs, costs.at_close),
    )
    many = state(facts, 26, follow_up_waiting=300.0, tier1_calls_busy=60.0)
    none = state(facts, 26, tier1_calls_busy=100.0, call_waiting=40.0)
    assert shares(facts, rule, many)[0] == 0.40
    assert shares(facts, rule, none)[0] <= 0.18


def test_rules_for_two_tiers_refuse_other_systems(recipe: SimulatorRecipe) -> None:
    """Their arithmetic would be of another centre."""
    other = replace(
        recipe.system,
        teams=tuple(t for t in recipe.system.teams if t.lever != "on_phones"),
        levers=recipe.system.levers[:1],
    )
    with pytest.raises(InvalidSystem, match="two-tier"):
        CentreFacts.of(other, other.describe().nominal)


def test_a_constant_rule_is_constant(facts: CentreFacts) -> None:
    """It is the null case of control."""
    states = np.concatenate([state(facts, 3), state(facts, 20, call_waiting=50.0)])
    assert ConstantRule(choice=7).decide(states).tolist() == [7, 7]
