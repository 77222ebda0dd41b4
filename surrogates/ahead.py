"""What is known of an epoch before it begins, a row a name and a column an epoch.

The same numbers as `SystemDescription.known_ahead` and `team_sizes`, laid out for speed: with the
names as rows every step is one pass over memory, and thousands of epochs are looked up at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sim.description import SystemDescription
from surrogates.questions import Questions


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What a batch of epochs knows of itself."""

    epochs: Int[np.ndarray, "batch"]
    """Numbers of the epochs, no greater than the last."""
    known: Float[np.ndarray, "column batch"]
    """The calendar, scaled by the parameters."""
    sizes: Float[np.ndarray, "team batch"]
    """Most agents of each team; infinite in an unlimited pool."""


class Ahead:
    """Looks epochs up in a system's calendar and sizes the teams."""

    def __init__(self, description: SystemDescription) -> None:
        calendar, self._last = description.calendar, description.epochs - 1
        self._questions = Questions(description)
        self._days, self._rows = calendar.values.shape[:2]
        columns = len(calendar.columns)
        table = calendar.values.transpose(2, 0, 1).reshape(columns, self._days * self._rows)
        self._table = np.ascontiguousarray(table)
        names = [p.name for p in description.parameters]
        self._scales = [[names.index(name) for name in group] for group in calendar.scaled_by]
        self._teams, self._moved = description.teams, description.moved_teams
        levers = list(description.lever_names)
        self._lever_of = {i: levers.index(str(self._teams[i].lever)) for i in self._moved}
        self._staffed = {pool: levers.index(lever) for pool, lever in description.staffing}
        pools = dict.fromkeys(team.pool for team in self._teams)
        self._pools = {
            pool: calendar.columns.index(pool) if pool in calendar.columns else None
            for pool in pools
        }

    @property
    def limited_pools(self) -> frozenset[str]:
        """Names of the pools of which not everybody can always be served."""
        return frozenset(p for p, column in self._pools.items() if column is not None).union(
            self._staffed
        )

    def look(
        self,
        states: Float[np.ndarray, "state batch"],
        decisions: Float[np.ndarray, "lever batch"],
        parameters: Float[np.ndarray, "parameter batch"],
    ) -> Outlook:
        """Look the epochs up that begin in these states; all inputs a row a name.

        Raises InvalidQuestion for what the system cannot be asked.
        """
        self._questions.check(states.T, decisions.T, parameters.T)
        days, epochs = states[-2].astype(np.intp), states[-1].astype(np.intp)
        known = self._table.take(days * self._rows + np.minimum(epochs, self._rows - 1), axis=1)
        for row, scales in zip(known, self._scales, strict=True):
            for position in scales:
                row *= parameters[position]
        for column in self._pools.values():
            if column is not None:
                np.rint(known[column], out=known[column])
        return Outlook(
            epochs=np.minimum(epochs, self._last), known=known, sizes=self._sizes(known, decisions)
        )

    def _sizes(
        self, known: Float[np.ndarray, "column batch"], decisions: Float[np.ndarray, "lever batch"]
    ) -> Float[np.ndarray, "team batch"]:
        sizes = np.empty((len(self._teams), known.shape[1]))
        on_duty = {pool: self._on_duty(pool, known, decisions) for pool in self._pools}
        left = dict(on_duty)
        for index in self._moved:
            pool = self._teams[index].pool
            asked = np.rint(decisions[self._lever_of[index]] * on_duty[pool])
            sizes[index] = np.minimum(asked, left[pool])
            left[pool] = left[pool] - sizes[index]
        for index, team in enumerate(self._teams):
            if team.lever is None:
                sizes[index] = left[team.pool]
        return sizes

    def _on_duty(
        self,
        pool: str,
        known: Float[np.ndarray, "column batch"],
        decisions: Float[np.ndarray, "lever batch"],
    ) -> Float[np.ndarray, "batch"]:
        if pool in self._staffed:
            return np.asarray(decisions[self._staffed[pool]])
        column = self._pools[pool]
        return np.full(known.shape[1], np.inf) if column is None else np.asarray(known[column])


def rows_of(values: Float[np.ndarray, "batch name"]) -> Float[np.ndarray, "name batch"]:
    """The same numbers with a row a name, each row in one piece of memory."""
    return np.ascontiguousarray(values.T, dtype=float)
