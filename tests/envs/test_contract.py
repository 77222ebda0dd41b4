from functools import partial
from typing import Any

import gymnasium
import numpy as np
import pytest

from envs.contract import (
    EnvironmentBroken,
    assert_holds,
    check_environment,
    check_vector_environment,
)
from envs.environment import Environment
from envs.problem import Problem
from envs.registration import scenario_problem
from envs.vector import VectorEnvironment
from sim.scenario import bundled_scenarios
from tests.envs.clockwork import clockwork_problem
from tests.systems import unchecked


@pytest.mark.parametrize("scenario", bundled_scenarios())
def test_every_bundled_scenario_keeps_the_contract(scenario: str) -> None:
    """Whatever its epochs and levers are, a learner meets the same interface."""
    with unchecked():
        problem = scenario_problem(scenario, mask="non_idling")
        assert_holds(check_environment(partial(Environment, problem), steps=3))
        vector = partial(VectorEnvironment, problem, 2)
        assert_holds(check_vector_environment(vector, steps=2))


def test_the_small_centre_keeps_the_contract_to_the_end_of_its_day(problem: Problem) -> None:
    """In both worlds, with nothing left out but masks, which it was not asked for."""
    with unchecked():
        checks = check_environment(partial(Environment, problem))
    assert_holds(checks)
    assert [check.name for check in checks if check.outcome != "passed"] == ["masks"]


class Broken(gymnasium.Env[Any, Any]):
    """Wraps the clockwork and breaks one thing."""

    def __init__(self, fault: str) -> None:
        self.env = Environment(clockwork_problem(mask="feasible"))
        self.fault = fault
        self.action_space = self.env.action_space
        self.observation_space = self.env.observation_space
        if fault == "spaces":
            self.observation_space = gymnasium.spaces.Box(-1e9, 1e9, (2,), np.float64)
        self.kept = np.zeros(2, dtype=np.float32)
        self.random = np.random.default_rng()

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        seen, info = self.env.reset(seed=seed)
        return self._broken(seen, info)

    def step(self, action: Any) -> Any:
        if self.fault == "end" and self.env._has_ended:
            return self.kept, 0.0, True, False, {}
        seen, reward, *ends, info = self.env.step(action)
        seen, info = self._broken(seen, info)
        return seen, np.nan if self.fault == "numbers" else reward, *ends, info

    def _broken(self, seen: np.ndarray, info: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        if self.fault == "seeds":
            seen = seen + self.random.random(2, dtype=np.float32)
        if self.fault == "masks":
            info["action_mask"] = np.zeros(3, dtype=bool)
        if self.fault == "own_arrays":
            self.kept[:] = seen
            seen = self.kept
        return seen, info


@pytest.mark.parametrize("fault", ["spaces", "numbers", "masks", "seeds", "own_arrays", "end"])
def test_what_is_broken_is_named(fault: str) -> None:
    """A contract that nothing can break would vouch for nothing."""
    with pytest.raises(EnvironmentBroken, match=f"  {fault}: "):
        assert_holds(check_environment(partial(Broken, fault), steps=8))


@pytest.mark.parametrize("form", ["joint", "levers", "continuous"])
def test_the_contract_is_kept_in_every_form_of_actions(form: str) -> None:
    """Action 0 is a decision of one form only; to the others it is an error of the caller's."""
    with unchecked():
        problem = clockwork_problem(actions=form)
        checks = check_environment(partial(Environment, problem), steps=8)
    assert_holds(checks)
    assert {check.name: check.outcome for check in checks}["end"] == "passed"


class Strict(Broken):
    """Allows one joint choice or the other by turns, and refuses what it does not allow."""

    def __init__(self) -> None:
        super().__init__("")
        self.turn = 0

    def step(self, action: Any) -> Any:
        if not self.allowed()[action]:
            raise ValueError(f"action {action} is not allowed now")
        self.turn += 1
        return super().step(action)

    def _broken(self, seen: np.ndarray, info: dict[str, Any]) -> tuple[np.ndarray, dict[str, Any]]:
        return seen, info | {"action_mask": self.allowed()}

    def allowed(self) -> np.ndarray:
        return np.array([False, self.turn % 2 == 0, self.turn % 2 == 1])


def test_an_environment_that_refuses_what_its_mask_forbids_keeps_the_contract() -> None:
    """It told the caller; gymnasium's own checker is the one that does not listen."""
    checks = check_environment(Strict, steps=8)
    broken = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    assert len(broken) <= 1
    assert all(one.startswith("gymnasium: ") for one in broken), broken
    assert {check.name: check.outcome for check in checks}["end"] == "passed"
