"""What any environment must satisfy, as checks that can be run on anybody's.

`check_environment` looks at a `gymnasium.Env` and `check_vector_environment` at a natively batched
`VectorEnv` in one of gymnasium's autoreset modes; both tell of each claim whether it holds.
`assert_holds` raises on those that do not.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode, VectorEnv

from envs.actions import WHAT_CAN_BE_DECIDED, can_be_decided, choices_in
from sim.contract.check import Check, Verdict, fails, first_fault, holds, noted, skipped
from sim.errors import SurrogymError

BuildEnvironment = Callable[[], gymnasium.Env[Any, Any]]
BuildVectorEnvironment = Callable[[], VectorEnv[Any, Any, Any]]


class EnvironmentBroken(SurrogymError):
    """An environment breaks one or more claims of the contract."""

    def __str__(self) -> str:
        return "the environment breaks its contract:\n" + "\n".join(f"  {one}" for one in self.args)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Trial:
    """What is looked at: an environment that is built as often as needed, for so many steps."""

    build: BuildEnvironment
    steps: int
    seed: int

    def played(self) -> list[tuple[Any, ...]]:
        """Observation, reward, terminated, truncated and info of each step from the seed on."""
        return self.play(self.build(), self.seed)

    def play(self, env: gymnasium.Env[Any, Any], seed: int | None) -> list[tuple[Any, ...]]:
        """The same in an environment that is there; without a seed it goes on from where it was.

        The actions are those of the trial's seed in either case.
        """
        seen, info = env.reset(seed=seed)
        env.action_space.seed(self.seed)
        steps: list[tuple[Any, ...]] = [(seen, 0.0, False, False, info)]
        for _ in range(self.steps):
            steps.append(env.step(_allowed(env.action_space, steps[-1][4])))
            if steps[-1][2] or steps[-1][3]:
                break
        return steps


def _allowed(space: gymnasium.Space[Any], info: dict[str, Any]) -> Any:
    """A random action, one that the mask allows where one of the right form is told."""
    mask = info.get("action_mask")
    if mask is None or np.shape(mask) != (choices_in(space),):
        return space.sample()
    sizes = space.nvec if isinstance(space, gymnasium.spaces.MultiDiscrete) else [len(mask)]
    parts = np.split(np.asarray(mask, dtype=np.int8), np.cumsum(sizes)[:-1])
    if not all(part.any() for part in parts):
        return space.sample()
    return space.sample(
        mask=parts[0] if isinstance(space, gymnasium.spaces.Discrete) else (*parts,)
    )


def check_environment(
    build: BuildEnvironment, *, steps: int = 200, seed: int = 1
) -> tuple[Check, ...]:
    """Hold an environment against every claim, over one episode of at most so many steps."""
    trial = _Trial(build=build, steps=steps, seed=seed)
    return _examined(_CLAIMS, trial)


def _spaces(trial: _Trial) -> Verdict:
    """Observations are flat and single precision, actions a number from 0 or a flat row."""
    env = trial.build()
    return first_fault([*_space_faults(env.observation_space, env.action_space)])


def _space_faults(seen: gymnasium.Space[Any], action: gymnasium.Space[Any]) -> Iterable[str | None]:
    if not (isinstance(seen, gymnasium.spaces.Box) and len(seen.shape) == 1):
        yield f"observations are of {seen}: give a flat Box"
    if seen.dtype != np.float32:
        yield f"observations are of type {seen.dtype}: give float32"
    if not can_be_decided(action):
        yield f"actions are of {action}: {WHAT_CAN_BE_DECIDED}"


def _numbers(trial: _Trial) -> Verdict:
    """Every observation is in its space, every reward a finite number, every end a fact."""
    env = trial.build()
    return first_fault(
        _number_fault(env, number, step) for number, step in enumerate(trial.played())
    )


def _number_fault(env: gymnasium.Env[Any, Any], number: int, step: tuple[Any, ...]) -> str | None:
    seen, reward, terminated, truncated, info = step
    if seen not in env.observation_space:
        return f"step {number}: observation {seen} is outside its space"
    if not (isinstance(reward, float) and np.isfinite(reward)):
        return f"step {number}: reward {reward!r}: give a finite float"
    if not (type(terminated) is bool and type(truncated) is bool and isinstance(info, dict)):
        return f"step {number}: ends {terminated!r}, {truncated!r}, info {type(info).__name__}"
    if number and not info.get("duration", 1.0) > 0:
        return f"step {number}: took {info['duration']} minutes: time only goes on"
    return None


def _masks(trial: _Trial) -> Verdict:
    """Where a mask is told, it has one bool for each choice and allows one at least."""
    size = choices_in(trial.build().action_space)
    masks = [step[4]["action_mask"] for step in trial.played() if "action_mask" in step[4]]
    if not masks:
        return skipped("no mask is told")
    faults = (
        f"mask {mask} for {size} actions: one bool each, not all false"
        for mask in masks
        if np.shape(mask) != (size,) or not np.any(mask)
    )
    return first_fault(faults)


def _seeds(trial: _Trial) -> Verdict:
    """The same seed and actions give the same episode, in another object too."""
    return holds() if _same(trial.played(), trial.played()) else fails("two runs of a seed differ")


def _fresh(trial: _Trial) -> Verdict:
    """A reset without a seed goes on to another episode."""
    env = trial.build()
    one, other = (trial.play(env, seed) for seed in (trial.seed, None))
    if _same([step[:2] for step in one[1:]], [step[:2] for step in other[1:]]):
        return noted("two episodes in a row are the same: right only where nothing is random")
    return holds()


def _kept(trial: _Trial) -> Verdict:
    """What was observed stays as it was when the environment goes on."""
    env = trial.build()
    seen, info = env.reset(seed=trial.seed)
    before = np.array(seen)
    env.action_space.seed(trial.seed)
    env.step(_allowed(env.action_space, info))
    has_changed = not np.array_equal(before, seen)
    env.reset()
    if has_changed or not np.array_equal(before, seen):
        return fails("an observation changed afterwards")
    return holds()


def _end(trial: _Trial) -> Verdict:
    """A step after the end of an episode is refused, and a reset goes on."""
    env = trial.build()
    *_, last = trial.play(env, trial.seed)
    if not (last[2] or last[3]):
        return skipped(f"no episode ends within {trial.steps} steps")
    try:
        env.step(_allowed(env.action_space, last[4]))
    except Exception:
        _, info = env.reset()
        env.step(_allowed(env.action_space, info))
        return holds()
    return fails("a step after the end was answered")


def _gymnasium(trial: _Trial) -> Verdict:
    """Gymnasium's own checker is content, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            check_env(trial.build().unwrapped, skip_render_check=True)
        except (AssertionError, ValueError, TypeError, Warning) as error:
            return fails(str(error))
    return holds()


