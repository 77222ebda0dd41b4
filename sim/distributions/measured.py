"""Durations that somebody measured."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
from jaxtyping import Float

from sim.choices import Limit, refuse_outside_limits
from sim.errors import InvalidSettings


def _are_durations(values: tuple[float, ...]) -> bool:
    return len(values) > 0 and all(0 <= x < np.inf for x in values) and sum(values) > 0


_Durations = Annotated[
    tuple[float, ...],
    Limit(wanted="finite numbers of minutes, 0 or more and not all 0", holds=_are_durations),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Empirical:
    """One of the measured durations, each as likely as the others.

    Nothing longer than the longest measured one is ever drawn: where the tail matters, fit a
    family.
    """

    values: _Durations
    """In minutes; a duration measured twice stands twice."""
    _values: Float[np.ndarray, "value"] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        refuse_outside_limits(self)
        object.__setattr__(self, "_values", np.array(self.values, dtype=float))

    @classmethod
    def from_file(cls, path: str | Path, column: str) -> Empirical:
        """The durations of one column of a CSV or Parquet file, in minutes.

        Raises InvalidVolumes with the lines that are no duration.
        """
        # Not before a file is read: pandas takes half a second, and most processes read none.
        from sim.tables import read_table

        table = read_table(str(path), (column,))
        values = table.numbers(column)
        faulty = ~np.isfinite(values) | (values < 0)
        table.note(
            faulty,
            lambda row: f"{column} {table.shown(column, row)}: give minutes, 0 or more",
        )
        table.refuse_faults()
        return cls(values=tuple(values.tolist()))

    @classmethod
    def from_settings(
        cls,
        *,
        values: _Durations | None = None,
        file: str | None = None,
        column: str | None = None,
    ) -> Empirical:
        """The durations that a settings file lists, or the file that has them."""
        if values is not None and file is None and column is None:
            return cls(values=values)
        if values is None and file is not None and column is not None:
            return cls.from_file(file, column)
        raise InvalidSettings("empirical: give values, or file and column")

    @property
    def mean(self) -> float:
        """Mean, in minutes."""
        return float(self._values.mean())

    @property
    def scv(self) -> float:
        """Variance over the squared mean, of the measured durations themselves."""
        return float(self._values.var() / self.mean**2)

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` of the measured durations, in minutes, with replacement."""
        return self._values[random.integers(len(self._values), size=size)]
