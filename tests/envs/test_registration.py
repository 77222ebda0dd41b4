import sys
from dataclasses import replace
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import envs
import sim
from envs.environment import Environment
from envs.registration import scenario_problem
from sim.errors import InvalidParameters, InvalidSystem
from sim.scenario import SimulatorRecipe, bundled_scenarios, load_scenario
from surrogates.baselines import fit_mean
from surrogates.clock import WithClock
from surrogates.collect import run_episodes
from surrogates.design import plan_episodes
from surrogates.storage import load_surrogate, save_surrogate
from surrogates.support import Support
from tests.systems import unchecked

CLINIC = "surrogym/clinic-v0"


@pytest.fixture(scope="module")
def artefact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved surrogate of the clinic."""
    build = WithClock(build=SimulatorRecipe(scenario=load_scenario("clinic")))
    description, folder = build().describe(), tmp_path_factory.mktemp("runs") / "mean"
    with unchecked():
        transitions = run_episodes(build, plan_episodes(description, 6, 1))
        surrogate = fit_mean(transitions, description, None, np.random.default_rng(0))
        support = Support.learn(transitions, description, np.random.default_rng(1), anchors=64)
    save_surrogate(folder, surrogate, {}, support)
    save_surrogate(folder.with_name("untold"), surrogate, {})
    return folder


def test_every_bundled_scenario_has_an_id_and_registering_twice_is_harmless() -> None:
    """A worker cannot know whether somebody registered before it; gymnasium warns of overriding."""
    ids = envs.register()
    assert ids == envs.register()
    assert len(ids) == len(bundled_scenarios())
    assert all(gymnasium.spec(identity).id == identity for identity in ids)


def test_an_id_makes_one_environment_or_many() -> None:
    """Gymnasium's `make` and `make_vec` lead to the same problem."""
    envs.register()
    with unchecked():
        one = gymnasium.make(CLINIC, history=2)
        many = gymnasium.make_vec(CLINIC, num_envs=3, history=2)
        seen, _ = one.reset(seed=0)
        rows, _ = many.reset(seed=0)
        one.step(one.action_space.sample())
    assert isinstance(many, envs.VectorEnvironment)
    assert many.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    np.testing.assert_array_equal(rows[0], seen)


def test_a_folder_puts_a_surrogate_in_the_simulator_s_place(artefact: Path) -> None:
    """The problem is the same, seen and paid alike; only the world answers from the model."""
    with unchecked():
        true, modelled = scenario_problem("clinic"), scenario_problem("clinic", surrogate=artefact)
        assert isinstance(modelled.build_world(1), envs.SurrogateWorld)
        states = np.zeros((1, len(true.observation.description.components)))
        np.testing.assert_array_equal(true.observation(states), modelled.observation(states))
        assert (true.cost_unit, true.objective.numbers.tolist()) == (
            modelled.cost_unit, modelled.objective.numbers.tolist()
        )  # fmt: skip
        environment = gymnasium.make(CLINIC, surrogate=str(artefact))
        environment.reset(seed=0)
        environment.step(environment.action_space.sample())


def test_parameters_may_be_given_or_drawn(artefact: Path) -> None:
    """In both worlds, by name or from a range."""
    with unchecked():
        description = scenario_problem("clinic").observation.description
        name = description.parameters[0].name
        for surrogate in (None, artefact):
            drawn = scenario_problem(
                "clinic", surrogate=surrogate,
                parameters=envs.UniformParameters.of(description),
            ).build_world(4)  # fmt: skip
            given = scenario_problem(
                "clinic", surrogate=surrogate, parameters={name: description.parameters[0].high}
            ).build_world(4)
            for world in (drawn, given):
                world.begin(np.arange(4), np.random.default_rng(0))
            assert len(set(drawn.parameters[:, 0])) == 4
            assert set(given.parameters[:, 0]) == {description.parameters[0].high}


def test_a_surrogate_is_asked_only_where_it_has_learnt(artefact: Path, tmp_path: Path) -> None:
    """A sealed folder tells its box; one that has learnt beyond the system's may be asked there."""
    envs.register()
    beyond = {"arrival_scale": 1.4}
    with unchecked():
        gymnasium.make(CLINIC, parameters=beyond)
        with pytest.raises(InvalidParameters, match=r"'arrival_scale' is 1.4, outside .* \[0.8, "):
            gymnasium.make(CLINIC, surrogate=artefact, parameters=beyond)
        description = scenario_problem("clinic").observation.description
        wide = tuple(replace(p, high=2 * p.high) for p in description.parameters)
        learnt, _ = load_surrogate(artefact, replace(description, parameters=wide))
        save_surrogate(tmp_path / "wide", learnt, {})
        gymnasium.make(CLINIC, surrogate=tmp_path / "wide", parameters=beyond).reset(seed=0)


def test_a_surrogate_is_left_where_it_has_never_been(artefact: Path) -> None:
    """Its support lies in its folder, so a name and a folder must be enough to heed it."""
    with unchecked():
        problem = scenario_problem(
            "clinic", surrogate=artefact, least_support=0.01, support_weight=2.0
        )
        environment = Environment(problem)
        environment.reset(seed=0)
        state = environment.states.copy()
        _, _, _, is_cut, info = environment.step(0)
        assert (is_cut, info["penalty"]) == (False, 0.0)
        nowhere = np.full((1, len(state)), 500.0)
        nowhere[:, -2:] = state[-2:]
        description = problem.observation.description
        judged = problem.caution.judge(
            nowhere, description.decisions[:1], description.nominal[None]
        )
    assert judged.stops.tolist() == [True]
    assert judged.penalties.tolist() == [2.0]


def test_a_support_that_is_not_there_is_not_passed_over(artefact: Path) -> None:
    """Somebody who asks for caution and gets none would train on what nobody knows."""
    with unchecked():
        with pytest.raises(InvalidSystem, match="does not tell where the surrogate has been"):
            scenario_problem("clinic", surrogate=artefact.with_name("untold"), least_support=0.01)
        with pytest.raises(InvalidSystem, match="give them with a surrogate"):
            scenario_problem("clinic", support_weight=1.0)


def test_a_name_alone_is_enough_where_it_names_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration file can hold a string, and no call."""
    for identity in envs.register():
        monkeypatch.delitem(gymnasium.registry, identity)
    monkeypatch.delitem(sys.modules, "envs.registered", raising=False)
    with unchecked():
        gymnasium.make("envs.registered:surrogym/tandem-v0").reset(seed=0)


def test_a_file_of_one_s_own_may_learn_its_arrivals_from_volumes(tmp_path: Path) -> None:
    """It is found by where it lies, though its name is that of no bundled scenario."""
    bank = (Path(sim.__file__).parent / "scenarios" / "bank.toml").read_text()
    file = tmp_path / "ours.toml"
    file.write_text(bank.replace('name = "bank"', 'name = "ours"', 1))
    ours = Environment(scenario_problem(str(file)))
    theirs = Environment(scenario_problem("bank"))
    np.testing.assert_array_equal(ours.reset(seed=3)[0], theirs.reset(seed=3)[0])
    np.testing.assert_array_equal(ours.step(0)[0], theirs.step(0)[0])
