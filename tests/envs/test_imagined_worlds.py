"""A policy's days in real surrogates: one possible world a day, and a price where data ends."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import stats

from envs.caution import AllCautions, DoubtPenalty, SupportPenalty, SupportStop, TellsSupport
from envs.objective import Objective
from envs.observation import Observation
from envs.problem import Problem
from envs.randomisation import UniformParameters
from envs.vector import VectorEnvironment
from envs.world import ImaginedWorld, SurrogateWorld
from sim.description import SystemDescription
from sim.streams import stream
from surrogates.collect import run_episodes
from surrogates.dataset import Transitions
from surrogates.design import plan_episodes
from surrogates.ensemble import EnsembleSurrogate, fit_ensemble
from surrogates.ensemble.members import EnsembleSettings
from surrogates.gaussian_process import (
    GaussianProcessSettings,
    GaussianProcessSurrogate,
    fit_gaussian_process,
)
from surrogates.support import Support
from tests.envs.conftest import AT_CLOSE, COSTS
from tests.systems import MakeSimulator, small_centre

Doubtful = EnsembleSurrogate | GaussianProcessSurrogate
WORLDS, COPIES = 8, 60
NEAR = {"arrival_scale": (0.8, 1.0)}
"""Where the data is from; the box goes on to larger arrivals."""


@pytest.fixture(scope="module")
def description() -> SystemDescription:
    return small_centre().describe()


@pytest.fixture(scope="module")
def data(description: SystemDescription) -> Transitions:
    """A few days with few arrivals, so that much remains in doubt."""
    box = UniformParameters.of(description, NEAR)
    values = box(40, np.random.default_rng(5))
    plans = tuple(
        replace(plan, parameters=description.parameter_values(row))
        for plan, row in zip(plan_episodes(description, 40, seed=5), values, strict=True)
    )
    return run_episodes(MakeSimulator(), plans)


@pytest.fixture(scope="module")
def surrogates(data: Transitions, description: SystemDescription) -> dict[str, Doubtful]:
    ensemble = EnsembleSettings(members=3, elites=3, hidden=12, layers=1, passes=4)
    processes = GaussianProcessSettings(inducing=16, steps=10, batch=64, exact_rows=0)
    return {
        "ensemble": fit_ensemble(data, description, ensemble, np.random.default_rng(6)),
        "gp": fit_gaussian_process(data, description, processes, np.random.default_rng(7)),
    }


@pytest.fixture(scope="module")
def support(data: Transitions, description: SystemDescription) -> Support:
    return Support.learn(data, description, stream(8, "support"))


@pytest.mark.parametrize("family", ["ensemble", "gp"])
def test_a_day_in_one_possible_world_differs_from_a_day_in_another(
    family: str, surrogates: dict[str, Doubtful]
) -> None:
    """Days of one world have more in common than chance gives, where the world is not known.

    One-way analysis of variance of each output of an epoch from one opening, in eight worlds; the
    plain surrogate, which draws its doubt anew in every epoch, has no worlds to tell apart. With
    nothing to tell, the smallest of 20 p-values is below 1e-4 once in 500 times.
    """
    surrogate = surrogates[family]
    draws = surrogate.draw_functions(WORLDS, np.random.default_rng(0))
    imagined, plain = ImaginedWorld(surrogate, draws, 800), SurrogateWorld(surrogate, 800)
    assert _smallest_p(imagined, imagined) < 1e-6
    assert _smallest_p(plain, imagined) > 1e-4


def _smallest_p(world: SurrogateWorld, labelled: ImaginedWorld) -> float:
    random, every = np.random.default_rng(1), np.arange(800)
    world.begin(every, random)
    if world is not labelled:
        labelled.begin(every, random)
    choices = world.description.decisions
    outputs = world.advance(np.tile(choices[1], (800, 1)), random).outputs
    varying = outputs[:, outputs.std(axis=0) > 0].T
    return min(
        float(stats.f_oneway(*(column[labelled.which == k] for k in range(WORLDS))).pvalue)
        for column in varying
    )


@pytest.mark.parametrize("family", ["ensemble", "gp"])
def test_a_rollout_pays_for_doubt_and_is_cut_where_the_data_ends(
    family: str,
    surrogates: dict[str, Doubtful],
    support: Support,
    description: SystemDescription,
) -> None:
    """Parameters over the box, a world for each day, a price and a stop: as policies train.

    The prices and the cuts must be those of the questions asked, the money what it was, and days
    far from the data must be cut more often than days like the data's.
    """
    assert isinstance(support, TellsSupport)
    surrogate = surrogates[family]
    cautions = (
        DoubtPenalty(surrogate=surrogate, weight=0.5),
        SupportPenalty(support=support, weight=2.0),
        SupportStop(support=support, least=0.02, penalty=1.0),
    )
    problem = _problem(surrogate, description, AllCautions(cautions=cautions))
    played = _play(problem, support, surrogate)
    paid = 0.5 * played["doubt"] + 2.0 * np.maximum(1 - played["score"] / 0.1, 0)
    np.testing.assert_allclose(played["penalty"], paid + (played["score"] < 0.02))
    np.testing.assert_allclose(played["reward"], -played["cost"] / 100 - played["penalty"])
    np.testing.assert_array_equal(
        played["cut"], (played["score"] < 0.02) & ~played["last"].astype(bool)
    )
    assert played["last"].any()
    far = played["scale"] > 1.2
    assert played["cut"][far].mean() > 2 * played["cut"][~far].mean()
    assert _play(problem, support, surrogate)["reward"].tolist() == played["reward"].tolist()


def _problem(surrogate: Doubtful, description: SystemDescription, caution: AllCautions) -> Problem:
    draws = surrogate.draw_functions(WORLDS, np.random.default_rng(2))
    box = UniformParameters.of(description, {"arrival_scale": (0.8, 1.5)})
    return Problem(
        build_world=partial(ImaginedWorld, surrogate, draws, parameters=box),
        objective=Objective.from_costs(description, COSTS, AT_CLOSE),
        observation=Observation(description=description, parameters=description.nominal),
        cost_unit=100.0,
        caution=caution,
    )


def _play(problem: Problem, support: Support, surrogate: Doubtful) -> dict[str, np.ndarray]:
    """A day and a half under random choices, ended rows begun again; a row for each step."""
    vector = VectorEnvironment(problem, COPIES)
    vector.reset(seed=3)
    choices, random = problem.build_world(1).description.decisions, np.random.default_rng(4)
    found: dict[str, list[np.ndarray]] = {}
    for _ in range(10):
        actions = random.integers(len(choices), size=COPIES)
        rollouts = vector._rollouts
        asked = rollouts.states, choices[actions], rollouts.world.parameters.copy()
        _, reward, last, cut, infos = vector.step(actions)
        step = {
            "doubt": surrogate.doubt(*asked), "score": support.score(*asked),
            "scale": asked[2][:, 0], "reward": reward, "last": last, "cut": cut,
            "penalty": infos["penalty"], "cost": infos["cost"],
        }  # fmt: skip
        for name, values in step.items():
            found.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in found.items()}
