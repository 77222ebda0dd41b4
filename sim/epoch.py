"""What every simulator and every surrogate speaks of: the epoch and its named numbers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidParameters, suggestion


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A named number with its unit: a state component, a flow or a measure."""

    name: str
    unit: str
    is_count: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A system parameter with the box in which it may move."""

    name: str
    unit: str
    low: float
    high: float
    nominal: float

    def __post_init__(self) -> None:
        if not self.low <= self.nominal <= self.high:
            raise InvalidParameters(
                f"parameter {self.name!r}: nominal {self.nominal} outside [{self.low}, {self.high}]"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Epoch:
    """What the world answered to one decision."""

    state: Float[np.ndarray, "state"]
    """Components at the end of the epoch, in the order of `Description.state_names`."""
    outputs: Float[np.ndarray, "output"]
    """Additive statistics over the epoch, in the order of `Description.output_names`."""
    duration: float
    """Minutes."""
    is_last: bool
    """Whether the episode ended with this epoch."""


def parameter_vector(
    parameters: tuple[Parameter, ...], values: dict[str, float] | None = None
) -> Float[np.ndarray, "parameter"]:
    """The values in the order of `parameters`, nominal where not given.

    Raises InvalidParameters for an unknown name or a value that is not a positive number.
    """
    given = dict(values or {})
    known = [parameter.name for parameter in parameters]
    for name, value in given.items():
        if name not in known:
            raise InvalidParameters(f"unknown parameter {name!r}{suggestion(name, known)}")
        if not np.isfinite(value) or value <= 0:
            raise InvalidParameters(f"parameter {name!r} is {value}: give a number above 0")
    return np.array([given.get(p.name, p.nominal) for p in parameters], dtype=float)
