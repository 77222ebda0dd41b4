"""Whether memory and time per customer stay as they are in long runs and large systems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.figures import INFORMATION, Figure, median_figure
from benchmarks.long_run import UTILISATION, long_run_apart
from benchmarks.rows import Measurement, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Scaling:
    """Long runs of M/M/n, each in a process of its own, over customers and servers."""

    customers: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    servers: tuple[int, ...] = (10, 100, 1000)
    rounds: int = 3

    @classmethod
    def quick(cls) -> Scaling:
        """Without the longest runs."""
        return cls(customers=(10_000, 100_000, 300_000), rounds=1)

    def measure(self) -> Iterator[Measurement]:
        """The whole grid, round after round."""
        for turn in range(self.rounds):
            for customers in self.customers:
                for servers in self.servers:
                    yield _measurement(turn, customers, servers)

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """Growth of memory and of time per customer, each between the ends of the grid."""
        sizes = sorted({int(row.settings["customers"]) for row in rows})
        # Shorter runs still touch memory for the first time.
        short, long = max(sizes[0], min(100_000, sizes[-1])), sizes[-1]
        servers = sorted({int(row.settings["servers"]) for row in rows})
        few, many = servers[0], servers[-1]
        peak, cost = _by_point(rows, "peak_mib"), _by_point(rows, "seconds_per_customer")
        return [
            median_figure(
                "memory_growth_with_customers",
                [b / a for n in servers for a, b in _pairs(peak, (short, n), (long, n))],
                unit=f"ratio, {long:,} to {short:,} customers",
                goal="<= 1.05",
            ),
            median_figure(
                "time_per_customer_growth_with_customers",
                [b / a for n in servers for a, b in _pairs(cost, (short, n), (long, n))],
                unit=f"ratio, {long:,} to {short:,} customers",
                goal="<= 1.1",
            ),
            median_figure(
                "time_per_customer_growth_with_servers",
                [b / a for a, b in _pairs(cost, (long, few), (long, many))],
                unit=f"ratio, {many:,} to {few:,} servers",
                goal=INFORMATION,
            ),
        ]


def curve(rows: Sequence[Row], answer: str, servers: int) -> tuple[list[int], list[float]]:
    """Median of an answer over customers served, for one number of servers."""
    by_point = _by_point(rows, answer)
    sizes = sorted(customers for customers, n in by_point if n == servers)
    return sizes, [float(np.median(by_point[size, servers])) for size in sizes]


def _measurement(turn: int, customers: int, servers: int) -> Measurement:
    found = long_run_apart(customers, servers)
    seconds = found.pop("seconds")
    found["seconds_per_customer"] = seconds / found["customers"]
    return Measurement(
        settings={
            "round": turn, "customers": customers, "servers": servers, "utilisation": UTILISATION,
        },
        seconds={"ours": seconds},
        answers={"ours": found},
    )  # fmt: skip


def _by_point(rows: Sequence[Row], answer: str) -> dict[tuple[int, int], list[float]]:
    """Values of an answer by (customers, servers), in the order of the rounds."""
    found: dict[tuple[int, int], list[float]] = {}
    for row in rows:
        point = int(row.settings["customers"]), int(row.settings["servers"])
        found.setdefault(point, []).append(row.measurement.answers["ours"][answer])
    return found


def _pairs(
    values: dict[tuple[int, int], list[float]], first: tuple[int, int], second: tuple[int, int]
) -> list[tuple[float, float]]:
    # A run that was stopped has one value fewer at its later points.
    return list(zip(values.get(first, []), values.get(second, []), strict=False))
