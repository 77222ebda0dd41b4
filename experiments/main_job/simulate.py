"""Stage 2: show that the simulator can be trusted, and one of its episodes.

Our own simulator is held against theory on a special case that theory can solve; a simulator of
the user's own is held against the contract that all the rest relies on.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from experiments.main_job.context import Context
from sim.analytic import erlang_a
from sim.arrivals import PoissonArrivals
from sim.contract import ContractBroken, check_simulator
from sim.customers import CustomerClass
from sim.description import Description, SystemDescription
from sim.distributions import Exponential
from sim.output import Estimate, mean_interval
from sim.servers import Pool, ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System
from surrogates.clock import CLOCK

_AGENTS, _RATE, _SERVICE, _PATIENCE = 50, 48.0, 1.0, 2.0
_HOURS = 34


def simulate(context: Context, folder: Path) -> dict[str, Any]:
    """Check the simulator; run one episode of the scenario."""
    del folder
    checked = _against_contract(context) if context.system is None else _against_theory(context)
    day, seconds = _one_episode(context)
    called = f" with {day['customers']:,.0f} arrivals" if day["customers"] is not None else ""
    context.reporter.say(f"one {context.episode}{called} simulated in {seconds:.2f} s")
    return {**checked, "day": day, "day_seconds": seconds}


def _against_contract(context: Context) -> dict[str, Any]:
    """Every clause of the contract. Raises ContractBroken with those that do not hold."""
    checks = check_simulator(context.recipe)
    broken = [f"{check.name}: {check.detail}" for check in checks if not check.passed]
    if broken:
        raise ContractBroken(*broken)
    context.reporter.say(f"the simulator keeps all {len(checks)} clauses of its contract")
    return {"contract": [asdict(check) for check in checks]}


def _against_theory(context: Context) -> dict[str, Any]:
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
    return {
        "erlang_a": {
            name: {"low": e.low, "value": e.value, "high": e.high, "exact": exact}
            for name, (e, exact) in rows.items()
        }
    }


def _stationary(context: Context) -> dict[str, Estimate]:
    """99.9% intervals over replications, the first hour dropped."""
    epochs = _HOURS
    system = System(
        name="erlang_a",
        arrivals={"call": PoissonArrivals(rate=_RATE)},
        classes=(
            CustomerClass(
                name="call",
                service=Exponential(mean=_SERVICE),
                patience=Exponential(mean=_PATIENCE),
            ),
        ),
        pools=(Pool(name="staff", shifts=((0.0, float(_AGENTS)),)),),
        teams=(ServerTeam(name="agents", pool="staff", serves="call"),),
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


def _one_episode(context: Context) -> tuple[dict[str, Any], float]:
    """The states of an episode in which the middle choice is taken throughout."""
    simulator = context.build()
    description = simulator.describe()
    steady = description.decisions[len(description.decisions) // 2]
    began = time.perf_counter()
    states, minutes = [simulator.reset(context.settings.seed)], [0.0]
    outputs = np.zeros(len(description.outputs))
    is_last = False
    while not is_last:
        epoch = simulator.advance(steady)
        states.append(epoch.state)
        minutes.append(minutes[-1] + epoch.duration)
        outputs += epoch.outputs
        is_last = epoch.is_last
    seconds = time.perf_counter() - began
    columns = dict(zip(description.state_names, np.array(states).T.tolist(), strict=True))
    volumes = context.scenario.volumes
    record = {
        "states": columns,
        "minutes": minutes,
        "shown": _shown(description),
        "opening": None if volumes is None else volumes.opening,
        "customers": _arrivals(description, outputs),
    }
    return record, seconds


def _shown(description: Description) -> list[str]:
    """What is drawn of the state: the queues where it tells of them, else all but our clock."""
    if isinstance(description, SystemDescription):
        return [stock.name for stock in description.stocks if stock.team is None]
    return [name for name in description.state_names if name != CLOCK]


def _arrivals(description: Description, outputs: np.ndarray) -> float | None:
    """Customers who came from outside, where the simulator tells of flows."""
    if not isinstance(description, SystemDescription):
        return None
    entering = [i for i, flow in enumerate(description.flows) if flow.source is None]
    return float(outputs[entering].sum())
