"""How Gaussian processes are fitted."""

from __future__ import annotations

from dataclasses import dataclass, fields

from surrogates.errors import InvalidDataset


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianProcessSettings:
    """How the processes are fitted."""

    inducing: int = 128
    """Inducing points of each process; drawing costs their square, fitting a little more."""
    steps: int = 120
    """Steps for the shape of the kernels: stochastic ones, or whole ones where it is exact."""
    batch: int = 256
    """Rows a stochastic step looks at, for each process."""
    learning_rate: float = 0.1
    """Step size for the shape of the kernels (Adam)."""
    natural_rate: float = 0.2
    """Step size for the variational distribution (natural gradient)."""
    exact_rows: int = 500
    """Up to so many rows every row is an inducing point: inference is exact; 0 for never."""

    def __post_init__(self) -> None:
        for field in fields(self):
            least = 0 if field.name == "exact_rows" else None
            value = getattr(self, field.name)
            if not (value > 0 or value == least):
                raise InvalidDataset(f"{field.name} {value}: above 0")
