"""Stage 4: fit the surrogate families and score them on days they have not seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from sim.description import Description
from sim.streams import stream
from surrogates.dataset import Transitions, read_transitions
from surrogates.errors import InvalidDataset
from surrogates.families import DEFAULT_SETTINGS, FAMILIES
from surrogates.flow import FlowSettings
from surrogates.interface import Surrogate
from surrogates.scores import pit_values, score
from surrogates.storage import fingerprint, save_surrogate
from training.rllib.session import RayExecutor

_SAVED = ("flow", "gp")


def fit(context: Context, folder: Path) -> dict[str, Any]:
    """Fit `flow` here and the others beside it; score all on the same held-out days."""
    kept, held = _read(context)
    seed, description = context.settings.seed, context.description
    settings = {**DEFAULT_SETTINGS, "flow": FlowSettings(passes=context.settings.flow_passes)}
    with RayExecutor() as executor:
        jobs = {
            family: executor.submit(
                fit_and_score, family, kept, held, description, settings[family], seed
            )
            for family in FAMILIES
            if family != "flow"
        }
        with context.reporter.task(f"flow on {len(kept):,} epochs", 1.0) as advance:
            found = {
                "flow": fit_and_score(
                    "flow", kept, held, description, settings["flow"], seed, advance
                )
            }
        with context.reporter.task("gp, bootstrap and mean", len(jobs)) as advance:
            for done, (family, job) in enumerate(jobs.items(), start=1):
                found[family] = job.result()
                advance(done, family)
    data = context.run.summary("collect")["fingerprint"]
    for family in _SAVED:
        surrogate, record = found[family]
        lineage = {**context.lineage(), "data": data, "scores": record["scores"]}
        save_surrogate(folder / family, surrogate, lineage)
    for family in FAMILIES:
        record = found[family][1]
        context.reporter.say(
            f"{family:9s} CRPS {record['scores']['standardised_crps']:.4f}, 95% interval covers "
            f"{record['scores']['coverage']['95']:.1%}, fitted in {record['fit_seconds']:.1f} s"
        )
    return {
        "rows": len(kept),
        "held_out_rows": len(held),
        "families": {family: found[family][1] for family in FAMILIES},
    }


def fit_and_score(
    family: str,
    kept: Transitions,
    held: Transitions,
    description: Description,
    settings: Any,
    seed: int,
    on_progress: Callable[[float, str], None] | None = None,
) -> tuple[Surrogate, dict[str, Any]]:
    """Fit one family and score it; the record has seconds, scores and PIT histograms."""
    began = time.perf_counter()

    def advance(share: float) -> None:
        if on_progress is not None:
            on_progress(share, f"{time.perf_counter() - began:.0f} s")

    surrogate = FAMILIES[family](kept, description, settings, stream(seed, "fit", family), advance)
    fitted = time.perf_counter() - began
    random = stream(seed, "scores")
    pits = pit_values(surrogate, held, random)
    histograms = {
        name: np.histogram(values, bins=20, range=(0.0, 1.0))[0].tolist()
        for name, values in pits.items()
    }
    record = {
        "fit_seconds": fitted,
        "scores": score(surrogate, held, random).to_record(),
        "pit": histograms,
        "samples_per_second": _sampling_speed(surrogate, held, random),
    }
    return surrogate, record


def _sampling_speed(
    surrogate: Surrogate, held: Transitions, random: np.random.Generator, rows: int = 512
) -> float:
    part = held.take(np.arange(rows) % len(held))
    began = time.perf_counter()
    for _ in range(4):
        surrogate.sample(part.state, part.decision, part.parameters, random)
    return 4 * rows / (time.perf_counter() - began)


def _read(context: Context) -> tuple[Transitions, Transitions]:
    collected = context.run.summary("collect")
    path = context.run.folder("collect") / "transitions.parquet"
    if not path.is_file() or fingerprint(path) != collected["fingerprint"]:
        raise InvalidDataset(
            f"{path} is missing or not what was collected: delete {path.parent} and go on "
            "with --resume"
        )
    transitions, _ = read_transitions(path, context.description)
    return transitions.split(context.settings.held_out, stream(context.settings.seed, "split"))
