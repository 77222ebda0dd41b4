"""Numbers from which an interval can be made."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from sim.errors import InvalidSample

Sample = Sequence[float] | Float[np.ndarray, "count"]


def checked(values: Sample, confidence: float) -> Float[np.ndarray, "count"]:
    """The numbers as an array. Raises InvalidSample for fewer than two, or one not finite."""
    refuse_confidence(confidence)
    return checked_values(values)


def checked_values(values: Sample) -> Float[np.ndarray, "count"]:
    """As `checked`, where no confidence is asked for."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1 or len(array) < 2:
        raise InvalidSample(f"{array.size} values: an interval needs a list of at least 2")
    if not np.isfinite(array).all():
        position = int(np.argmin(np.isfinite(array)))
        raise InvalidSample(f"value {position + 1} is {array[position]}: drop it or repair it")
    return array


def refuse_confidence(confidence: float) -> None:
    """Raise InvalidSample for a confidence that is no probability."""
    if not 0 < confidence < 1:
        raise InvalidSample(f"confidence {confidence}: between 0 and 1, such as 0.95")
