"""Telemetry of a day at the door: what cannot be a day of the system is refused and kept nowhere.

A detector takes what it is given. Half a day or a negative count would look like a change of the
system, and a day that was kept is judged by at every opening.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.description import Description
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import InvalidDataset
from training.likelihood import split_days


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What a day of one system looks like."""

    description: Description
    fewest_epochs: int = 1

    @classmethod
    def of(cls, description: Description, in_control: Transitions) -> Door:
        """As on days in control: where all of them are whole, every day has to be."""
        shortest = min(len(day) for day in split_days(in_control))
        whole = description.epochs
        return cls(description=description, fewest_epochs=whole if shortest == whole else 1)

    def refuse(self, label: str, day: Transitions) -> None:
        """Raise InvalidDataset, with the day's label, for what is no day of the system."""
        try:
            self._refuse_foreign(day)
            self._refuse_partial(day)
            refuse_unusable(day, self.description)
        except InvalidDataset as error:
            raise InvalidDataset(f"day {label!r}: {error}") from error

    def _refuse_foreign(self, day: Transitions) -> None:
        description = self.description
        for group, names in (
            ("state", description.state_names),
            ("next_state", description.state_names),
            ("decision", description.lever_names),
            ("parameters", description.parameters),
            ("outputs", description.output_names),
        ):
            given = getattr(day, group)
            if given.shape != (len(day), len(names)):
                raise InvalidDataset(
                    f"{group} of shape {given.shape}, {description.name!r} has {len(names)} numbers"
                    f" in each of {len(day)} epochs: send days of this system"
                )

    def _refuse_partial(self, day: Transitions) -> None:
        fewest, most = self.fewest_epochs, self.description.epochs
        for part in split_days(day) if len(day) else [day]:
            if not fewest <= len(part) <= most:
                wanted = f"{most}" if fewest == most else f"{fewest} to {most}"
                raise InvalidDataset(f"{len(part)} epochs, a day has {wanted}: send it whole")
