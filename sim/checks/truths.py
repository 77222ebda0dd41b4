"""What queueing theory says of any of our systems, held against a run of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isclose, isfinite, sqrt

import numpy as np
from jaxtyping import Float

from sim.checks.load import OfferedLoad, busiest_epoch, mean_load, nominal_scales
from sim.checks.long_run import LongRun
from sim.contract.check import Verdict, fails, holds, listed, noted, skipped
from sim.customers import CustomerClass
from sim.errors import UnstableSystem
from sim.parameters import HANDLE_TIME
from sim.servers import ServerTeam
from sim.simulator import ServiceSystem
from sim.system import System

_Z = 5.0
"""Half width of an interval in standard deviations: one in two million would lie outside."""
_ROUNDING = 1e-6
_FEWEST = 30
"""Services below which their mean says nothing."""


def stability(system: System) -> Verdict:
    """The work that comes is less than the work that can be done."""
    try:
        load = mean_load(system)
    except UnstableSystem as error:
        return noted(str(error))
    if load.utilisation < 1:
        return holds(f"{load.utilisation:.2f} of capacity{_when(system)}")
    endless = list(_without_bound(system, load))
    effect = (
        f"the queue of {listed(endless)} grows without bound"
        if endless
        else "customers give up or are turned away"
    )
    return noted(
        f"{load.utilisation:.2f} of the capacity of {listed(load.pools)}, so that {effect}: add "
        "servers, or lower arrivals or service times"
    )


def _when(system: System) -> str:
    if system.is_event_driven:
        return " in the long run"
    return f" on average, {busiest_epoch(system).utilisation:.2f} in the busiest epoch"


def _without_bound(system: System, load: OfferedLoad) -> Iterator[str]:
    served = {team.serves for team in system.teams if team.pool in load.pools}
    for c in system.classes:
        has_limit = c.patience or c.balking or c.admission or system.room_of(c.name)
        if c.name in served and not has_limit:
            yield c.name


def little(run: LongRun) -> Verdict:
    """Little's law, L = λ W: the customers in a place are their rate times their mean time."""
    if not run.duration:
        return skipped("nothing happens")
    found = []
    for c in run.system.classes:
        queue = f"{c.name}_waiting"
        busy = [f"{team.name}_busy" for team in run.system.teams if team.serves == c.name]
        for what, stocks in ((f"{c.name}_wait", [queue]), (f"{c.name}_present", [queue, *busy])):
            number, entered = run.mean_number(*stocks), run.entered(queue, but_from=busy)
            by_times = run.total(what) / run.duration
            if not isclose(number, by_times, rel_tol=1e-6, abs_tol=1e-9):
                return fails(
                    f"{c.name}: {number:.6g} in {listed(stocks)} on average, and {by_times:.6g} by "
                    f"the sum of customers' times ({what})"
                )
            found.append((number, c.name, entered))
    number, name, entered = max(found)
    if not entered:
        return skipped("nobody came")
    rate, mean = entered / run.duration, number * run.duration / entered
    return holds(f"such as {name}: {number:.4g} = {rate:.4g} a minute × {mean:.4g} minutes")


def utilisation(run: LongRun) -> Verdict:
    """Servers are at work for as long as the services they began should take."""
    looked_at = []
    for team in run.system.teams:
        served = next(c for c in run.system.classes if c.name == team.serves)
        services = run.total(f"{team.name}_started")
        if services < _FEWEST or not _is_plain(run.system, team, served):
            continue
        expected, half_width = _expected_work(run, team, served)
        worked = run.total(f"{team.name}_busy_minutes")
        told = f"{team.name} worked {worked:,.0f} minutes, {expected:,.0f} ± {half_width:,.0f}"
        if abs(worked - expected) > half_width:
            return fails(f"{told} by its {services:,.0f} services")
        looked_at.append((services, f"{told} by {services:,.0f} services{_share(run, team)}"))
    if not looked_at:
        return skipped("no team whose work can be told from its services")
    return holds(f"such as {max(looked_at)[1]}")


def _is_plain(system: System, team: ServerTeam, served: CustomerClass) -> bool:
    """Whether a server works for exactly the time of each service, whoever is chosen."""
    pool = system.pool(team.pool)
    can_block = any(room.when_full == "block" for room in system.rooms)
    is_chosen = served.order == "shortest_first"
    is_other = pool.is_shared or pool.is_unlimited or pool.preemption == "repeat"
    return isfinite(served.service.scv) and not (is_other or can_block or is_chosen)


def _expected_work(run: LongRun, team: ServerTeam, served: CustomerClass) -> tuple[float, float]:
    """Mean work of the services begun, less what is left of those in hand, and its half width.

    Whoever was interrupted and waits again has had some work done too: at most as many as there
    are servers, and the half width has room for them.
    """
    scale = nominal_scales(run.system).of(HANDLE_TIME, served.name)
    mean, scv = served.service.mean * scale / team.speed, served.service.scv
    interrupted = run.total(f"{team.name}_interrupted")
    begun = run.total(f"{team.name}_started") - interrupted
    in_hand = run.left_at_close(f"{team.name}_busy")
    left = in_hand * (1 + scv) / 2
    again = run.most(f"{team.name}_busy") * len(run.at_close) * (1 + scv) if interrupted else 0.0
    half_width = _Z * sqrt(begun * scv + in_hand * (1 + scv)) + again
    return mean * (begun - left), mean * half_width


def _share(run: LongRun, team: ServerTeam) -> str:
    mine = [other.name for other in run.system.teams if other.pool == team.pool]
    there = run.total(f"{team.pool}_on_minutes")
    if not there:
        return ""
    worked = sum(run.total(f"{name}_busy_minutes") for name in mine)
    return f"; {team.pool} was busy {worked / there:.0%} of its time"


def same_arrivals(system: System, seed: int, epochs: int) -> Verdict:
    """The same customers come, whatever is decided."""
    if not system.levers:
        return skipped("nothing is decided")
    decisions = system.describe().decisions
    (one, ended), (other, other_ended) = (
        _arrivals(system, seed, decisions[k], epochs) for k in (0, -1)
    )
    # Times are summed differently, and agree only up to rounding.
    until = min(ended, other_ended) + _ROUNDING
    one, other = one[one <= until], other[other <= until]
    if len(one) == len(other) and np.allclose(one, other, rtol=0.0, atol=_ROUNDING):
        return holds(f"{len(one):,} under {_said(decisions[0])} and {_said(decisions[-1])}")
    return fails(
        f"{len(one):,} came under {_said(decisions[0])}, {len(other):,} under "
        f"{_said(decisions[-1])} or at other times, in the same {until:g} minutes of seed {seed}"
    )


def _arrivals(
    system: System, seed: int, decision: Float[np.ndarray, "lever"], epochs: int
) -> tuple[Float[np.ndarray, "customer"], float]:
    """For each customer the end of the epoch in which they came; and the end of the last."""
    shortened = replace(system, events=min(system.events, epochs)) if system.events else system
    simulator = ServiceSystem(shortened)
    outside = [flow.source is None for flow in simulator.describe().flows]
    simulator.reset(seed)
    now, moments, counts, is_last = 0.0, list[float](), list[int](), False
    while not is_last:
        epoch = simulator.advance(decision)
        now, is_last = now + epoch.duration, epoch.is_last
        moments.append(now)
        counts.append(int(epoch.outputs[: len(outside)][outside].sum()))
    return np.repeat(moments, counts), now


def _said(decision: Float[np.ndarray, "lever"]) -> str:
    return f"decision {decision.tolist()}"
