"""Run the true simulator over the box of its parameters and all kinds of behaviour."""

from __future__ import annotations

from typing import Any

from service.jobs.kinds.batches import batched, weights_of
from service.jobs.specs import CollectSpec
from service.jobs.work import Work
from surrogates.collect import collect
from surrogates.dataset import concatenate
from surrogates.design import plan_episodes

_STEP = "collect"


def weights(spec: CollectSpec) -> dict[str, float]:
    """A step for each batch."""
    return weights_of(spec.episodes, _STEP)


def run(work: Work[CollectSpec]) -> dict[str, Any]:
    """Makes `transitions`."""
    spec = work.spec
    plans = plan_episodes(work.subject.description, spec.episodes, spec.seed)
    parts = [
        work.journal.step(
            step,
            lambda part=part: collect(  # type: ignore[misc]
                work.plant.build,
                tuple(part),
                work.executor,
                on_progress=work.journal.counting(len(part)),
            ),
            work.transitions_form,
        )
        for step, part in batched(plans, _STEP)
    ]
    gathered = concatenate(parts)
    work.keep_transitions(gathered)
    return {"episodes": spec.episodes, "epochs": len(gathered)}
