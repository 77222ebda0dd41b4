"""Environments of sessions, built in a worker; sessions of equal problems share one problem."""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from envs.environment import Environment
from envs.objective import Constraint, Objective, Target
from envs.problem import Problem
from envs.registration import scenario_problem
from envs.vector import VectorEnvironment
from service.sessions.refusal import Broken, Refused
from service.sessions.spec import SessionSpec
from sim.description import Description
from sim.errors import InvalidSystem, SurrogymError
from sim.scenario import load_scenario, runs_own_code
from surrogates.storage import MANIFEST, fingerprint

_SHARED = 64
"""Problems that a worker keeps, a surrogate's weights with each."""


def build_environment(spec: SessionSpec) -> Environment | VectorEnvironment:
    """A fresh environment; raises Refused where the spec asks for what there is not."""
    try:
        problem = _problem(spec.problem)
        if spec.num_envs is None:
            return Environment(problem)
        return VectorEnvironment(problem, spec.num_envs, spec.autoreset_mode)
    except SurrogymError as error:
        raise Refused("refused_input", str(error)) from error


@lru_cache(maxsize=_SHARED)
def _problem(line: str) -> Problem:
    told = json.loads(line)
    world, objective = told["world"], told["objective"]
    _refuse_changed("scenario", file_digest(told["reference"]), told["file_digest"])
    if world["kind"] == "surrogate":
        _refuse_changed("surrogate", surrogate_digest(Path(world["folder"])), world["digest"])
    asked: dict[str, Any] = {
        "surrogate": world["folder"],
        "parameters": told["parameters"],
        "actions": told["actions"],
        "mask": told["mask"],
        "history": told["history"],
    }
    _refuse_failing(told["reference"])
    problem = scenario_problem(told["reference"], **asked)
    if objective is None:
        return problem
    wanted = _objective(objective, problem.observation.description)
    return scenario_problem(told["reference"], objective=wanted, **asked)


def _refuse_changed(what: str, found: str | None, pinned: str | None) -> None:
    """What was pinned must be what lies there, or the past could not be repeated."""
    if found != pinned:
        raise Broken("session_lost", f"the {what} was changed since: begin a new session")


def _refuse_failing(reference: str) -> None:
    """Refuse a plug-in that cannot be built; what its code said is for the log alone."""
    if not runs_own_code(reference):
        return
    try:
        load_scenario(reference)
    except SurrogymError as error:
        traceback.print_exception(error)
        told = "its simulator cannot be built: the service's log has why"
        raise Refused("simulator_error", told) from error


def file_digest(reference: str) -> str | None:
    """SHA-256 of the file that a scenario is read from; None where it is none of an operator's."""
    path = Path(reference if reference.endswith(".toml") else reference.rpartition(":")[0])
    return fingerprint(path) if path.suffix == ".toml" and path.is_file() else None


def surrogate_digest(folder: Path) -> str | None:
    """SHA-256 of a stored surrogate's weights, by its manifest; None where there is none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return None
    return manifest.get("sha256") if manifest.get("kind") == "surrogate" else None


def _objective(told: Mapping[str, Any], description: Description) -> Objective:
    if "output_names" not in told:
        return _by_name(told, description)
    objective = Objective.from_record(told)
    names = (objective.output_names, objective.state_names)
    if names != (description.output_names, description.state_names):
        raise InvalidSystem(
            f"the objective is of outputs {', '.join(names[0])}: name {description.name!r}'s, "
            f"{', '.join(description.output_names)}"
        )
    return objective


def _by_name(told: Mapping[str, Any], description: Description) -> Objective:
    pairs = ("numerator", "denominator")
    return Objective.from_costs(
        description,
        told.get("outputs", {}),
        told.get("at_close", {}),
        targets=[Target(**target) for target in told.get("targets", ())],
        constraints=[
            Constraint(**{**one, **{name: tuple(one[name]) for name in pairs}})
            for one in told.get("constraints", ())
        ],
    )
