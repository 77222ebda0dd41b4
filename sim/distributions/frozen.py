"""Any continuous distribution of SciPy, which imports its `stats` when they are first asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy
from jaxtyping import Float

from sim.errors import InvalidSettings, InvalidSystem, suggestion


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Frozen:
    """Durations of a frozen SciPy distribution, such as `scipy.stats.invgauss(0.5, scale=2)`.

    Drawn by inversion, one number a customer, so that blocks of any sizes give the same draws.
    Families without a closed quantile function are slow that way.
    """

    distribution: Any
    """A frozen continuous distribution of minutes, 0 or more, with a finite mean."""
    mean: float = field(init=False)
    scv: float = field(init=False)

    def __post_init__(self) -> None:
        family = getattr(self.distribution, "dist", None)
        if not isinstance(family, scipy.stats.rv_continuous):
            raise InvalidSystem(
                f"Frozen: {self.distribution!r} is no frozen continuous distribution: "
                "give one such as scipy.stats.invgauss(0.5, scale=2)"
            )
        mean, variance = self.distribution.stats(moments="mv")
        self._check(mean, variance)
        object.__setattr__(self, "mean", float(mean))
        object.__setattr__(self, "scv", float(variance / mean**2))

    def _check(self, mean: Any, variance: Any) -> None:
        low, _ = self.distribution.support()
        if np.ndim(mean) or np.ndim(low):
            raise InvalidSystem(f"{self}: several distributions at once: give one")
        if np.isnan(low):
            raise InvalidSystem(f"{self}: the family refuses these parameters")
        if low < 0:
            raise InvalidSystem(f"{self}: begins at {low:g} minutes: shift or truncate it to 0")
        if not 0 < mean < np.inf or np.isnan(variance):
            raise InvalidSystem(
                f"{self}: mean {mean:g} and variance {variance:g}: give parameters with a finite "
                "mean above 0"
            )

    @classmethod
    def from_settings(cls, *, family: str, parameters: dict[str, float]) -> Frozen:
        """The family of `scipy.stats` by its name, frozen with its parameters by theirs."""
        stats = scipy.stats
        known = {
            name for name in dir(stats) if isinstance(getattr(stats, name), stats.rv_continuous)
        }
        if family not in known:
            raise InvalidSettings(f"family: unknown {family!r}{suggestion(family, known)}")
        maker = getattr(stats, family)
        shapes = [shape.strip() for shape in (maker.shapes or "").split(",") if shape.strip()]
        takes = [*shapes, "loc", "scale"]
        faults = [
            f"parameters.{name}: unknown key{suggestion(name, takes)}"
            for name in parameters
            if name not in takes
        ]
        faults += [
            f"parameters.{name}: missing; {family} needs it"
            for name in shapes
            if name not in parameters
        ]
        if faults:
            raise InvalidSettings(*faults)
        return cls(distribution=maker(**parameters))

    def sample(self, random: np.random.Generator, size: int) -> Float[np.ndarray, "size"]:
        """Draw `size` durations, in minutes."""
        durations: Float[np.ndarray, "size"] = self.distribution.ppf(random.random(size))
        return durations

    # A frozen SciPy distribution compares and shows itself as an object at an address.

    @property
    def _key(self) -> tuple[Any, ...]:
        frozen = self.distribution
        return (frozen.dist.name, frozen.args, tuple(sorted(frozen.kwds.items())))

    def __eq__(self, other: object) -> bool:
        return self._key == other._key if isinstance(other, Frozen) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key)

    def __repr__(self) -> str:
        name, args, named = self._key
        given = [*map(repr, args), *(f"{key}={value!r}" for key, value in named)]
        return f"Frozen(distribution=scipy.stats.{name}({', '.join(given)}))"
