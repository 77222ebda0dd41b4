"""A data set on disk that grows round by round and survives being stopped at any moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sim.description import Description
from surrogates.dataset import Transitions, concatenate, read_transitions, write_transitions
from surrogates.design import PlannedEpisode

_ROUNDS = "rounds"


@runtime_checkable
class Store(Protocol):
    """Where the rounds of a campaign are kept."""

    def read(self) -> tuple[Transitions | None, int]:
        """What is there, and the number of the last finished round; None and -1 at first."""
        ...

    def append(
        self, number: int, plans: Sequence[PlannedEpisode], added: Transitions
    ) -> Transitions:
        """Keep a round; all that is there now."""
        ...


@dataclass(slots=True)
class Memory:
    """Null case: rounds are kept while the process lives."""

    transitions: Transitions | None = None
    rounds: list[tuple[PlannedEpisode, ...]] = field(default_factory=list)

    def read(self) -> tuple[Transitions | None, int]:
        """What is there, and the number of the last finished round."""
        return self.transitions, len(self.rounds) - 1

    def append(
        self, number: int, plans: Sequence[PlannedEpisode], added: Transitions
    ) -> Transitions:
        """Keep a round; all that is there now."""
        self.rounds.append(tuple(plans))
        self.transitions = _joined(self.transitions, added)
        return self.transitions


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetFile:
    """A Parquet file of transitions, its provenance with an entry for each round.

    A file that was collected otherwise can be extended: it counts as what was there before round 0.
    """

    path: str | Path
    description: Description
    lineage: dict[str, Any] = field(default_factory=dict)
    """Noted with every round: commit, run, whatever tells where it came from."""

    def read(self) -> tuple[Transitions | None, int]:
        """What is there, and the number of the last finished round.

        Raises InvalidDataset for an unreadable file or one of another system.
        """
        if not Path(self.path).exists():
            return None, -1
        transitions, provenance = read_transitions(self.path, self.description)
        return transitions, len(provenance.get(_ROUNDS, [])) - 1

    def append(
        self, number: int, plans: Sequence[PlannedEpisode], added: Transitions
    ) -> Transitions:
        """Write old and new rows aside, then put the file in the place of the old one."""
        path, before, provenance = Path(self.path), None, dict[str, Any]()
        if path.exists():
            before, provenance = read_transitions(path, self.description)
        entry = {
            "round": number,
            "epochs": len(added),
            "episodes": [asdict(plan) for plan in plans],
            **self.lineage,
        }
        facts = {k: v for k, v in provenance.items() if k not in ("system", "rows")}
        facts[_ROUNDS] = [*facts.get(_ROUNDS, []), entry]
        whole = _joined(before, added)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.part")
        write_transitions(aside, whole, self.description, facts)
        aside.replace(path)
        return whole


def _joined(before: Transitions | None, added: Transitions) -> Transitions:
    return added if before is None else concatenate([before, added])
