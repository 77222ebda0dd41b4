"""Stage 1: learn the arrivals from the real volumes and check their dispersion."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from experiments.main_job.context import Context, save_arrivals
from sim.arrivals import DoublyStochasticArrivals, fit_doubly_stochastic
from sim.streams import stream
from sim.volumes import Volumes, dispersion


def learn(context: Context, folder: Path) -> dict[str, Any]:
    """Fit the doubly stochastic arrivals on the fitting days; simulate as many and compare."""
    settings = context.scenario.volumes
    if settings is None:
        return context.reporter.skip("There are no volumes, so there are no arrivals to learn.")
    volumes = context.volumes.between(settings.fit_from, settings.fit_to)
    arrivals = fit_doubly_stochastic(volumes)
    lineage = {**context.lineage(), "days": len(volumes.days), "source": settings.source}
    save_arrivals(folder / "arrivals", arrivals, {"system": context.scenario.name, **lineage})
    weekdays = np.arange(context.settings.dispersion_days) % 5
    simulated = _simulate(arrivals, weekdays, context.settings.seed)
    real, model = dispersion(volumes.counts, volumes.weekdays), dispersion(simulated, weekdays)
    ratio = float(model.mean() / real.mean())
    context.reporter.say(
        f"{len(volumes.days)} days, {volumes.counts.sum(axis=1).mean():,.0f} calls a day; "
        f"day factor sd {arrivals.day_sd:.3f}, slot noise lasts {arrivals.persistence:.2f} a slot; "
        f"variance over mean {real.mean():.2f} real, {model.mean():.2f} simulated (Poisson: 1)"
    )
    return {
        "days": len(volumes.days),
        "calls_a_day": float(volumes.counts.sum(axis=1).mean()),
        "day_sd": arrivals.day_sd,
        "persistence": arrivals.persistence,
        "slot_sd": arrivals.slot_sd.tolist(),
        "dispersion_real": real.tolist(),
        "dispersion_simulated": model.tolist(),
        "fit_dispersion_ratio": ratio,
        "real": _bands(volumes.counts),
        "simulated": _bands(simulated),
        "real_totals": _totals(volumes),
        "simulated_total_sd": float(_relative_totals(simulated, weekdays).std()),
        "real_total_sd": float(_relative_totals(volumes.counts, volumes.weekdays).std()),
        "slot_minutes": volumes.slot_minutes,
        "opening": settings.opening,
    }


def _simulate(
    arrivals: DoublyStochasticArrivals, weekdays: Int[np.ndarray, "day"], seed: int
) -> Int[np.ndarray, "day slot"]:
    random = stream(seed, "dispersion")
    return np.array([arrivals.draw_counts(random, int(day), 1.0) for day in weekdays])


def _bands(counts: Int[np.ndarray, "day slot"]) -> dict[str, list[float]]:
    low, middle, high = np.percentile(counts, [5, 50, 95], axis=0)
    return {"low": low.tolist(), "middle": middle.tolist(), "high": high.tolist()}


def _totals(volumes: Volumes) -> dict[str, list[Any]]:
    totals = volumes.counts.sum(axis=1).tolist()
    return {"days": [day.isoformat() for day in volumes.days], "calls": totals}


def _relative_totals(
    counts: Int[np.ndarray, "day slot"], weekdays: Int[np.ndarray, "day"]
) -> np.ndarray:
    totals = counts.sum(axis=1)
    means = np.array([totals[weekdays == day].mean() for day in range(5)])
    result: np.ndarray = totals / means[weekdays]
    return result
