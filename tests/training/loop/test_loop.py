"""The loop on a small centre: pre-trained with refresh, watched, and answered."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from envs.conditioning import Conditioned
from envs.objective import Objective
from envs.observation import Observation
from sim.customers import Route
from sim.errors import InvalidSystem
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.collect import BuildSimulator, run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.errors import InvalidDataset
from surrogates.interface import SupportsLikelihood
from tests.training.conftest import SmallCentre
from training.calibrate import Calibration, Estimate
from training.drift import DetectorSettings, StructureSettings
from training.forms import RecordForm
from training.journal import InvalidJournal, Journal, Step
from training.loop import (
    Change,
    Decision,
    LoopSettings,
    PretrainSettings,
    RenewalSettings,
    RetrainingLoop,
    RetrainSettings,
    WatchSettings,
    pretrain,
    retrain,
)
from training.loop.events import Event
from training.loop.following import Following, follow
from training.loop.renewal import around, widened
from training.loop.visits import VisitForm, visit
from training.plant import Plant
from training.rllib.settings import Budget, PPOSettings

pytestmark = [pytest.mark.ray, pytest.mark.long, pytest.mark.usefixtures("ray_cluster")]

PPO = PPOSettings(hidden=(16,), num_envs=64, rollout_length=8, minibatch_size=256, discount=1.0)
ITERATION = PPO.transitions_per_iteration
SETTINGS = LoopSettings(
    pretraining=PretrainSettings(
        episodes=64,
        ppo=PPO,
        budget=Budget(steps=10 * ITERATION),
        visits=20,
        imagined=256,
        final_episodes=10,
    ),
    retraining=RetrainSettings(
        ppo=PPO,
        budget=Budget(steps=4 * ITERATION),
        choose_episodes=10,
        gate_episodes=20,
        renewal=RenewalSettings(episodes=6),
    ),
    watching=WatchSettings(
        detector=DetectorSettings(run_length=200.0, resamples=4, chains=20),
        in_control_days=60,
        refining_days=0,
        structure=None,
    ),
)


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    """One thread: what is tested does not depend on who runs the episodes."""
    with ThreadPoolExecutor(max_workers=1) as found:
        yield found


@pytest.fixture(scope="module")
def plant(small_centre: SmallCentre) -> Plant:
    """Calls that wait and are lost cost money; work on cases keeps agents from them."""
    description = small_centre.system.describe()
    costs = {"call_wait": 0.05, "call_abandoned": 3.0, "case_wait": 0.02}
    return Plant(
        build=partial(ServiceSystem, small_centre.system),
        objective=Objective.from_costs(description, costs, {}),
        observation=Observation(description=description, parameters=description.nominal),
        cost_unit=100.0,
    )


def learnt(plant: Plant, episodes: int) -> Transitions:
    """What some days under all kinds of behaviour show."""
    return run_episodes(plant.build, plan_episodes(plant.description, episodes, 5))


@pytest.fixture(scope="module")
def loop(
    plant: Plant, executor: Executor, tmp_path_factory: pytest.TempPathFactory
) -> RetrainingLoop:
    """Pre-trained, then service times grew by a quarter and the alarm was answered."""
    found = RetrainingLoop(plant, SETTINGS, Journal(tmp_path_factory.mktemp("loop")), executor)
    run_days(found, executor, days=8, handle_time_scale=1.25)
    if found.watch.has_alarm:
        found.respond()
    return found


def run_days(
    loop: RetrainingLoop,
    executor: Executor,
    days: int,
    build: BuildSimulator | None = None,
    **changed: float,
) -> None:
    """Live days under who is in charge, recorded as believed, to the first alarm."""
    truth = replace(loop.plant, build=build or loop.plant.build)
    for day in range(days):
        seen = visit(truth, loop.controller, (9000 + day,), executor, changed).telemetry
        beliefs = np.tile(loop.incumbent.beliefs, (len(seen), 1))
        if loop.observe(f"day {day}", replace(seen, parameters=beliefs)).alarm:
            return


def test_pretraining_ends_with_a_gap_inside_its_interval(loop: RetrainingLoop) -> None:
    """That is the evidence that the policy is as good as the surrogate says."""
    found = loop.pretrained
    assert found.is_believed
    gap = found.rounds[-1].gap
    assert -0.1 <= gap.low <= 0.02
    assert -0.02 <= gap.high <= 0.1


def test_every_true_epoch_is_counted(loop: RetrainingLoop) -> None:
    """Simulator epochs are what a surrogate saves, so none may be hidden."""
    found, epochs = loop.pretrained, loop.plant.description.epochs
    settings = SETTINGS.pretraining
    visits = sum(each.gap.simulated_episodes for each in found.rounds)
    final = len(found.rounds) * settings.final_episodes if len(found.rounds) > 1 else 0
    assert found.simulator_epochs == (settings.episodes + visits + final) * epochs


def test_a_surrogate_that_is_wrong_about_its_policy_learns_from_it(
    plant: Plant, executor: Executor, tmp_path: Path
) -> None:
    """Six days teach a surrogate little; the policy's own days are where it has to be right."""
    few = learnt(plant, 6)
    settings = replace(SETTINGS.pretraining, tolerance=0.0, rounds=2, visits=40)
    found = pretrain(plant, settings, Journal(tmp_path), executor, transitions=few)
    assert len(found.rounds) > 1
    visits = sum(each.gap.simulated_episodes for each in found.rounds[:-1])
    assert len(found.transitions) == len(few) + visits * 8
    assert abs(found.rounds[-1].gap.value) < abs(found.rounds[0].gap.value)


