"""Ciw: each desk a node of a network, with reneging, schedules and routing by chance."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import ciw

from benchmarks.agreement import Statistics
from benchmarks.workloads import BankDay, Desk, Queue


def simulate_queue(queue: Queue, seed: int) -> Statistics:
    """Run the queue once."""
    assert queue.mean_patience is not None
    ciw.seed(seed)
    network = ciw.create_network(
        arrival_distributions=[ciw.dists.Exponential(rate=queue.arrival_rate)],
        service_distributions=[ciw.dists.Exponential(rate=queue.service_rate)],
        number_of_servers=[queue.servers],
        reneging_time_distributions=[ciw.dists.Exponential(rate=1.0 / queue.mean_patience)],
    )
    simulation = ciw.Simulation(network)
    simulation.simulate_until_max_time(queue.minutes)
    return _statistics(_records(simulation), node=1, end=queue.minutes)


def simulate_bank_day(day: BankDay, seed: int) -> Statistics:
    """Run the day once."""
    ciw.seed(seed)
    desks = list(day.desks.values())
    onward = [[0.0, day.escalation_share, day.follow_up_share], [0.0] * 3, [0.0] * 3]
    network = ciw.create_network(
        arrival_distributions=[Recorded(day.call_times(seed)), None, None],
        service_distributions=[ciw.dists.Lognormal(*desk.lognormal) for desk in desks],
        number_of_servers=[_schedule(desk, day.minutes) for desk in desks],
        reneging_time_distributions=[_patience(desk) for desk in desks],
        routing=onward,
    )
    simulation = ciw.Simulation(network, node_class=ChangingDesk)
    simulation.simulate_until_max_time(day.minutes)
    records = _records(simulation)
    return {
        f"{name}_{statistic}": value
        for node, name in enumerate(day.desks, start=1)
        for statistic, value in _statistics(records, node, day.minutes).items()
    }


class Recorded(ciw.dists.Distribution):
    """Gaps between arrivals at given times; nobody comes after the last."""

    def __init__(self, times: Sequence[float]) -> None:
        self._gaps = [after - before for before, after in pairwise((0.0, *times))]
        self._next = 0

    def sample(self, t: float | None = None, ind: ciw.Individual | None = None) -> float:
        """The next gap."""
        if self._next == len(self._gaps):
            return math.inf
        self._next += 1
        return self._gaps[self._next - 1]


class ChangingDesk(ciw.Node):
    """A node whose servers stay when the shift changes.

    Ciw replaces the whole shift, so that for a while the old servers finish their customers beside
    as many new ones. Agents of the bank go on working, and only the surplus leaves.
    """

    def change_shift(self) -> None:
        """Let servers come, or idle ones go."""
        self.schedule.get_next_shift()
        self.next_shift_change = self.schedule.next_shift_change_date
        self.c = self.schedule.c
        surplus = len(self.servers) - self.c
        self.add_new_servers(max(-surplus, 0))
        for server in [s for s in self.servers if not s.busy][: max(surplus, 0)]:
            self.kill_server(server)
        self.begin_service_if_possible_change_shift()

    def detatch_server(self, server: ciw.Server, individual: ciw.Individual) -> None:
        """Let a server go who is no longer needed."""
        super().detatch_server(server, individual)
        if len(self.servers) > self.c:
            self.kill_server(server)


def _schedule(desk: Desk, minutes: float) -> ciw.Schedule:
    starts = [minute for minute, _ in desk.roster]
    # Schedules begin anew after their last shift, which must therefore outlast the day.
    ends = [*starts[1:], minutes + 1.0]
    return ciw.Schedule(
        numbers_of_servers=[agents for _, agents in desk.roster], shift_end_dates=ends
    )


def _patience(desk: Desk) -> ciw.dists.Distribution | None:
    return None if desk.mean_patience is None else ciw.dists.Exponential(1.0 / desk.mean_patience)


def _records(simulation: ciw.Simulation) -> list[ciw.data_record.DataRecord]:
    return list(simulation.get_all_records(include_incomplete=True))


def _statistics(records: list[ciw.data_record.DataRecord], node: int, end: float) -> Statistics:
    customers = abandoned = 0
    wait = 0.0
    for record in records:
        if record.node == node:
            customers += 1
            abandoned += record.record_type == "renege"
            is_waiting = record.waiting_time is None
            wait += end - record.arrival_date if is_waiting else record.waiting_time
    return {
        "customers": float(customers),
        "abandoned": abandoned / customers,
        "wait": wait / customers,
    }
