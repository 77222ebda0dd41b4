"""What is usual of a daily value when nothing has changed, kind of day by kind of day."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from training.likelihood import first_rows

_FEWEST_DAYS = 20
_DAYS_TRUSTED_FOR_MEAN, _DAYS_TRUSTED_FOR_WIDTH = 5.0, 10.0
"""Weight, in days, of all kinds of day together in the mean and in the width of one kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """Mean and width of daily values in control, for each kind of day."""

    centre: Float[np.ndarray, "kind watched"]
    width: Float[np.ndarray, "kind watched"]

    @classmethod
    def of(
        cls,
        estimates: Float[np.ndarray, "day watched"],
        kinds: Int[np.ndarray, "day"],
        number: int,
    ) -> Standard:
        """Mean and width by kind, drawn towards those of all days where a kind has few."""
        ones = (kinds[None, :] == np.arange(number)[:, None]).astype(float)
        counts = ones.sum(axis=1)[:, None]
        centre = (ones @ estimates + _DAYS_TRUSTED_FOR_MEAN * estimates.mean(axis=0)) / (
            counts + _DAYS_TRUSTED_FOR_MEAN
        )
        squares = (estimates - centre[kinds]) ** 2
        variance = (ones @ squares + _DAYS_TRUSTED_FOR_WIDTH * squares.mean(axis=0)) / (
            counts + _DAYS_TRUSTED_FOR_WIDTH
        )
        return cls(centre=centre, width=np.sqrt(variance))

    def apply(
        self, estimates: Float[np.ndarray, "day watched"], kinds: Int[np.ndarray, "day"]
    ) -> Float[np.ndarray, "day watched"]:
        """Estimates in standard deviations from their mean in control."""
        result: Float[np.ndarray, "day watched"] = (estimates - self.centre[kinds]) / self.width[
            kinds
        ]
        return result


def refuse_few_days(in_control: Transitions) -> None:
    """Raise InvalidDataset where the days in control are too few to standardise by."""
    count = len(first_rows(in_control))
    if count < _FEWEST_DAYS:
        raise InvalidDataset(f"{count} days in control: simulate at least {_FEWEST_DAYS}")
