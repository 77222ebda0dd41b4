"""Environments by name: `gymnasium.make("surrogym/clinic-v0")` after `envs.register()`.

Gymnasium has no entry points for environments since its release 1.0. Where a name is all that can
be given, `gymnasium.make("envs.registered:surrogym/clinic-v0")` registers first.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from jaxtyping import Float

from envs.actions import ActionForm
from envs.caution import AllCautions, Caution, NoCaution, SupportPenalty, SupportStop
from envs.environment import Environment
from envs.masks import Mask
from envs.objective import Objective
from envs.observation import viewpoint_of
from envs.problem import BuildWorld, Problem
from envs.randomisation import ParameterDraws
from envs.vector import VectorEnvironment
from envs.world import SimulatedWorld, SurrogateWorld
from sim.description import Description
from sim.epoch import parameter_vector
from sim.errors import InvalidSystem
from sim.recipes import whole_recipe
from sim.scenario import bundled_scenarios, load_scenario
from sim.streams import stream
from surrogates.clock import WithClock
from surrogates.fidelity.policies import number_of_choices
from surrogates.storage import load_as_learnt, load_support

NAMESPACE, VERSION = "surrogym", 0
_GLIMPSE = 200
"""Epochs of the true simulator that are looked at to set scales."""

Parameters = dict[str, float] | ParameterDraws | None


def register() -> tuple[str, ...]:
    """Tell gymnasium of every bundled scenario; returns the ids. Twice is as good as once.

    An id takes as keywords what `scenario_problem` takes.
    """
    ids = {name: environment_id(name) for name in bundled_scenarios()}
    for name, identity in ids.items():
        if identity not in gymnasium.registry:
            gymnasium.register(
                id=identity,
                entry_point="envs.registration:make_environment",
                vector_entry_point="envs.registration:make_vector_environment",
                kwargs={"scenario": name},
            )
    return tuple(ids.values())


def environment_id(scenario: str) -> str:
    """The id of a bundled scenario."""
    return f"{NAMESPACE}/{scenario}-v{VERSION}"


def make_environment(scenario: str, **options: Any) -> Environment:
    """One environment of a scenario; `options` are those of `scenario_problem`."""
    return Environment(scenario_problem(scenario, **options))


def make_vector_environment(
    num_envs: int,
    scenario: str,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    **options: Any,
) -> VectorEnvironment:
    """Many environments of a scenario, in gymnasium's usual mode unless told otherwise."""
    return VectorEnvironment(scenario_problem(scenario, **options), num_envs, autoreset_mode)


def scenario_problem(
    scenario: str,
    *,
    surrogate: str | Path | None = None,
    parameters: Parameters = None,
    objective: Objective | None = None,
    actions: ActionForm = "joint",
    mask: Mask | None = None,
    history: int = 1,
    cost_unit: float | None = None,
    least_support: float = 0.0,
    support_weight: float = 0.0,
) -> Problem:
    """The decision problem of a scenario: a bundled name, `name:variant`, a file or `module:Class`.

    On the true simulator, or on the surrogate whose folder is given. Parameters are nominal unless
    given, or drawn for each episode; a surrogate refuses those beyond what it has learnt. The
    objective is the scenario's unless given. The cost unit is the power of ten nearest to what an
    epoch costs under random decisions. Scales are set by a short run of the true simulator, so both
    worlds are seen and paid alike.

    On a surrogate an episode is cut where a question has less than `least_support`, and up to
    `support_weight` is taken off the reward where hardly anything like it was seen (see
    `envs.caution`). Raises InvalidSystem where the surrogate's folder tells no support.
    """
    read = load_scenario(scenario)
    build = WithClock(build=whole_recipe(read))
    description = build().describe()
    wanted = objective or Objective.from_costs(description, read.costs.outputs, read.costs.at_close)
    states, outputs = _glimpse(build)
    believed = _believed(description, parameters)
    return Problem(
        build_world=_world(build, description, surrogate, parameters),
        objective=wanted,
        observation=viewpoint_of(description, believed, states),
        cost_unit=cost_unit or _cost_unit(wanted, outputs),
        actions=actions,
        mask=mask,
        history=history,
        caution=_caution(description, surrogate, least_support, support_weight),
    )


def _world(
    build: WithClock,
    description: Description,
    surrogate: str | Path | None,
    parameters: Parameters,
) -> BuildWorld:
    if surrogate is None:
        return partial(SimulatedWorld, build, parameters=parameters)
    fitted = load_as_learnt(Path(surrogate), description)
    if isinstance(parameters, dict):
        return partial(SurrogateWorld, fitted, parameters=_believed(description, parameters))
    return partial(SurrogateWorld, fitted, parameters=parameters)


def _caution(
    description: Description, surrogate: str | Path | None, least: float, weight: float
) -> Caution:
    if not least and not weight:
        return NoCaution()
    if surrogate is None:
        raise InvalidSystem(
            f"least_support {least}, support_weight {weight}: the true simulator is right "
            "everywhere; give them with a surrogate"
        )
    support = load_support(Path(surrogate), description)
    if support is None:
        raise InvalidSystem(
            f"{surrogate} does not tell where the surrogate has been: save it with its support, or "
            "leave out least_support and support_weight"
        )
    # Each asks for the support of every question, which is most of what it costs.
    asked: tuple[Caution, ...] = ()
    if least:
        asked += (SupportStop(support=support, least=least),)
    if weight:
        asked += (SupportPenalty(support=support, weight=weight),)
    return AllCautions(cautions=asked)


def _believed(description: Description, parameters: Parameters) -> Float[np.ndarray, "parameter"]:
    given = parameters if isinstance(parameters, dict) else None
    return parameter_vector(description.parameters, given)


def _glimpse(
    build: WithClock,
) -> tuple[Float[np.ndarray, "moment state"], Float[np.ndarray, "epoch output"]]:
    """States and outputs of the first episode, or of its beginning, under random decisions."""
    simulator, random = build(), stream(0, "glimpse")
    description = simulator.describe()
    states, outputs = [simulator.reset(0)], []
    choices = random.integers(number_of_choices(description), size=_GLIMPSE)
    for decision in description.levels_of(choices):
        epoch = simulator.advance(decision)
        states.append(epoch.state)
        outputs.append(epoch.outputs)
        if epoch.is_last:
            break
    return np.array(states), np.array(outputs)


def _cost_unit(objective: Objective, outputs: Float[np.ndarray, "epoch output"]) -> float:
    nothing = np.zeros((len(outputs), len(objective.state_names)))
    costs = objective.cost(outputs, nothing, np.zeros(len(outputs), dtype=bool))
    size = float(np.abs(costs).mean())
    return float(10.0 ** np.round(np.log10(size))) if size > 0 else 1.0
