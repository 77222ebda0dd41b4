"""Stage 2: show that the simulator is right where theory knows the answer, and one of its days."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from sim.analytic import erlang_a
from sim.arrivals import PoissonArrivals
from sim.distributions import Exponential
from sim.output import Estimate, mean_interval
from sim.simulator import ServiceSystem
from sim.system import CustomerClass, ServerTeam, System

_AGENTS, _RATE, _SERVICE, _PATIENCE = 50, 48.0, 1.0, 2.0
_HOURS = 34


def simulate(context: Context, folder: Path) -> dict[str, Any]:
    """Compare the stationary special case with Erlang A; run one day of the scenario."""
    del folder
    truth = erlang_a(_RATE, 1 / _SERVICE, 1 / _PATIENCE, _AGENTS)
    measured = _stationary(context)
    rows = {
        "probability of abandonment": (measured["abandoned"], truth.abandonment_probability),
        "mean queue": (measured["queue"], truth.mean_queue),
        "occupancy": (measured["occupancy"], truth.occupancy),
    }
    for name, (estimate, exact) in rows.items():
        agrees = "agrees" if estimate.low <= exact <= estimate.high else "DISAGREES"
        context.reporter.say(
            f"{name}: {estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}] simulated, "
            f"{exact:.4f} by Erlang A: {agrees}"
        )
    day, seconds = _one_day(context)
    context.reporter.say(f"one day of {day['calls']:,.0f} calls simulated in {seconds:.2f} s")
    return {
        "erlang_a": {
            name: {"low": e.low, "value": e.value, "high": e.high, "exact": exact}
            for name, (e, exact) in rows.items()
        },
        "day": day,
        "day_seconds": seconds,
    }


def _stationary(context: Context) -> dict[str, Estimate]:
    """99.9% intervals over replications, the first hour dropped."""
    epochs = _HOURS
    system = System(
        name="erlang_a",
        arrivals=PoissonArrivals(rate=_RATE, minutes=60.0 * epochs),
        classes=(
            CustomerClass(
                name="call",
                service=Exponential(mean=_SERVICE),
                patience=Exponential(mean=_PATIENCE),
            ),
        ),
        teams=(ServerTeam(name="agents", pool="staff", serves="call"),),
        rosters={"staff": np.full(epochs, float(_AGENTS))},
        boundaries=tuple(60.0 * k for k in range(epochs + 1)),
    )
    simulator = ServiceSystem(system)
    names = simulator.describe().output_names
    shares, queues, busy = [], [], []
    for seed in range(context.settings.truth_days):
        simulator.reset(context.settings.seed + seed)
        epochs_run = [simulator.advance(np.zeros(0)) for _ in range(epochs)]
        outputs = np.sum([epoch.outputs for epoch in epochs_run[1:]], axis=0)
        total = dict(zip(names, outputs, strict=True))
        shares.append(total["call_abandoned"] / total["call_arrivals"])
        queues.append(total["call_wait"] / (60.0 * (epochs - 1)))
        finished = total["agents_finished"]
        busy.append(finished * _SERVICE / (60.0 * (epochs - 1) * _AGENTS))
    return {
        name: mean_interval(np.array(values), confidence=0.999)
        for name, values in (("abandoned", shares), ("queue", queues), ("occupancy", busy))
    }


def _one_day(context: Context) -> tuple[dict[str, Any], float]:
    simulator = context.recipe()
    description = simulator.describe()
    steady = description.decisions[len(description.decisions) // 2]
    began = time.perf_counter()
    states = [simulator.reset(context.settings.seed)]
    while states[-1][-1] < description.epochs:
        states.append(simulator.advance(steady).state)
    seconds = time.perf_counter() - began
    columns = dict(zip(description.state_names, np.array(states).T.tolist(), strict=True))
    return {"states": columns, "calls": columns["arrived_so_far"][-1]}, seconds
