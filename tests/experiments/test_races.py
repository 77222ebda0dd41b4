"""Races against the clock: what is good enough, when it was reached, and what has changed."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.plants import Ground, mean_on_duty, resized
from experiments.racing.arrivals import arrivals
from experiments.racing.checkpoints import Recorder, thinned
from experiments.racing.rows import RULES, Row
from experiments.retraining.arms import WARM
from experiments.retraining.change import Changed, priced, rerouted
from experiments.retraining.settings import DEARER, OTHER, SLOWER, Setting
from experiments.retraining.table import outcomes, render, summary
from experiments.retraining.target import CONDITIONED, NEVER
from experiments.retraining.target import target_of as good_again
from experiments.time_to_policy.direct import LEAN, STOCK
from experiments.time_to_policy.settings import THOROUGH, find_setting
from experiments.time_to_policy.table import headline
from experiments.time_to_policy.table import render as render_times
from experiments.time_to_policy.table import summary as summary_of_times
from experiments.time_to_policy.target import target_of
from sim.drift import differences
from sim.errors import InvalidSystem, SurrogymError
from tests.training.conftest import build_small_centre
from training.policies import NetworkPolicy


def row(race: str, digest: str, arm: str, seed: int = 1, **told: object) -> Row:
    curve = told.get("curve", [])
    costs = told.get("costs", {})
    assert isinstance(curve, list)
    assert isinstance(costs, dict)
    return Row(
        race=race,
        digest=digest,
        arm=arm,
        seed=seed,
        curve=curve,
        costs=costs,
        seconds=1.0,
        commit="c",
        date="d",
        machine="m",
    )


def test_good_enough_is_better_than_the_best_rule_and_near_the_best_known() -> None:
    """A speed-up of a policy that loses to a rule of thumb is worth nothing."""
    rules = row("r", "d", RULES, costs={"constant": 120.0, "square root": 100.0})
    near = row("r", "d", "flow", curve=[[10.0, 5.0, 99.5], [20.0, 5.0, 98.0]])
    target = target_of([rules, near], 0.98)
    assert target is not None
    assert target.best_rule == "square root"
    assert target.cost == pytest.approx(98.0 / 0.98)
    far = row("r", "d", "flow", curve=[[10.0, 5.0, 50.0]])
    assert target_of([rules, far], 0.98).cost == pytest.approx(50.0 / 0.98)  # type: ignore[union-attr]
    losing = row("r", "d", "flow", curve=[[10.0, 5.0, 101.0]])
    assert target_of([rules, losing], 0.98).cost == 100.0  # type: ignore[union-attr]
    assert target_of([near], 0.98) is None


def test_who_does_not_get_there_counts_at_the_bound() -> None:
    """An extrapolation would be a claim that nobody measured."""
    rows = [
        row("r", "d", "flow", 1, curve=[[10.0, 100.0, 9.0], [20.0, 100.0, 4.0]]),
        row("r", "d", "flow", 2, curve=[[12.0, 100.0, 9.0], [30.0, 100.0, 8.0]]),
    ]
    (found,) = arrivals(rows, 5.0)
    assert found.seconds == (20.0, None)
    assert found.bounds == (20.0, 30.0)
    assert found.reached == 1
    assert found.at_least == 25.0


def test_the_table_says_bounds_where_the_simulator_did_not_get_there() -> None:
    """The ratio is then a lower bound and must read like one."""
    setting = THOROUGH[0]
    key = setting.name, setting.digest
    rows = [
        row(*key, RULES, costs={"constant": 100.0}),
        row(*key, "flow", curve=[[50.0, 10.0, 120.0], [60.0, 10.0, 90.0]]),
        row(*key, STOCK, curve=[[1.0, 10.0, 300.0], [1500.0, 900.0, 150.0]]),
        row(*key, LEAN, curve=[[1.0, 10.0, 300.0], [600.0, 900.0, 90.0]]),
    ]
    text = render_times(rows, THOROUGH)
    assert "more than 25.0 times sooner than by: simulator, stock RLlib" in text
    assert "By flow 10.0 times sooner than by: simulator, our RLlib" in text
    figures = summary_of_times(rows, THOROUGH)
    assert figures is not None
    bounds = {each["name"]: each["is_bound"] for each in figures["figures"]}
    assert bounds == {f"{setting.name}_stock": True, f"{setting.name}_lean": False}
    line = headline(rows, THOROUGH)[-1]
    assert "| 60 s, 1 of 1 seeds |  |  | more than 1,500 s, 0 of 1 seeds | 600 s, 1 of 1" in line
    assert "No rows yet" in render_times([], THOROUGH)


def test_rows_of_other_settings_do_not_count() -> None:
    """A setting that changed would otherwise be answered by what it was before."""
    setting = THOROUGH[0]
    stale = row(setting.name, "another digest", RULES, costs={"constant": 1.0})
    assert "No rows yet" in render_times([stale], THOROUGH)
    assert find_setting(setting.name, quick=True).digest != setting.digest
    with pytest.raises(SurrogymError, match="bank_50"):
        find_setting("bank_5")


def test_good_again_is_most_of_what_there_is_to_gain() -> None:
    """An old policy that is nearly as good leaves little to gain, and that little counts."""
    setting = Setting(turn=SLOWER)
    key = setting.name, setting.digest
    rows = [
        row(*key, RULES, costs={NEVER: 200.0, CONDITIONED: 130.0}),
        row(*key, "surrogate warm", curve=[[1.0, 0.0, 150.0], [2.0, 0.0, 105.0]]),
        row(*key, WARM, curve=[[10.0, 9.0, 180.0], [200.0, 99.0, 100.0]]),
    ]
    target = good_again(rows, 1, setting.regained)
    assert target is not None
    assert target.cost == pytest.approx(110.0)
    found = {outcome.arm: outcome.seconds for outcome in outcomes(rows, setting)}
    assert found == {"surrogate warm": 2.0, WARM: 200.0}
    assert "surrogate warm: 100.0 times sooner" in render(rows, [setting])
    figures = summary(rows, [setting])
    assert figures is not None
    assert figures["figures"][0]["value"] == 100.0


def test_a_policy_that_got_worse_in_the_end_is_told_so() -> None:
    """The least cost of all checkpoints is chosen on the judged days, so it flatters."""
    setting = Setting(turn=SLOWER)
    key = setting.name, setting.digest
    rows = [
        row(*key, RULES, costs={NEVER: 100.0, CONDITIONED: 99.0}),
        row(*key, "surrogate warm", curve=[[1.0, 0.0, 90.0], [2.0, 0.0, 103.0]]),
    ]
    (warm,) = outcomes(rows, setting)
    assert warm.ended == pytest.approx((0.03,))
    assert "| 90 to 90 | +3.0% |" in render(rows, [setting])


def test_a_recorder_counts_what_came_before_and_thins_itself() -> None:
    """The clock of a surrogate begins with its first simulated day, not with its training."""
    policy = NetworkPolicy(name="p", weights=(np.zeros((2, 3)),), biases=(np.zeros(2),))
    recorder = Recorder(100.0, 40, epochs_each=8)
    for _ in range(50):
        recorder(policy)
    timeline = recorder.timeline
    assert timeline[0].seconds >= 100.0
    assert timeline[0].simulator_epochs == 48
    assert timeline[-1].simulator_epochs == 40 + 50 * 8
    assert [c.seconds for c in timeline] == sorted(c.seconds for c in timeline)
    few = thinned(timeline, 3)
    assert len(few) <= 3
    assert few[-1] is timeline[-1]


def test_a_warm_start_has_simulated_nothing_at_first() -> None:
    """Its first checkpoint is the policy that it was given."""
    policy = NetworkPolicy(name="p", weights=(np.zeros((2, 3)),), biases=(np.zeros(2),))
    recorder = Recorder(0.0, 0, epochs_each=8, is_warm=True)
    recorder(policy)
    recorder(policy)
    assert recorder.timeline[0].simulator_epochs == 0
    assert recorder.timeline[-1].simulator_epochs == 8


def test_a_system_is_resized_as_a_whole() -> None:
    """Servers and arrivals grow together, or the load would be another."""
    ground = Ground(scenario="bank", agents=50)
    system, whole = ground.system, Ground(scenario="bank").system
    assert system is not None
    assert whole is not None
    assert mean_on_duty(system) == pytest.approx(50.0, rel=0.02)
    scale = 50.0 / mean_on_duty(whole)
    (arrivals_now,), (arrivals_before,) = system.arrivals.values(), whole.arrivals.values()
    assert arrivals_now.mean_rate == pytest.approx(scale * arrivals_before.mean_rate)
    with pytest.raises(InvalidSystem, match="PoissonArrivals"):
        resized(build_small_centre(), 5.0)


def test_a_new_route_is_no_parameter() -> None:
    """The change of structure must be one that the surrogate has no input for."""
    changed = Changed(setting=Setting(turn=OTHER))
    names = [p.name for p in changed.before.description.parameters]
    assert not any("route" in name for name in names)
    system = changed.setting.ground.system
    assert system is not None
    found = rerouted(system, OTHER.routes)
    (call,) = (c for c in found.classes if c.name == "call")
    assert {r.to: r.probability for r in call.routes}["escalation"] == 0.03
    assert differences(changed.before.description, changed.after.build().describe()) == []
    with pytest.raises(InvalidSystem, match="nobody is passed on"):
        rerouted(system, {"nowhere": 0.5})


def test_prices_change_by_name() -> None:
    """And nothing else of the objective does."""
    changed = Changed(setting=Setting(turn=DEARER))
    before, after = changed.before.objective, changed.after.objective
    moved = {
        name
        for name, a, b in zip(
            before.number_names, before.numbers.tolist(), after.numbers.tolist(), strict=True
        )
        if a != b
    }
    assert moved == {
        "call_abandoned_cost",
        "call_wait_cost",
        "follow_up_waiting_closing_cost",
    }
    with pytest.raises(InvalidSystem, match="no price"):
        priced(before, {"nothing": 1.0})


def test_who_is_told_sees_parameters_and_prices() -> None:
    """The conditioned policy answers at once only if what changed is among what it sees."""
    changed = Changed(setting=Setting(turn=DEARER))
    told = changed.conditioned(changed.after)
    state = changed.before.build().reset(1)[None, :]
    before, after = changed.conditioned(changed.before).observation(state), told.observation(state)
    assert before.shape == after.shape
    assert not np.array_equal(before, after)
    names = told.observation.names
    assert "handle_time_scale" in names
    assert "call_abandoned_cost" in names