_CLAIMS: dict[str, Callable[[Any], Verdict]] = {
    "spaces": _spaces,
    "numbers": _numbers,
    "masks": _masks,
    "seeds": _seeds,
    "fresh_episodes": _fresh,
    "own_arrays": _kept,
    "end": _end,
    "gymnasium": _gymnasium,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _VectorTrial:
    """What is looked at of a batched environment."""

    build: BuildVectorEnvironment
    steps: int
    seed: int

    def played(self) -> list[tuple[Any, ...]]:
        """Everything that was answered from the seed on; in DISABLED mode ended rows are reset."""
        env = self.build()
        seen, infos = env.reset(seed=self.seed)
        none = np.zeros(env.num_envs, dtype=bool)
        steps: list[tuple[Any, ...]] = [(seen, np.zeros(env.num_envs), none, none, infos)]
        for actions in self.actions(env):
            ended = steps[-1][2] | steps[-1][3]
            if ended.any() and env.metadata["autoreset_mode"] is AutoresetMode.DISABLED:
                env.reset(options={"reset_mask": ended})
            steps.append(env.step(actions))
        return steps

    def actions(self, env: VectorEnv[Any, Any, Any]) -> Iterable[Any]:
        """Random ones, the same for the same seed."""
        env.action_space.seed(self.seed)
        return [env.action_space.sample() for _ in range(self.steps)]


def check_vector_environment(
    build: BuildVectorEnvironment, *, steps: int = 200, seed: int = 1
) -> tuple[Check, ...]:
    """Hold a batched environment against every claim, over so many steps."""
    return _examined(_VECTOR_CLAIMS, _VectorTrial(build=build, steps=steps, seed=seed))


def _mode(trial: _VectorTrial) -> Verdict:
    """The autoreset mode is declared, and the spaces are batches of flat ones."""
    env = trial.build()
    if not isinstance(env.metadata.get("autoreset_mode"), AutoresetMode):
        return fails("metadata['autoreset_mode'] is not one of gymnasium's AutoresetMode")
    batched = (env.num_envs, *(env.single_observation_space.shape or ()))
    faults = [*_space_faults(env.single_observation_space, env.single_action_space)]
    if env.observation_space.shape != batched:
        faults.append(f"observations have shape {env.observation_space.shape}, not {batched}")
    return first_fault(faults)


def _batches(trial: _VectorTrial) -> Verdict:
    """Every answer has one row for each environment, of the types that gymnasium gives."""
    env = trial.build()
    return first_fault(
        _batch_fault(env, number, step) for number, step in enumerate(trial.played())
    )


def _batch_fault(env: VectorEnv[Any, Any, Any], number: int, step: tuple[Any, ...]) -> str | None:
    seen, rewards, terminated, truncated, infos = step
    if seen not in env.observation_space:
        return f"step {number}: observations are outside their space"
    if np.shape(rewards) != (env.num_envs,) or not np.isfinite(rewards).all():
        return f"step {number}: rewards {rewards}: give {env.num_envs} finite numbers"
    for flags in (terminated, truncated):
        if np.shape(flags) != (env.num_envs,) or flags.dtype != np.bool_:
            return f"step {number}: ends {flags!r}: give {env.num_envs} bools"
    for name, values in infos.items():
        told = infos.get(f"_{name}", values) if not name.startswith("_") else values
        if (not isinstance(values, dict) and len(values) != env.num_envs) or len(told) == 0:
            return f"step {number}: infos[{name!r}] has not one row for each environment"
        if not name.startswith("_") and f"_{name}" not in infos:
            return f"step {number}: infos has no '_{name}' to say which rows it is told for"
    return None


def _vector_seeds(trial: _VectorTrial) -> Verdict:
    """The same seed and actions give the same episodes, in another object too."""
    return holds() if _same(trial.played(), trial.played()) else fails("two runs of a seed differ")


def _vector_kept(trial: _VectorTrial) -> Verdict:
    """What was answered stays as it was when the environment goes on."""
    env = trial.build()
    answers: list[Any] = [env.reset(seed=trial.seed)[0]]
    copies = [answers[0].copy()]
    for actions in trial.actions(env):
        seen, rewards, *ends, _ = env.step(actions)
        answers += [seen, rewards, *ends]
        copies += [seen.copy(), rewards.copy(), *(flags.copy() for flags in ends)]
        if any(flags.any() for flags in ends):
            break
    kept = all(np.array_equal(a, b) for a, b in zip(answers, copies, strict=True))
    return holds() if kept else fails("arrays that were answered changed afterwards")


def _autoreset(trial: _VectorTrial) -> Verdict:
    """Rows that ended are begun again as the declared mode says."""
    mode, steps = trial.build().metadata["autoreset_mode"], trial.played()
    if mode is AutoresetMode.DISABLED:
        return skipped("rows are begun again by the caller")
    ends = [step[2] | step[3] for step in steps]
    if not any(ended.any() for ended in ends[:-1]):
        return skipped(f"no episode ends within {trial.steps} steps")
    return first_fault(_RESET_FAULTS[mode](steps, ends))


def _same_step(steps: list[Any], ends: list[Any]) -> Iterable[str | None]:
    for number, (step, ended) in enumerate(zip(steps, ends, strict=True)):
        infos = step[4]
        if ended.any() and not np.array_equal(infos.get("_final_obs"), ended):
            yield f"step {number}: infos['_final_obs'] is not where episodes ended"
        for row in np.flatnonzero(ended):
            if np.array_equal(infos["final_obs"][row], step[0][row]):
                yield f"step {number}: row {row} shows its last observation, not a first one"


def _next_step(steps: list[Any], ends: list[Any]) -> Iterable[str | None]:
    for number, ended in enumerate(ends[:-1], start=1):
        _, rewards, terminated, truncated, _ = steps[number]
        if (rewards[ended] != 0).any() or (terminated | truncated)[ended].any():
            yield f"step {number}: rows that were begun again earned something or ended"


_RESET_FAULTS: dict[AutoresetMode, Callable[[list[Any], list[Any]], Iterable[str | None]]] = {
    AutoresetMode.SAME_STEP: _same_step,
    AutoresetMode.NEXT_STEP: _next_step,
}


def _partial_reset(trial: _VectorTrial) -> Verdict:
    """Without autoreset, ended rows refuse to go on until they alone are reset."""
    env, steps = trial.build(), trial.played()
    first = next((k for k, step in enumerate(steps) if (step[2] | step[3]).any()), None)
    if env.metadata["autoreset_mode"] is not AutoresetMode.DISABLED or first is None:
        return skipped(f"there is an autoreset, or no episode ends within {trial.steps} steps")
    env.reset(seed=trial.seed)
    actions = list(trial.actions(env))
    for number in range(first):
        env.step(actions[number])
    seen, ended = steps[first][0], steps[first][2] | steps[first][3]
    try:
        env.step(actions[0])
    except Exception:
        begun, _ = env.reset(options={"reset_mask": ended})
        others = np.array_equal(begun[~ended], seen[~ended])
        return holds() if others else fails("a reset of some rows touched the others")
    return fails("a step was answered while rows that ended waited for their reset")


_VECTOR_CLAIMS: dict[str, Callable[[Any], Verdict]] = {
    "mode": _mode,
    "batches": _batches,
    "seeds": _vector_seeds,
    "own_arrays": _vector_kept,
    "autoreset": _autoreset,
    "partial_reset": _partial_reset,
}


def assert_holds(checks: Iterable[Check]) -> None:
    """Raise EnvironmentBroken with every broken claim at once."""
    broken = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if broken:
        raise EnvironmentBroken(*broken)


def _examined(claims: dict[str, Callable[[Any], Verdict]], trial: object) -> tuple[Check, ...]:
    return tuple(_check(name, examine, trial) for name, examine in claims.items())


def _check(name: str, examine: Callable[[Any], Verdict], trial: object) -> Check:
    try:
        verdict = examine(trial)
    except Exception as error:
        verdict = fails(f"{type(error).__name__}: {error}")
    claim = examine.__doc__ or ""
    return Check(name=name, claim=claim, outcome=verdict.outcome, detail=verdict.detail)


def _same(one: Any, other: Any) -> bool:
    """Whether two records are equal throughout, arrays and records inside them included."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(np.array_equal(one, other, equal_nan=np.asarray(one).dtype.kind == "f"))
