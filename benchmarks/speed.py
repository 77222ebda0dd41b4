"""How fast the simulator is against SimPy and Ciw on the same systems, and one bank day alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from benchmarks.agreement import Statistics, compare, require_agreement
from benchmarks.figures import Figure, median_figure, weakest
from benchmarks.ours import OurBankDay, OurQueue
from benchmarks.pairs import Pair, alternate, one_core
from benchmarks.peers import ciw_network, plain_simpy
from benchmarks.rows import Measurement, Row, Setting
from benchmarks.workloads import BankDay, Queue

Contestant = Callable[[int], Statistics]

OURS = "ours"
WORKLOADS = ("queue", "bank")
GOALS = {"plain_simpy": ">= 2", "ciw": ">= 4"}
"""By peer, how many times faster the simulator is to be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """A system, everybody who simulates it, and how precisely they must agree."""

    name: str
    settings: Mapping[str, Setting]
    ours: Contestant
    peers: Mapping[str, Contestant]
    precision: Mapping[str, float]
    pairs: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """Paired runs of our simulator and each peer on one core, refused where they disagree."""

    queue_pairs: int = 20
    queue_minutes: float = 1000.0
    bank_pairs: int = 20
    agents: float = 200.0
    """On duty in the bank, on average over the day."""
    looseness: float = 1.0
    """Multiplies how precisely statistics must agree."""

    @classmethod
    def quick(cls) -> Speed:
        """Too few pairs to conclude anything, with precision to match."""
        return cls(queue_pairs=6, queue_minutes=100.0, bank_pairs=6, agents=40.0, looseness=30.0)

    def measure(self) -> Iterator[Measurement]:
        """Every workload against every peer."""
        for workload in (self._queue(), self._bank()):
            for name, peer in workload.peers.items():
                yield from self._against(workload, name, peer)

    def _against(self, workload: Workload, name: str, peer: Contestant) -> Iterator[Measurement]:
        with one_core():
            pairs = list(alternate(workload.ours, peer, range(1, workload.pairs + 1)))
        precision = {k: v * self.looseness for k, v in workload.precision.items()}
        agreements = compare(
            [pair.first.answer for pair in pairs],
            [pair.second.answer for pair in pairs],
            precision,
        )
        require_agreement(agreements, f"{OURS} and {name} on the {workload.name}")
        for pair in pairs:
            yield _measurement(workload, name, pair)

    def _queue(self) -> Workload:
        queue = Queue(
            arrival_rate=48.0, service_rate=1.0, servers=50, mean_patience=2.0,
            minutes=self.queue_minutes,
        )  # fmt: skip
        return Workload(
            name="queue",
            settings={k: v for k, v in asdict(queue).items() if v is not None},
            ours=OurQueue(queue),
            peers={
                "plain_simpy": lambda seed: plain_simpy.simulate_queue(queue, seed),
                "ciw": lambda seed: ciw_network.simulate_queue(queue, seed),
            },
            precision=QUEUE_PRECISION | {"customers": 0.01 * 48.0 * self.queue_minutes},
            pairs=self.queue_pairs,
        )

    def _bank(self) -> Workload:
        day = BankDay.bundled(self.agents)
        return Workload(
            name="bank",
            settings={"agents": self.agents, "on_follow_ups": day.decision[0]},
            ours=OurBankDay(day),
            peers={
                "plain_simpy": lambda seed: plain_simpy.simulate_bank_day(day, seed),
                "ciw": lambda seed: ciw_network.simulate_bank_day(day, seed),
            },
            precision=BANK_PRECISION,
            pairs=self.bank_pairs,
        )

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """One bank day in seconds, and by peer the ratio on each workload and the least of them.

        What was refused on one workload has no least, and no figure there.
        """
        days = [row.seconds[OURS] for row in rows if row.settings["workload"] == "bank"]
        found = []
        if days:
            found.append(median_figure("bank_day_seconds", days, unit="s", goal="<= 0.35"))
        for peer, goal in GOALS.items():
            ratios = list(_ratios(rows, peer, goal))
            if len(ratios) == len(WORKLOADS):
                found.append(weakest(f"sim_vs_{peer}", ratios, goal))
            found += ratios
        return found


def _ratios(rows: Sequence[Row], peer: str, goal: str) -> Iterator[Figure]:
    for workload in WORKLOADS:
        ratios = [
            row.seconds[peer] / row.seconds[OURS]
            for row in rows
            if row.settings["workload"] == workload and peer in row.seconds
        ]
        if ratios:
            yield median_figure(f"sim_vs_{peer}_{workload}", ratios, unit="ratio", goal=goal)


QUEUE_PRECISION = {"abandoned": 0.005, "wait": 0.01}
"""Share of customers, and minutes: about a sixth of what they are."""

BANK_PRECISION = {
    "call_customers": 0.0,
    "call_abandoned": 0.008,
    "call_wait": 0.03,
    "escalation_customers": 80.0,
    "escalation_abandoned": 0.002,
    "escalation_wait": 0.03,
    "follow_up_customers": 120.0,
    "follow_up_wait": 2.0,
}
"""Customers a day, shares of them, and minutes; calls come at the same moments for all."""


def _measurement(workload: Workload, peer: str, pair: Pair[Statistics]) -> Measurement:
    return Measurement(
        settings={"workload": workload.name, "peer": peer, "seed": pair.seed, **workload.settings},
        seconds={OURS: pair.first.seconds, peer: pair.second.seconds},
        answers={OURS: pair.first.answer, peer: pair.second.answer},
    )
