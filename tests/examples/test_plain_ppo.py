"""A training loop of somebody's own, on environments it knows by name only."""

import sys
from functools import partial
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from envs.environment import Environment
from envs.objective import Objective, Target
from envs.vector import VectorEnvironment
from envs.world import SurrogateWorld
from sim.adapting import private_copy
from tests.envs.clockwork import DESCRIPTION, ClockworkSurrogate, clockwork_problem
from tests.fakes import Counter

SCRIPT = Path(__file__).parents[2] / "examples" / "plain_ppo" / "ppo.py"


@pytest.fixture
def ppo(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return private_copy(SCRIPT)


def test_it_learns_the_best_decisions(ppo: ModuleType) -> None:
    """One turn in every epoch is on target and costs nothing; every other decision costs 10."""
    problem = clockwork_problem(
        build_world=partial(SurrogateWorld, ClockworkSurrogate()),
        objective=Objective.from_costs(
            DESCRIPTION, {}, {}, targets=(Target(output="turns", level=1.0, price=10.0),)
        ),
    )
    settings = ppo.Settings(updates=10, steps=10, learning_rate=5e-3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    agent, means = ppo.train(VectorEnvironment(problem, 32), settings)
    environment = Environment(problem)
    seen, _ = environment.reset(seed=0)
    rewards = []
    for _ in range(5):
        policy, _ = agent(torch.from_numpy(seen))
        seen, reward, *_ = environment.step(np.int64(policy.probs.argmax()))
        rewards.append(reward)
    torch.set_num_threads(threads)
    assert len(means) == 10
    assert sum(rewards) == 0.0


@pytest.mark.parametrize("truncates", [False, True])
def test_every_step_is_judged_by_what_it_led_to(ppo: ModuleType, truncates: bool) -> None:
    """Also where an episode ended, whose last observation is not the one decided on next.

    Environment k of Counter shows (k, episode, time), ends after 3 + k steps and earns the time.
    """
    envs, agent = Counter(3, truncates=truncates), ppo.Agent(3, 2)
    settings = ppo.Settings(steps=9, trace=0.0)
    seen = torch.from_numpy(envs.reset()[0])
    (observations, _, _, advantages, returns), _, _ = ppo.collect(envs, agent, seen, settings)
    ends = observations[:, 2] + 1 == 3 + observations[:, 0]
    with torch.no_grad():
        now, then = (agent.value(observations + torch.tensor([0.0, 0.0, k])) for k in (0.0, 1.0))
    if not truncates:
        then = then * ~ends
    assert ends.any()
    earned = observations[:, 2] + 1 + settings.discount * then
    torch.testing.assert_close(returns, earned)
    torch.testing.assert_close(advantages, earned - now)


def test_the_command_of_its_page_runs(
    ppo: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As it is written there, with fewer updates."""
    command = "ppo.py surrogym/clinic-v0 --updates 1 --envs 2"
    assert "surrogym/clinic-v0 --updates" in (ppo.__doc__ or "")
    monkeypatch.setattr(sys, "argv", command.split())
    ppo.main()
    assert capsys.readouterr().out.startswith("update   0: mean reward of a step")
