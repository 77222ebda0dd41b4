"""What a surrogate looks at: the state, the decision and the parameters on even scales."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sim.description import Description

_PRIOR_CUSTOMERS = (50.0, 2000.0)
"""Weights, in customers, of the calendar's expectation in the ratios of counted to expected: a
quick reading of the day and a cautious one."""


class Features:
    """Turns rows of (state, decision, parameters) into regression inputs for one system.

    Stocks and agents enter as square roots, because their spread grows that way; tallies enter
    as the logarithm of counted over expected, which is what tells a busy day from a quiet one,
    alone and times the square root of the arrivals now expected: on that scale a surprise moves
    the next count linearly.
    """

    def __init__(self, description: Description) -> None:
        self.description = description

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the features, in order."""
        d = self.description
        ratios = [f"{t.name}_ratio_{weight:g}" for t in d.tallies for weight in _PRIOR_CUSTOMERS]
        return (
            *(stock.name for stock in d.stocks),
            *ratios,
            *(f"{name}_by_expected" for name in ratios),
            *d.calendar.columns,
            *(team.name for team in d.teams),
            *(p.name for p in d.parameters),
            "epoch",
            "duration",
        )

    @property
    def exogenous(self) -> tuple[int, ...]:
        """Positions of the features that arrivals depend on: expectations and their surprises."""
        names = enumerate(self.names)
        return tuple(i for i, name in names if name.endswith(("_by_expected", "expected_arrivals")))

    def matrix(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch feature"]:
        """One row of features for each row of inputs."""
        d = self.description
        epochs = states[:, -1].astype(int)
        known = d.known_ahead(states[:, -2].astype(int), epochs, parameters)
        stocks = len(d.stocks)
        ratios = [
            np.log(
                (states[:, stocks + i] + weight)
                / (known[:, d.calendar.columns.index(tally.expected)] + weight)
            )
            for i, tally in enumerate(d.tallies)
            for weight in _PRIOR_CUSTOMERS
        ]
        coming = np.sqrt(known[:, d.calendar.columns.index("expected_arrivals")])
        return np.column_stack(
            [
                np.sqrt(states[:, :stocks]),
                *ratios,
                *(ratio * coming for ratio in ratios),
                np.sqrt(known),
                np.sqrt(d.team_sizes(known, decisions)),
                parameters,
                epochs,
                d.durations[np.minimum(epochs, d.epochs - 1)],
            ]
        )
