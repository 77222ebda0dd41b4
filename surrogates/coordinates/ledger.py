"""What of an epoch follows without any model: counts kept, agents assigned, the clock."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sim.description import Description, SystemDescription
from surrogates.clock import has_clock


@runtime_checkable
class Ledger(Protocol):
    """Fills in what follows from the question and from the outputs."""

    @property
    def names(self) -> frozenset[str]:
        """Components and outputs that it fills in."""
        ...

    @property
    def repeated(self) -> frozenset[str]:
        """Those of them that count an output again, and can be missed as it can."""
        ...

    @property
    def knows_durations(self) -> bool:
        """Whether an epoch's length is known when it begins."""
        ...

    def durations(self, states: Float[np.ndarray, "batch state"]) -> Float[np.ndarray, "batch"]:
        """Minutes of the epochs that begin in these states, where they are known."""
        ...

    def fill(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        next_states: Float[np.ndarray, "batch state"],
        outputs: Float[np.ndarray, "batch output"],
    ) -> None:
        """Write what follows into the last two arrays, where whatever is modelled stands."""
        ...


def ledger_of(description: Description) -> Ledger:
    """The ledger of a simulator, by what it says of itself."""
    if isinstance(description, SystemDescription):
        return SystemLedger(description)
    return ClockLedger(description) if has_clock(description) else EmptyLedger()


class EmptyLedger:
    """Null case: nothing is known to follow."""

    names: frozenset[str] = frozenset()
    repeated: frozenset[str] = frozenset()
    knows_durations = False

    def durations(self, states: Float[np.ndarray, "batch state"]) -> Float[np.ndarray, "batch"]:
        """Nobody knows."""
        return np.full(len(states), np.nan)

    def fill(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        next_states: Float[np.ndarray, "batch state"],
        outputs: Float[np.ndarray, "batch output"],
    ) -> None:
        """Nothing to write."""


class ClockLedger:
    """The clock as the last component, and with it the durations of epochs."""

    repeated: frozenset[str] = frozenset()

    def __init__(self, description: Description) -> None:
        self._last = description.epochs - 1
        self.names = frozenset(description.state_names[-1:])
        self.knows_durations = not description.is_event_driven
        self._minutes = description.durations if self.knows_durations else np.full(1, np.nan)

    def durations(self, states: Float[np.ndarray, "batch state"]) -> Float[np.ndarray, "batch"]:
        """By the number of the epoch; beyond the last as long as the last."""
        return np.asarray(self._minutes[np.minimum(states[:, -1].astype(int), self._last)])

    def fill(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        next_states: Float[np.ndarray, "batch state"],
        outputs: Float[np.ndarray, "batch output"],
    ) -> None:
        """One epoch on."""
        next_states[:, -1] = states[:, -1] + 1


class SystemLedger(ClockLedger):
    """Tallies of flows, agents assigned and moved, the kind of day and the clock."""

    def __init__(self, description: SystemDescription) -> None:
        super().__init__(description)
        self._system = description
        first = len(description.stocks) + len(description.tallies)
        # Servers who break down or start first are moved by shares that no calendar knows.
        flexible = set(description.servers)
        pools = {description.teams[team].pool for team in description.moved_teams}
        self._knows_sizes = not any(f"{pool}_up" in flexible for pool in pools)
        moved = description.state_names[first : first + len(description.moved_teams)]
        moves = description.output_names[-1:] if description.has_moves else ()
        self._assigned = [(first + i, team) for i, team in enumerate(description.moved_teams)]
        self._has_moves = description.has_moves
        self._tallies = [
            (len(description.stocks) + i, description.output_names.index(tally.flow), tally.resets)
            for i, tally in enumerate(description.tallies)
        ]
        self.repeated = frozenset(tally.name for tally in description.tallies)
        self.names = self.repeated | frozenset(description.state_names[-2:])
        if self._knows_sizes:
            self.names |= frozenset((*moved, *moves))

    def fill(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        next_states: Float[np.ndarray, "batch state"],
        outputs: Float[np.ndarray, "batch output"],
    ) -> None:
        """Count the flows, note the teams, turn the clock."""
        d = self._system
        known = d.known_ahead(states[:, -2].astype(int), states[:, -1].astype(int), parameters)
        self.close(states, d.team_sizes(known, decisions), next_states, outputs)

    def close(
        self,
        states: Float[np.ndarray, "batch state"],
        sizes: Float[np.ndarray, "batch team"],
        next_states: Float[np.ndarray, "batch state"],
        outputs: Float[np.ndarray, "batch output"],
    ) -> None:
        """The same for whoever knows the sizes of the teams already."""
        for position, flow, resets in self._tallies:
            counted = outputs[:, flow]
            next_states[:, position] = counted if resets else states[:, position] + counted
        if self._knows_sizes:
            for position, team in self._assigned:
                next_states[:, position] = sizes[:, team]
            if self._has_moves:
                outputs[:, -1] = sum(
                    np.abs(sizes[:, team] - states[:, position])
                    for position, team in self._assigned
                )
        next_states[:, -2] = states[:, -2]
        next_states[:, -1] = states[:, -1] + 1
