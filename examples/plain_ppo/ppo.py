"""PPO in one file, as one would write it for any batched gymnasium environment.

Run from the top folder:

    python examples/plain_ppo/ppo.py surrogym/clinic-v0 --updates 40
    python examples/plain_ppo/ppo.py surrogym/clinic-v0 --surrogate runs/NAME/fit/flow --envs 512

It knows nothing of Surrogym but the name of an environment.
"""

import argparse
from dataclasses import dataclass

import gymnasium
import numpy as np
import torch
from gymnasium.vector import AutoresetMode, VectorEnv
from torch import nn
from torch.distributions import Categorical


@dataclass(frozen=True)
class Settings:
    updates: int = 40
    steps: int = 32
    epochs: int = 4
    minibatches: int = 4
    learning_rate: float = 3e-4
    discount: float = 0.99
    trace: float = 0.95
    clip: float = 0.2
    entropy: float = 0.01
    seed: int = 1


class Agent(nn.Module):
    def __init__(self, observations: int, actions: int) -> None:
        super().__init__()
        self.actor = _network(observations, actions, gain=0.01)
        self.critic = _network(observations, 1, gain=1.0)

    def forward(self, seen: torch.Tensor) -> tuple[Categorical, torch.Tensor]:
        policy = Categorical(logits=self.actor(seen), validate_args=False)
        return policy, self.value(seen)

    def value(self, seen: torch.Tensor) -> torch.Tensor:
        return self.critic(seen).squeeze(-1)


def _network(inputs: int, outputs: int, gain: float) -> nn.Sequential:
    layers = [nn.Linear(inputs, 64), nn.Linear(64, 64), nn.Linear(64, outputs)]
    for layer, scale in zip(layers, (2**0.5, 2**0.5, gain), strict=True):
        nn.init.orthogonal_(layer.weight, scale)
        nn.init.zeros_(layer.bias)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1], nn.Tanh(), layers[2])


def train(envs: VectorEnv, settings: Settings) -> tuple[Agent, list[float]]:
    """The trained agent, and the mean reward of a step before each update."""
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    torch.manual_seed(settings.seed)
    agent = Agent(envs.single_observation_space.shape[0], int(envs.single_action_space.n))
    optimiser = torch.optim.Adam(
        agent.parameters(), lr=settings.learning_rate, eps=1e-5, fused=True
    )
    seen = torch.from_numpy(envs.reset(seed=settings.seed)[0])
    means = []
    for _ in range(settings.updates):
        batch, seen, mean = collect(envs, agent, seen, settings)
        means.append(mean)
        improve(agent, optimiser, batch, settings)
    return agent, means


@torch.no_grad()
def collect(envs, agent, seen, settings):
    """Observations, actions, log probabilities, advantages and returns of a rollout."""
    rows = (settings.steps, envs.num_envs)
    observations = torch.zeros((*rows, seen.shape[1]))
    actions = torch.zeros(rows, dtype=torch.long)
    chances, rewards, values, ended = (torch.zeros(rows) for _ in range(4))
    at_ends = []
    for t in range(settings.steps):
        observations[t] = seen
        policy, values[t] = agent(seen)
        actions[t] = policy.sample()
        chances[t] = policy.log_prob(actions[t])
        after, reward, terminated, truncated, infos = envs.step(actions[t].numpy())
        rewards[t] = torch.from_numpy(reward.astype(np.float32))
        ended[t] = torch.from_numpy((terminated | truncated).astype(np.float32))
        seen = torch.from_numpy(after)
        rows_ended = np.flatnonzero(terminated | truncated)
        if len(rows_ended):
            last = torch.from_numpy(np.stack([infos["final_obs"][row] for row in rows_ended]))
            goes_on = torch.from_numpy(~terminated[rows_ended])
            at_ends.append((t, rows_ended, agent.value(last) * goes_on))
    # What a step leads to is valued when it is decided on; only the last step's is left.
    following = torch.cat([values[1:], agent.value(seen)[None]])
    for t, rows_ended, value in at_ends:
        following[t, rows_ended] = value
    advantages, running = torch.zeros(rows), torch.zeros(envs.num_envs)
    for t in reversed(range(settings.steps)):
        surprise = rewards[t] + settings.discount * following[t] - values[t]
        running = surprise + settings.discount * settings.trace * (1 - ended[t]) * running
        advantages[t] = running
    flat = [x.flatten(0, 1) for x in (observations, actions, chances, advantages)]
    return (*flat, (advantages + values).flatten()), seen, float(rewards.mean())


def improve(agent, optimiser, batch, settings):
    """Several passes over a rollout in minibatches, with the clipped objective."""
    observations, actions, chances, advantages, returns = batch
    for _ in range(settings.epochs):
        for rows in torch.randperm(len(actions)).chunk(settings.minibatches):
            policy, value = agent(observations[rows])
            ratio = (policy.log_prob(actions[rows]) - chances[rows]).exp()
            gain = advantages[rows]
            gain = (gain - gain.mean()) / (gain.std() + 1e-8)
            clipped = ratio.clamp(1 - settings.clip, 1 + settings.clip)
            loss = -torch.minimum(ratio * gain, clipped * gain).mean()
            loss = loss + 0.5 * (value - returns[rows]).square().mean()
            loss = loss - settings.entropy * policy.entropy().mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(agent.parameters(), 0.5)
            optimiser.step()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("environment")
    parser.add_argument("--surrogate", help="folder of a fitted surrogate; else the true simulator")
    parser.add_argument("--envs", type=int, default=8)
    parser.add_argument("--updates", type=int, default=40)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    envs = gymnasium.make_vec(
        f"envs.registered:{arguments.environment}",
        num_envs=arguments.envs,
        surrogate=arguments.surrogate,
        autoreset_mode=AutoresetMode.SAME_STEP,
    )
    _, means = train(envs, Settings(updates=arguments.updates))
    for update, mean in enumerate(means):
        print(f"update {update:3d}: mean reward of a step {mean:8.3f}")


if __name__ == "__main__":
    main()
