"""What the decision maker sees: the state and the calendar on scales that suit a network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32

from sim.description import Description

_PRIOR_CUSTOMERS = 200.0
_AHEAD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Maps states to observations; hidden factors stay hidden, only what was counted shows."""

    description: Description
    parameters: Float[np.ndarray, "parameter"]
    """What the decision maker believes of the system; it scales the rosters that are seen."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the observed numbers, in order."""
        d = self.description
        ahead = [f"{column}_in_{k}" for k in range(_AHEAD) for column in self._seen_columns]
        return (
            *(stock.name for stock in d.stocks),
            *(f"{tally.name}_ratio" for tally in d.tallies),
            *(f"{d.teams[team].name}_share" for team in d.moved_teams),
            *ahead,
            *(f"{column}_remaining" for column in self._seen_columns),
            "clock",
            "clock_sin",
            "clock_cos",
        )

    @property
    def _seen_columns(self) -> tuple[str, ...]:
        pools = dict.fromkeys(team.pool for team in self.description.teams)
        return ("expected_arrivals", *pools)

    def __call__(
        self, states: Float[np.ndarray, "batch state"]
    ) -> Float32[np.ndarray, "batch observation"]:
        """Observations of a batch of states."""
        d = self.description
        days, epochs = states[:, -2].astype(int), states[:, -1].astype(int)
        beliefs = np.broadcast_to(self.parameters, (len(states), len(self.parameters)))
        now = d.known_ahead(days, epochs, beliefs)
        columns = [d.calendar.columns.index(name) for name in self._seen_columns]
        scale = d.calendar.values[:, :, columns].max(axis=(0, 1))
        stocks = len(d.stocks)
        clock = epochs / d.epochs
        parts = [np.sqrt(states[:, :stocks]) / 10.0]
        for i, tally in enumerate(d.tallies):
            expected = now[:, d.calendar.columns.index(tally.expected)]
            counted = states[:, stocks + i]
            parts.append(8 * np.log((counted + _PRIOR_CUSTOMERS) / (expected + _PRIOR_CUSTOMERS)))
        assigned = d.assigned(states)
        for i, team in enumerate(d.moved_teams):
            pool = d.calendar.columns.index(d.teams[team].pool)
            parts.append(2 * assigned[:, i] / np.maximum(now[:, pool], 1.0))
        for k in range(_AHEAD):
            known = d.known_ahead(days, epochs + k, beliefs)[:, columns]
            parts.append(known / scale * (epochs + k < d.epochs)[:, None])
        rest = self._remaining(columns)[days, np.minimum(epochs, d.epochs)]
        parts += [rest, 2 * clock - 1, np.sin(np.pi * clock), np.cos(2 * np.pi * clock)]
        return np.column_stack(parts).astype(np.float32)

    def _remaining(self, columns: list[int]) -> Float[np.ndarray, "day epoch column"]:
        values = self.description.calendar.values[:, :, columns]
        backwards = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
        padded = np.concatenate([backwards, np.zeros_like(backwards[:, :1])], axis=1)
        share: Float[np.ndarray, "day epoch column"] = padded / padded[:, :1].max(axis=0)
        return share
