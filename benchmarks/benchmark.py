"""What a benchmark is: measurements that become rows, and rows that become figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from benchmarks.figures import Figure
from benchmarks.rows import Measurement, Row


class Benchmark(Protocol):
    """One benchmark with its settings."""

    def measure(self) -> Iterator[Measurement]:
        """Measure; each measurement is kept as soon as it is there.

        Raises NotComparable where contestants did not do the same work.
        """
        ...

    def figures(self, rows: Sequence[Row]) -> list[Figure]:
        """The figures that the rows of one run of this benchmark make."""
        ...