def test_refresh_stops_at_the_budget_of_simulation(
    plant: Plant, executor: Executor, tmp_path: Path
) -> None:
    """Who pays for the simulator says how often it runs."""
    few = learnt(plant, 6)
    settings = replace(SETTINGS.pretraining, tolerance=0.0, most_epochs=200)
    found = pretrain(plant, settings, Journal(tmp_path), executor, transitions=few)
    assert len(found.rounds) == 1
    assert "200" in found.reason


def test_visits_that_leave_a_gap_open_are_followed_by_more(
    plant: Plant, executor: Executor, tmp_path: Path
) -> None:
    """Two days of a policy say nothing of the surrogate, and another fit would not either."""
    few = learnt(plant, 6)
    settings = replace(
        SETTINGS.pretraining, visits=2, doublings=1, budget=Budget(steps=1), imagined=16
    )
    found = pretrain(plant, settings, Journal(tmp_path), executor, transitions=few)
    assert [each.gap.simulated_episodes for each in found.rounds] == [4]
    assert found.simulator_epochs == 4 * plant.description.epochs
    assert not found.is_believed
    assert found.reason.startswith("4 visits leave open how wrong the surrogate is")
    costs = [
        VisitForm(description=plant.description, lineage={}).read(tmp_path / name).costs
        for name in ("round-1/visit/outcome", "round-1/visit-2/outcome")
    ]
    assert not set(costs[0]) & set(costs[1])
    scarce = replace(settings, most_epochs=3 * plant.description.epochs)
    found = pretrain(plant, scarce, Journal(tmp_path / "scarce"), executor, transitions=few)
    assert [each.gap.simulated_episodes for each in found.rounds] == [2]


