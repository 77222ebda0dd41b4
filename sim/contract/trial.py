"""A simulator under examination: whole episodes are run once, for all clauses that look at them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sim.contract.run import Run, attempt
from sim.description import Description
from sim.errors import InvalidSystem

Build = Callable[[], Any]
"""Makes a fresh simulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much of a simulator is looked at."""

    seeds: tuple[int, ...] = (1, 2)
    """An episode of each is looked at number by number."""
    epochs: int = 2000
    """Most epochs of each; longer episodes are looked at up to here."""
    repeated: int = 60
    """Most epochs of those episodes that are run again to be compared."""
    fresh_process: bool = False
    """Whether another process must give the same; `build` is then pickled."""

    def __post_init__(self) -> None:
        if len(set(self.seeds)) < 2 or min(self.seeds) < 0:
            raise InvalidSystem(f"seeds {self.seeds}: give two or more different ones, 0 or above")
        if self.epochs < 1 or self.repeated < 1:
            raise InvalidSystem(
                f"{self.epochs} epochs, {self.repeated} repeated: at least one of each"
            )


class Trial:
    """What the clauses ask about one kind of simulator."""

    def __init__(self, build: Build, extent: Extent) -> None:
        self.build, self.extent = build, extent

    @cached_property
    def built(self) -> tuple[Any, str]:
        """The simulator that most clauses use again and again, and why there is none."""
        return attempt(self.build)

    @property
    def simulator(self) -> Any:
        """That simulator, where it could be built."""
        return self.built[0]

    @cached_property
    def description(self) -> Description:
        """What it says of itself; ask only after the clause that looks at it."""
        found: Description = self.simulator.describe()
        return found

    @cached_property
    def episodes(self) -> tuple[Run, ...]:
        """An episode for each seed, on one object in turn."""
        return tuple(
            self.run(self.simulator, seed).play(min(self.extent.epochs, self.description.epochs))
            for seed in self.extent.seeds
        )

    @cached_property
    def lone(self) -> Run:
        """The first episode's beginning again, on an object of its own."""
        return self.run(self.build(), self.extent.seeds[0]).play(self.extent.repeated)

    def run(
        self,
        simulator: Any,
        seed: int,
        parameters: dict[str, float] | None = None,
        *,
        spoils: bool = False,
    ) -> Run:
        """An episode that is yet to begin."""
        return Run(simulator, self.description, seed, parameters, spoils=spoils)
