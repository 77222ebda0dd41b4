"""Policies beside rules of thumb on the true simulator, all on the same episodes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from service.jobs.kinds.batches import batched, weights_of
from service.jobs.kinds.rules import rules_for
from service.jobs.specs import EvaluateSpec
from service.jobs.work import Work
from sim.streams import stream
from surrogates.errors import InvalidDataset
from training.evaluation import Comparison, compare, evaluation_seeds
from training.forms import CostsForm
from training.heuristics import Controller

_STEP = "episodes"


def weights(spec: EvaluateSpec) -> dict[str, float]:
    """A step for each batch of episodes, after the search of rules."""
    tuning = {} if spec.surrogate is None or not spec.rules else {"rules": 0.3}
    return tuning | weights_of(spec.episodes, _STEP)


def run(work: Work[EvaluateSpec]) -> dict[str, Any]:
    """Makes `comparison`."""
    spec, plant = work.spec, work.plant
    policies = [plant.controller(work.policy(f"policies.{who}"), who) for who in spec.policies]
    rules = rules_for(work) if spec.rules else []
    controllers: list[Controller] = [*policies, *rules]
    if not controllers:
        raise InvalidDataset("nobody to evaluate: give policies, or let the rules in")
    parts = [
        work.journal.step(
            step,
            lambda part=part: compare(  # type: ignore[misc]
                plant.build,
                controllers,
                plant.objective,
                tuple(part),
                work.executor,
                parameters=spec.parameters,
                on_progress=work.journal.counting(len(part) * len(controllers)),
            ),
            CostsForm(),
        )
        for step, part in batched(evaluation_seeds(spec.seed, spec.episodes, "judge"), _STEP)
    ]
    names = [controller.name for controller in controllers]
    whole = Comparison(
        costs={name: np.concatenate([part.costs[name] for part in parts]) for name in names}
    )
    work.keep_comparison(whole)
    return summary_of(whole, names, [rule.name for rule in rules], spec.seed)


def summary_of(
    comparison: Comparison, names: list[str], rules: list[str], seed: int
) -> dict[str, Any]:
    """Mean costs, and differences to the best rule where there are rules."""
    reference = comparison.best(rules or names)
    return {
        "reference": reference,
        "best": comparison.best(names),
        "episodes": len(comparison.costs[reference]),
        "costs": {name: asdict(comparison.mean(name)) for name in names},
        "against_reference": {
            name: asdict(comparison.against(name, reference, stream(seed, "against", name)))
            for name in names
            if name != reference
        },
    }
