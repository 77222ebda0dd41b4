"""Stage 4: fit the surrogate families and score them on episodes they have not seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from sim.description import Description
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.families import DEFAULT_SETTINGS, FAMILIES, families_for
from surrogates.flow import FlowSettings
from surrogates.interface import Surrogate
from surrogates.scores import pit_values, score
from surrogates.storage import save_surrogate
from surrogates.support import Support
from training.rllib.session import RayExecutor

_MOST_ROWS, _MOST_HELD = 20_000, 2_000
"""Epochs to learn from and to score on; of more, as many drawn at random."""
_GP = "gp"
_SHOWN = ("flow", _GP, "bootstrap", "mean")
"""The families that the job fits: one for each kind of answer, within its minutes."""


def fit(context: Context, folder: Path) -> dict[str, Any]:
    """Fit the shown families that can stand in, the first here, others beside it; score all."""
    kept, held = _split(context)
    seed, description = context.settings.seed, context.description
    settings = {**DEFAULT_SETTINGS, "flow": FlowSettings(passes=context.settings.flow_passes)}
    can = families_for(description)
    here, *beside = (family for family in _SHOWN if family in can)
    with RayExecutor() as executor:
        jobs = {
            family: executor.submit(
                fit_and_score, family, kept, held, description, settings[family], seed
            )
            for family in beside
        }
        with context.reporter.task(f"{here} on {len(kept):,} epochs", 1.0) as advance:
            found = {
                here: fit_and_score(here, kept, held, description, settings[here], seed, advance)
            }
        with context.reporter.task(_listed(beside), len(jobs)) as advance:
            for done, (family, job) in enumerate(jobs.items(), start=1):
                found[family] = job.result()
                advance(done, family)
    records = {family: found[family][1] for family in (here, *beside)}
    trained_on, judged_by = _chosen(records)
    data = context.run.summary("collect")["fingerprint"]
    support = Support.learn(kept, description, stream(seed, "support"))
    for family in dict.fromkeys((trained_on, _GP)):
        lineage = {**context.lineage(), "data": data, "scores": records[family]["scores"]}
        save_surrogate(folder / family, found[family][0], lineage, support)
    for family, record in records.items():
        context.reporter.say(
            f"{family:9s} CRPS {record['scores']['standardised_crps']:.4f}, 95% interval covers "
            f"{record['scores']['coverage']['95']:.1%}, fitted in {record['fit_seconds']:.1f} s"
        )
    return {
        "rows": len(kept),
        "held_out_rows": len(held),
        "families": records,
        "trained_on": trained_on,
        "judged_by": judged_by,
        "shown": _shown(context, records[trained_on]["pit"]),
    }


def _chosen(records: dict[str, dict[str, Any]]) -> tuple[str, str]:
    """Which family policies are trained on, and which one judges days by its likelihood.

    The flow surrogate for both where it could be fitted, because it loses no customers; else the
    best by CRPS, and the Gaussian processes, which have a likelihood.
    """
    if "flow" in records:
        return "flow", "flow"
    best = min(records, key=lambda family: records[family]["scores"]["standardised_crps"])
    return best, _GP


def _shown(context: Context, scored: dict[str, list[int]]) -> list[str]:
    """Three of the numbers that cost money, or of any where fewer do."""
    costs = context.scenario.costs
    priced = [name for name in (*costs.outputs, *costs.at_close) if name in scored]
    names = list(dict.fromkeys(priced if len(priced) > 2 else [*priced, *scored]))
    places = np.linspace(0, len(names) - 1, min(3, len(names))).round().astype(int)
    return [names[place] for place in places]


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


def _split(context: Context) -> tuple[Transitions, Transitions]:
    seed = context.settings.seed
    split = context.transitions.split(context.settings.held_out, stream(seed, "split"))
    kept, held = (
        _thinned(part, most, stream(seed, "thinning", str(most)))
        for part, most in zip(split, (_MOST_ROWS, _MOST_HELD), strict=True)
    )
    return kept, held


def _thinned(transitions: Transitions, most: int, random: np.random.Generator) -> Transitions:
    if len(transitions) <= most:
        return transitions
    return transitions.take(np.sort(random.choice(len(transitions), most, replace=False)))


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