def test_days_in_control_of_another_policy_are_not_taken(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """Under whoever is in charge now a usual day looks otherwise."""
    shutil.copytree(loop._journal.path, tmp_path / "loop")
    opened = RetrainingLoop(loop.plant, SETTINGS, Journal(tmp_path / "loop"), executor)
    policy = loop.incumbent.policy
    other = replace(policy, biases=(*policy.biases[:-1], policy.biases[-1] + 1))
    opened.incumbent = replace(opened.incumbent, policy=other)
    with pytest.raises(InvalidJournal, match="other settings"):
        opened._begin_watch()


def test_a_change_is_found_named_and_estimated(loop: RetrainingLoop) -> None:
    """The answer depends on what has changed, so that must be right first."""
    (response,) = loop.responses
    assert response.decision.change is Change.INSIDE
    assert "handle_time_scale" in response.decision.moved
    assert response.found is not None
    (found,) = (e for e in response.found.calibration.estimates if e.name == "handle_time_scale")
    assert found.low < 1.25 < found.high
    position = [p.name for p in loop.plant.description.parameters].index("handle_time_scale")
    assert loop.incumbent.beliefs[position] == found.value


COMPARED = 2 * 10 + 2 * 20
"""True episodes: two challengers to choose from, then the chosen one and who is in charge."""


def test_parameters_inside_the_box_cost_only_comparisons(loop: RetrainingLoop) -> None:
    """The surrogate has learnt what they do: no episode is simulated but to compare."""
    (response,) = loop.responses
    assert response.retrained is not None
    assert response.retrained.simulator_epochs == COMPARED * loop.plant.description.epochs


def test_the_episodes_that_choose_a_challenger_do_not_promote_it(loop: RetrainingLoop) -> None:
    """The cheapest of several is partly the luckiest, so it has to show itself on other days."""
    (response,) = loop.responses
    done = response.retrained
    assert done is not None
    assert done.choice is not None
    assert set(done.choice.costs) == {"re-trained 1", "trained anew 1"}
    best = done.choice.best(list(done.choice.costs))
    assert done.challenger.name == best
    assert set(done.comparison.costs) == {"round 1", best}
    assert not set(done.comparison.costs[best]) & set(done.choice.costs[best])


def test_a_single_challenger_needs_no_choice(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """Where the simulator is dear nobody is trained who would only cost comparisons."""
    decision = Decision(change=Change.INSIDE, moved=("patience_scale",), reason="a change")
    alone = replace(SETTINGS.retraining, fresh=False, budget=Budget(steps=1))
    done = retrain(loop.plant, loop.incumbent, decision, alone, Journal(tmp_path), executor)
    assert done.choice is None
    assert done.challenger.name == "re-trained 1"
    assert done.simulator_epochs == 2 * 20 * loop.plant.description.epochs


def test_nobody_is_replaced_without_evidence(loop: RetrainingLoop) -> None:
    """Promotion needs the whole interval on the better side."""
    (response,) = loop.responses
    done = response.retrained
    assert done is not None
    assert done.is_promoted == (done.evidence.high < 0)
    assert loop.incumbent.policy.name == (done.challenger.name if done.is_promoted else "round 1")


def test_a_loop_that_is_opened_again_is_where_it_was(
    loop: RetrainingLoop, executor: Executor
) -> None:
    """A service restarts; its policies must not."""
    done: list[str] = []
    path = loop._journal.path

    def hear(step: Step) -> None:
        if not step.was_there:
            done.append(step.name)

    journal = Journal(path, hear=hear)
    again = RetrainingLoop(loop.plant, SETTINGS, journal, executor)
    assert done == []
    assert [r.decision for r in again.responses] == [r.decision for r in loop.responses]
    assert np.array_equal(again.incumbent.beliefs, loop.incumbent.beliefs)
    for name, tensor in loop.incumbent.policy.to_tensors().items():
        assert np.array_equal(again.incumbent.policy.to_tensors()[name], tensor)


def test_every_true_epoch_of_the_loop_is_counted(loop: RetrainingLoop) -> None:
    """Days in control are simulated too, before and after the answer, and to find out."""
    (response,) = loop.responses
    assert response.retrained is not None
    assert response.found is not None
    epochs = loop.plant.description.epochs
    found = response.found.simulated_days * epochs
    assert response.simulator_epochs == response.retrained.simulator_epochs + found
    in_control = 2 * SETTINGS.watching.in_control_days * epochs
    before = loop.pretrained.simulator_epochs
    assert loop.simulator_epochs == before + in_control + response.simulator_epochs


def test_a_wish_that_is_told_again_is_served_once(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """A script that was killed tells all its wishes again, in their order."""
    shutil.copytree(loop._journal.path, tmp_path / "loop")
    cases = Objective.from_costs(loop.plant.description, {"case_wait": 1.0}, {})
    calls = Objective.from_costs(loop.plant.description, {"call_wait": 1.0}, {})

    def run() -> tuple[RetrainingLoop, list[str]]:
        done: list[str] = []
        journal = Journal(
            tmp_path / "loop", hear=lambda s: None if s.was_there else done.append(s.name)
        )
        found = RetrainingLoop(loop.plant, SETTINGS, journal, executor)
        found.want(cases, "first")
        found.want(calls, "second")
        found.want(calls)
        return found, done

    first, done = run()
    assert len(first.responses) == 3
    assert done
    again, done = run()
    assert len(again.responses) == 3
    assert done == []
    assert again.plant.objective.to_record() == calls.to_record()
    assert again.want(cases, "first") is again.responses[1]
    with pytest.raises(InvalidDataset, match="'first' was of another objective"):
        again.want(calls, "first")


def test_an_objective_of_another_system_is_not_noted(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """What was noted is answered at every opening, so that nobody could open the loop again."""
    shutil.copytree(loop._journal.path, tmp_path / "loop")
    foreign = Objective(
        output_names=("bells",),
        state_names=("rust",),
        output_weights=np.ones(1),
        closing_weights=np.ones(1),
    )
    opened = RetrainingLoop(loop.plant, SETTINGS, Journal(tmp_path / "loop"), executor)
    with pytest.raises(InvalidSystem, match="over 1 outputs for 'small'"):
        opened.want(foreign)
    assert opened.plant is loop.plant
    again = RetrainingLoop(loop.plant, SETTINGS, Journal(tmp_path / "loop"), executor)
    assert len(again.responses) == 1
    again._part.step(
        "event", lambda: Event(wanted=foreign), RecordForm(from_record=Event.from_record)
    )
    with pytest.raises(InvalidJournal, match=r"event was noted and cannot be answered .*: delete"):
        RetrainingLoop(loop.plant, SETTINGS, Journal(tmp_path / "loop"), executor)


def test_another_wish_waits_for_the_one_that_was_begun(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """Its answer would be kept as that to the first, and fit neither at the next opening."""
    shutil.copytree(loop._journal.path, tmp_path / "loop")
    opened = RetrainingLoop(loop.plant, SETTINGS, Journal(tmp_path / "loop"), executor)
    cases = Objective.from_costs(loop.plant.description, {"case_wait": 1.0}, {})
    opened._note(Event(wanted=cases, label="first"))
    with pytest.raises(InvalidDataset, match="begun to answer the objective 'first', not another"):
        opened.want(Objective.from_costs(loop.plant.description, {"call_wait": 1.0}, {}))
    assert len(opened.responses) == 1


def test_what_is_no_day_is_not_kept(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """A day in the journal is read at every opening."""
    shutil.copytree(loop._journal.path, tmp_path / "loop")
    opened = RetrainingLoop(loop.plant, SETTINGS, Journal(tmp_path / "loop"), executor)
    day = loop._watches[0].days[0].telemetry
    with pytest.raises(InvalidDataset, match="day 'half': 3 epochs, a day has 8"):
        opened.observe("half", day.take(np.arange(3)))
    assert opened.watch.days == []
    assert not opened._part.has("days/00000")


def test_hidden_parameters_in_telemetry_are_not_read(loop: RetrainingLoop) -> None:
    """Nobody can see them, so that what stands there says nothing."""
    watch, day = loop.watch, loop._watches[0].days[0].telemetry
    other = day.parameters.copy()
    other[:, :3] *= 1.2
    looked = watch._looked_at("day", replace(day, parameters=other))
    assert looked.states == watch._looked_at("day", day).states


def test_what_stayed_at_a_bound_is_not_followed(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """A parameter that is believed at its bound already does not say that the truth is beyond."""
    at_bound = Estimate(
        name="patience_scale", start=1.5, value=1.5, standard_error=0.1, low=1.3, high=1.7,
        at_bound=True,
    )  # fmt: skip
    first = Calibration(
        estimates=(at_bound,), parameters=(1.0, 1.0, 1.5), days=1, log_likelihood=-1.0
    )
    following = Following(
        days=loop._watches[0].days[0].telemetry,
        before=loop._surveillance.investigation,
        renewal=lambda number: RenewalSettings(episodes=1),
        simulate=loop._simulated_beyond,
    )
    decision = Decision(change=Change.OUTSIDE, moved=("handle_time_scale",), reason="beyond")
    journal = Journal(tmp_path)
    done = follow(loop.plant, loop.incumbent, decision, first, following, journal, executor)
    assert done.simulator_epochs == 0
    assert done.incumbent is loop.incumbent
    moved = replace(first, estimates=(replace(at_bound, start=1.0),))
    assert following.leads_on(moved)
    assert not replace(following, given=("patience_scale",)).leads_on(moved)


def test_a_day_is_taken_in_once(loop: RetrainingLoop, executor: Executor) -> None:
    """Telemetry is sent again when an answer is lost on the way."""
    first = loop._watches[0].days[0]
    assert loop.observe(first.label, first.telemetry) is first


def another_route(system: System, share: float) -> System:
    """As many calls become cases."""
    call, case = system.classes
    route = Route(to="case", probability=share)
    return replace(system, classes=(replace(call, routes=(route,)), case))


def test_a_structure_that_no_simulator_shows_trains_nobody_until_one_does(
    loop: RetrainingLoop,
    plant: Plant,
    executor: Executor,
    small_centre: SmallCentre,
    tmp_path: Path,
) -> None:
    """What is compared on a simulator that is known to be wrong says nothing of the system."""
    shutil.copytree(loop._journal.path / "pretrain", tmp_path / "pretrain")
    test = StructureSettings(points=20, spans=(1,))
    looking = replace(SETTINGS.watching, in_control_days=30, structure=test)
    settings = replace(SETTINGS, watching=looking)
    shown = partial(ServiceSystem, another_route(small_centre.system, 0.6))
    wrong = partial(ServiceSystem, another_route(small_centre.system, 0.05))

    def opened(*simulators: BuildSimulator) -> RetrainingLoop:
        return RetrainingLoop(plant, settings, Journal(tmp_path), executor, simulators=simulators)

    found = opened()
    run_days(found, executor, days=8, build=shown)
    response = found.respond()
    assert response.decision.change is Change.STRUCTURE
    assert "hand over one that does to `replace_simulator`" in response.decision.reason
    assert response.retrained is None
    assert np.array_equal(found.incumbent.beliefs, plant.description.nominal)
    wanted = found.want(Objective.from_costs(plant.description, {"case_wait": 1.0}, {}))
    assert wanted.retrained is None
    refused = found.replace_simulator(wrong)
    assert refused.retrained is None
    assert "does not explain" in refused.decision.reason
    assert found.plant.build is plant.build
    answered = found.replace_simulator(shown)
    assert answered.found is not None
    assert answered.found.unexplained == ()
    assert answered.retrained is not None
    assert found.plant.build is shown
    assert found.replace_simulator(shown) is answered
    with pytest.raises(InvalidJournal, match=r"watch-002 goes on with a simulator .* `simulators`"):
        opened()
    again = opened(shown, wrong)
    assert len(again.responses) == 4
    assert again.plant.build is shown
    assert np.array_equal(again.incumbent.beliefs, found.incumbent.beliefs)


def test_days_after_an_alarm_wait_for_the_answer(
    plant: Plant, executor: Executor, loop: RetrainingLoop
) -> None:
    """Whoever goes on watching by a detector that has spoken learns nothing new."""
    first, *_ = loop._watches
    with pytest.raises(InvalidDataset, match="answer it"):
        first.observe("another day", first.days[0].telemetry)
    with pytest.raises(InvalidDataset, match="no alarm"):
        loop.respond()


def test_another_objective_is_served_without_new_data(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """The surrogate knows no reward."""
    wanted = Objective.from_costs(loop.plant.description, {"case_wait": 1.0}, {})
    decision = Decision(change=Change.OBJECTIVE, moved=(), reason="cases are dear now")
    long = replace(SETTINGS.retraining, budget=Budget(steps=30 * ITERATION))
    done = retrain(
        loop.plant.wanting(wanted), loop.incumbent, decision, long, Journal(tmp_path), executor
    )
    assert done.incumbent.transitions is loop.incumbent.transitions
    assert done.simulator_epochs == COMPARED * loop.plant.description.epochs
    assert done.evidence.value <= 0.0


def test_outside_the_box_the_surrogate_learns_first(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """It has never seen service times twice as long."""
    beliefs = loop.plant.description.nominal.copy()
    beliefs[1] = 2.0
    incumbent = replace(loop.incumbent, beliefs=beliefs)
    decision = Decision(change=Change.OUTSIDE, moved=("handle_time_scale",), reason="beyond")
    done = retrain(
        loop.plant, incumbent, decision, SETTINGS.retraining, Journal(tmp_path), executor
    )
    box = done.incumbent.surrogate.description.parameters[1]
    assert box.high >= 2.0
    new = len(done.incumbent.transitions) - len(incumbent.transitions)
    assert new == 6 * loop.plant.description.epochs
    there = done.incumbent.transitions.take(np.arange(-new, 0))
    before, after = loop.incumbent.surrogate, done.incumbent.surrogate
    assert isinstance(before, SupportsLikelihood)
    assert isinstance(after, SupportsLikelihood)
    assert after.log_prob(there).mean() > before.log_prob(there).mean()


def test_a_new_structure_is_learnt_from_new_days_alone(
    loop: RetrainingLoop, executor: Executor, tmp_path: Path
) -> None:
    """What the system did before it will not do again."""
    decision = Decision(change=Change.STRUCTURE, moved=(), reason="a new rule")
    done = retrain(
        loop.plant, loop.incumbent, decision, SETTINGS.retraining, Journal(tmp_path), executor
    )
    assert len(done.incumbent.transitions) == 6 * loop.plant.description.epochs


def test_going_on_with_another_job_is_refused(loop: RetrainingLoop, executor: Executor) -> None:
    """Another seed is another job."""
    other = replace(SETTINGS, pretraining=replace(SETTINGS.pretraining, seed=7))
    with pytest.raises(InvalidJournal, match="other settings"):
        RetrainingLoop(loop.plant, other, Journal(loop._journal.path), executor)


@pytest.mark.parametrize("changed", ["objective", "mask", "cost_unit", "simulator", "imagined"])
def test_steps_of_another_task_are_not_taken_for_this_one_s(
    loop: RetrainingLoop, executor: Executor, small_centre: SmallCentre, changed: str
) -> None:
    """A policy for other prices or decisions is no answer, though its training was as long."""
    plant, settings = loop.plant, SETTINGS.pretraining
    if changed == "objective":
        wanted = Objective.from_costs(plant.description, {"case_wait": 1.0}, {})
        plant = plant.wanting(wanted)
    elif changed == "mask":
        plant = replace(plant, mask="feasible")
    elif changed == "cost_unit":
        plant = replace(plant, cost_unit=10.0)
    elif changed == "simulator":
        other = replace(small_centre.system, name="another centre")
        plant = replace(plant, build=partial(ServiceSystem, other))
    else:
        settings = replace(settings, imagined=settings.imagined + 1)
    journal = Journal(loop._journal.path).within("pretrain")
    with pytest.raises(InvalidJournal, match="other settings"):
        pretrain(plant, settings, journal, executor)


def test_whoever_sees_what_is_believed_and_wanted_is_told(plant: Plant) -> None:
    """A conditioned policy answers a change at once, before any training."""
    seen = Conditioned.of(plant.observation)
    beliefs = plant.description.nominal * 1.1
    told = replace(plant, observation=seen).believing(beliefs).observation
    assert isinstance(told, Conditioned)
    assert np.array_equal(told.parameters, beliefs)


def test_boxes_hold_what_is_believed_and_what_was_learnt(plant: Plant) -> None:
    """A surrogate keeps what it knows when it is taken further."""
    beliefs = plant.description.nominal.copy()
    beliefs[1] = 2.0
    there = around(plant.description, beliefs, 0.1)
    wide = widened(plant.description, there)
    first, box = plant.description.parameters[1], wide.parameters[1]
    assert box.low == first.low
    assert box.high == pytest.approx(2.2)
    assert there.parameters[1].nominal == 2.0
