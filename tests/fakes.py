"""Small real doubles that several tests share."""

from dataclasses import dataclass
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv

from sim.description import Description, Lever, SystemDescription
from sim.epoch import Epoch, Parameter, Quantity, parameter_vector
from surrogates.interface import Epochs


class BatchedEnv(VectorEnv[Any, Any, Any]):
    """Common part of the doubles: SAME_STEP autoreset after a fixed number of steps for each."""

    def __init__(
        self, lengths: np.ndarray, features: int, actions: int | gym.Space[Any], truncates: bool
    ) -> None:
        self.metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}
        self.num_envs = len(lengths)
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (features,), np.float32)
        self.single_action_space = (
            gym.spaces.Discrete(actions) if isinstance(actions, int) else actions
        )
        self.observation_space = gym.vector.utils.batch_space(
            self.single_observation_space, self.num_envs
        )
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, self.num_envs)
        self.lengths = lengths
        self.truncates = truncates
        self.generator = np.random.default_rng(0)
        self.time = np.zeros(self.num_envs, dtype=np.int64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        if seed is not None:
            self.generator = np.random.default_rng(seed)
        self.restart(np.ones(self.num_envs, dtype=np.bool_))
        return self.observe(), {}

    def finish(self, rewards: np.ndarray) -> tuple[Any, ...]:
        """End the episodes whose time has come, restart them and answer as gymnasium does."""
        ended = self.time == self.lengths
        never = np.zeros_like(ended)
        infos: dict[str, Any] = {}
        if ended.any():
            infos = {"final_obs": self.observe(), "_final_obs": ended}
            self.restart(ended)
        terminated, truncated = (never, ended) if self.truncates else (ended, never)
        return self.observe(), rewards, terminated, truncated, infos

    def observe(self) -> np.ndarray:
        raise NotImplementedError

    def restart(self, chosen: np.ndarray) -> None:
        raise NotImplementedError


class Chain(BatchedEnv):
    """Four places in a ring: the right action of three moves on and earns 1, others earn 0.

    The right action at place p is p modulo 3, so the best return is the length of the episode.
    """

    places = 4

    def __init__(self, num_envs: int, *, length: int = 8, truncates: bool = False) -> None:
        super().__init__(np.full(num_envs, length), self.places + 1, 3, truncates)
        self.place = np.zeros(num_envs, dtype=np.int64)

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        is_right = actions == self.place % 3
        self.place = np.where(is_right, (self.place + 1) % self.places, self.place)
        self.time += 1
        return self.finish(is_right.astype(np.float32))

    def observe(self) -> np.ndarray:
        places = np.eye(self.places, dtype=np.float32)[self.place]
        left = (1.0 - self.time / self.lengths)[:, None]
        return np.concatenate([places, left], axis=1, dtype=np.float32)

    def restart(self, chosen: np.ndarray) -> None:
        self.time[chosen] = 0
        self.place[chosen] = self.generator.integers(self.places, size=int(chosen.sum()))


class MaskedChain(Chain):
    """A chain that allows the right action and one wrong one, and breaks at the other wrong one.

    Steps from even places take 10 minutes, from odd ones 30. What was allowed at an episode's last
    observation is told in `final_info`, as gymnasium does.
    """

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        observations, _ = super().reset(seed=seed, options=options)
        return observations, {"action_mask": self.allowed()}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        if not self.allowed()[np.arange(self.num_envs), actions].all():
            raise ArithmeticError("an action was taken that is not allowed")
        minutes = np.where(self.place % 2 == 0, 10.0, 30.0)
        *answer, infos = super().step(actions)
        if "final_obs" in infos:
            infos["final_info"] = {"action_mask": self.last_allowed}
        return (*answer, infos | {"action_mask": self.allowed(), "duration": minutes})

    def restart(self, chosen: np.ndarray) -> None:
        self.last_allowed = self.allowed()
        super().restart(chosen)

    def allowed(self) -> np.ndarray:
        return np.asarray(np.arange(3) != ((self.place + 1) % 3)[:, None])


class Dials(BatchedEnv):
    """Two dials of three and two positions, a light for each that tells where to turn it.

    Each that is right earns 1. Where `masks`, one wrong position of the first dial is not allowed
    when there is another, and turning it there breaks it.
    """

    def __init__(self, num_envs: int, *, masks: bool = False) -> None:
        dials = gym.spaces.MultiDiscrete([3, 2])
        super().__init__(np.full(num_envs, 4), 5, dials, truncates=False)
        self.masks = masks
        self.lights = np.zeros((num_envs, 2), dtype=np.int64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        observations, infos = super().reset(seed=seed, options=options)
        return observations, self.told(infos)

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        if self.masks and not self.allowed()[np.arange(self.num_envs), actions[:, 0]].all():
            raise ArithmeticError("the dial is broken")
        rewards = (actions == self.lights).sum(axis=1).astype(np.float32)
        self.time += 1
        self.light(np.ones(self.num_envs, dtype=np.bool_))
        *answer, infos = self.finish(rewards)
        return (*answer, self.told(infos))

    def observe(self) -> np.ndarray:
        lights = [np.eye(size)[self.lights[:, dial]] for dial, size in enumerate((3, 2))]
        return np.concatenate(lights, axis=1).astype(np.float32)

    def restart(self, chosen: np.ndarray) -> None:
        self.time[chosen] = 0
        self.light(chosen)

    def light(self, chosen: np.ndarray) -> None:
        self.lights[chosen] = self.generator.integers((3, 2), size=(int(chosen.sum()), 2))

    def allowed(self) -> np.ndarray:
        """Of the first dial's three positions and the second's two."""
        first = np.arange(3) != ((self.lights[:, 0] + 1) % 3)[:, None]
        return np.concatenate([first, np.ones((self.num_envs, 2), dtype=np.bool_)], axis=1)

    def told(self, infos: dict[str, Any]) -> dict[str, Any]:
        return infos | ({"action_mask": self.allowed()} if self.masks else {})


class Thermostat(BatchedEnv):
    """Shows a number from -1 to 1; to be set to 20 degrees and 4 times the number, from 15 to 30.

    It costs the square of the difference, and breaks where it is set beyond its ends.
    """

    def __init__(self, num_envs: int) -> None:
        degrees = gym.spaces.Box(15.0, 30.0, (1,), np.float32)
        super().__init__(np.full(num_envs, 4), 1, degrees, truncates=False)
        self.number = np.zeros(num_envs)

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        assert self.action_space.contains(actions)
        rewards = -((actions[:, 0] - self.wanted()) ** 2).astype(np.float32)
        self.time += 1
        self.number = self.generator.uniform(-1.0, 1.0, self.num_envs)
        return self.finish(rewards)

    def wanted(self) -> np.ndarray:
        return np.asarray(20.0 + 4.0 * self.number)

    def observe(self) -> np.ndarray:
        return self.number[:, None].astype(np.float32)

    def restart(self, chosen: np.ndarray) -> None:
        self.time[chosen] = 0
        self.number[chosen] = self.generator.uniform(-1.0, 1.0, int(chosen.sum()))


class Counter(BatchedEnv):
    """Shows (environment, episode, time) and earns time: every observation can be foretold.

    Environment k's episodes last 3 + k steps.
    """

    def __init__(self, num_envs: int, *, truncates: bool = False) -> None:
        super().__init__(3 + np.arange(num_envs), 3, 2, truncates)
        self.episode = np.zeros(num_envs, dtype=np.int64)

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[np.ndarray, dict[str, Any]]:
        self.time[:] = 0
        return self.observe(), {}

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        self.time += 1
        return self.finish(self.time.astype(np.float32))

    def observe(self) -> np.ndarray:
        return np.stack([np.arange(self.num_envs), self.episode, self.time], 1).astype(np.float32)

    def restart(self, chosen: np.ndarray) -> None:
        self.time[chosen] = 0
        self.episode[chosen] += 1


@dataclass(frozen=True)
class MakeChain:
    """A picklable recipe for chains."""

    length: int = 8
    truncates: bool = False

    def __call__(self, num_envs: int) -> Chain:
        return Chain(num_envs, length=self.length, truncates=self.truncates)


class Failing(Counter):
    """Breaks at its second step, as a user's simulator may."""

    def step(self, actions: np.ndarray) -> tuple[Any, ...]:
        if self.time.max() == 1:
            raise ArithmeticError("the simulator broke")
        return super().step(actions)


class GuessingSurrogate:
    """Answers with small random counts, but tells day, epoch and assigned agents rightly.

    Enough for environments, which only need shapes, an end of day and a generator that is used.
    """

    name = "guessing"

    def __init__(self, description: SystemDescription) -> None:
        self.description = description
        days = range(len(description.calendar.values))
        self.openings = np.array([description.initial_state(day) for day in days])

    def sample(
        self,
        states: np.ndarray,
        decisions: np.ndarray,
        parameters: np.ndarray,
        random: np.random.Generator,
    ) -> Epochs:
        d = self.description
        outputs = random.poisson(5.0, (len(states), len(d.output_names))).astype(float)
        following = states.copy()
        stocks = len(d.stocks)
        following[:, :stocks] = random.poisson(2.0, (len(states), stocks))
        for i, tally in enumerate(d.tallies, start=stocks):
            came = outputs[:, d.output_names.index(tally.flow)]
            following[:, i] = came if tally.resets else following[:, i] + came
        known = d.known_ahead(states[:, -2].astype(int), states[:, -1].astype(int), parameters)
        sizes = d.team_sizes(known, decisions)
        outputs[:, -1] = d.moves(states, sizes)
        following[:, -2 - len(d.moved_teams) : -2] = sizes[:, list(d.moved_teams)]
        durations = d.durations[states[:, -1].astype(int)]
        following[:, -1] += 1
        return Epochs(state=following, outputs=outputs, duration=durations)


ROUNDS = tuple(10.0 * k for k in range(7))


class TinyQueue:
    """A queue in six rounds of ten minutes, as somebody might write it who knows nothing of ours.

    It opens with some customers at random, tells of a mood that may be negative, and loses money
    or earns some. With `patience` it closes early when more than so many wait; without `boundaries`
    its rounds last as long as they last.
    """

    costs: ClassVar = {"waited": 1.0, "profit": -2.0, "staffed": 3.0}

    def __init__(self, patience: int | None = None, boundaries: tuple[float, ...] = ROUNDS) -> None:
        self._patience = patience
        self._description = Description(
            name="tiny",
            components=(
                Quantity(name="waiting", unit="customers"),
                Quantity(name="mood", unit="points", is_count=False),
            ),
            outputs=(
                Quantity(name="arrivals", unit="customers"),
                Quantity(name="served", unit="customers"),
                Quantity(name="waited", unit="customer minutes", is_count=False),
                Quantity(name="profit", unit="pounds", is_count=False),
                Quantity(name="staffed", unit="server rounds"),
            ),
            levers=(Lever(name="servers", levels=(1.0, 2.0, 4.0), decides="servers"),),
            parameters=(
                Parameter(name="arrival_scale", unit="factor", low=0.5, high=1.5, nominal=1.0),
            ),
            epochs=6,
            boundaries=boundaries,
        )
        self._round = 6

    def describe(self) -> Description:
        return self._description

    def reset(self, seed: int, parameters: dict[str, float] | None = None) -> np.ndarray:
        (self._scale,) = parameter_vector(self._description.parameters, parameters)
        self._random = np.random.default_rng(seed)
        self._waiting, self._mood, self._round = int(self._random.integers(5)), 0.0, 0
        return self._state()

    def advance(self, decision: np.ndarray) -> Epoch:
        assert self._round < 6, "the episode is over"
        came = int(self._random.poisson(6.0 * self._scale))
        served = min(self._waiting + came, int(self._random.poisson(3.0 * decision[0])))
        before, self._waiting = self._waiting, self._waiting + came - served
        self._mood = 0.8 * self._mood + 0.1 * (served - came) + 0.1 * float(self._random.normal())
        self._round += 1
        waited = 5.0 * (before + self._waiting) * float(self._random.uniform(0.9, 1.1))
        is_tired = self._patience is not None and self._waiting > self._patience
        return Epoch(
            state=self._state(),
            outputs=np.array([came, served, waited, self._mood + served / 6 - 1, decision[0]]),
            duration=10.0 if self._description.boundaries else float(self._random.uniform(5, 15)),
            is_last=self._round == 6 or is_tired,
        )

    def _state(self) -> np.ndarray:
        return np.array([self._waiting, self._mood], dtype=float)
