"""Stage 3: collect transitions over parameters and behaviours, on all cores."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from surrogates.collect import collect as collect_transitions
from surrogates.dataset import write_transitions
from surrogates.design import BEHAVIOURS, plan_episodes
from surrogates.storage import fingerprint
from training.rllib.session import RayExecutor

_FEWEST_EPISODES = 64
"""Of long episodes: their parameters and behaviours differ, and whole ones are held out."""


def collect(context: Context, folder: Path) -> dict[str, Any]:
    """Run the planned episodes through Ray tasks and keep every epoch as Parquet."""
    settings, description = context.settings, context.description
    episodes = context.worth(settings.episodes, least=_FEWEST_EPISODES)
    plans = plan_episodes(description, episodes, settings.seed)
    began = time.perf_counter()
    title = f"{len(plans)} {context.episode}s on {settings.workers} processes"
    with RayExecutor() as executor, context.reporter.task(title, len(plans)) as advance:
        transitions = collect_transitions(
            context.build,
            plans,
            executor,
            on_progress=lambda done: advance(done, f"{done} {context.episode}s"),
        )
    seconds = time.perf_counter() - began
    provenance = {
        **context.lineage(),
        "episodes": len(plans),
        "behaviours": list(BEHAVIOURS),
        "box": {p.name: [p.low, p.high] for p in description.parameters},
    }
    path = folder / "transitions.parquet"
    write_transitions(path, transitions, description, provenance)
    context.reporter.say(
        f"{len(transitions):,} epochs of {len(plans)} {context.episode}s in {seconds:.0f} s"
    )
    return {
        "epochs": len(transitions),
        "episodes": len(plans),
        "collect_seconds": seconds,
        "workers": settings.workers,
        "fingerprint": fingerprint(path),
        "behaviours": {b: int(np.sum(transitions.policy == b)) for b in BEHAVIOURS},
        "parameters": {
            p.name: [plan.parameters[p.name] for plan in plans] for p in description.parameters
        },
    }
