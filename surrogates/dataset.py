"""Transitions of a simulator with where they came from; kept as Parquet."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float, Int, Shaped

from sim.description import Description
from surrogates.errors import InvalidDataset

_PROVENANCE = b"surrogym"


@dataclass(frozen=True, slots=True, kw_only=True)
class Transitions:
    """Epochs of many episodes, a row each, in the order of the description's names."""

    state: Float[np.ndarray, "row state"]
    decision: Float[np.ndarray, "row lever"]
    parameters: Float[np.ndarray, "row parameter"]
    next_state: Float[np.ndarray, "row state"]
    outputs: Float[np.ndarray, "row output"]
    duration: Float[np.ndarray, "row"]
    """Minutes of the epoch."""
    episode: Int[np.ndarray, "row"]
    """Which episode a row belongs to; its seed too."""
    policy: Shaped[np.ndarray, "row"]
    """Name of the behaviour policy that decided."""

    def __post_init__(self) -> None:
        for field in fields(self):
            rows = len(getattr(self, field.name))
            if rows != len(self.state):
                raise InvalidDataset(
                    f"{rows} rows of {field.name} and {len(self.state)} of state: give one of each "
                    "for every epoch"
                )

    def __len__(self) -> int:
        return len(self.state)

    @property
    def openings(self) -> Float[np.ndarray, "opening state"]:
        """The state in which each episode began, episodes in the order of their first rows."""
        _, first = np.unique(self.episode, return_index=True)
        opened: Float[np.ndarray, "opening state"] = self.state[np.sort(first)]
        return opened

    def take(self, rows: Shaped[np.ndarray, "chosen"]) -> Transitions:
        """The chosen rows, by position or by a mask."""
        return Transitions(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})

    def split(self, share: float, random: np.random.Generator) -> tuple[Transitions, Transitions]:
        """Set aside a share of whole episodes of each behaviour policy: (kept, held out).

        At least one episode of each policy is on either side; policies that decided a single
        episode share one draw, and so do those that met the same episodes. Of a single episode in
        all nothing is held out.
        """
        held: list[int] = []
        for episodes in self._strata():
            count = min(len(episodes) - 1, max(1, round(share * len(episodes))))
            held += random.permutation(episodes)[:count].tolist()
        return self._part(np.array(held, dtype=self.episode.dtype))

    def _strata(self) -> list[Int[np.ndarray, "episode"]]:
        """Episodes by who decided in them, those of single ones together at the end."""
        deciders: dict[int, list[str]] = {int(episode): [] for episode in np.unique(self.episode)}
        for policy in np.unique(self.policy):
            for episode in np.unique(self.episode[self.policy == policy]):
                deciders[int(episode)].append(str(policy))
        strata: dict[tuple[str, ...], list[int]] = {}
        for episode, policies in deciders.items():
            strata.setdefault(tuple(policies), []).append(episode)
        several = [np.array(strata[key]) for key in sorted(strata) if len(strata[key]) > 1]
        single = [strata[key][0] for key in sorted(strata) if len(strata[key]) == 1]
        return [*several, np.array(sorted(single))] if single else several

    def set_aside(self, share: float) -> tuple[Transitions, Transitions]:
        """Episodes to learn from and about this share of them to choose by, by a fixed rule.

        Whether an episode is set aside hangs on its number alone, so that one that a model was
        chosen by is never learnt from when more have come. Of a few episodes at least one is on
        either side; where there is only one it is on both.
        """
        episodes = np.unique(self.episode)
        if len(episodes) == 1:
            return self, self
        place = _place(episodes)
        held = episodes[place < np.clip(share, place.min() + 1e-12, place.max())]
        return self._part(held)

    def _part(self, held: Int[np.ndarray, "held"]) -> tuple[Transitions, Transitions]:
        out = np.isin(self.episode, held)
        return self.take(~out), self.take(out)


def _place(episodes: Int[np.ndarray, "episode"]) -> Float[np.ndarray, "episode"]:
    """A number in [0, 1) for each episode, evenly spread over any stretch of their numbers.

    Multiples of the golden ratio, modulo 1 (Knuth 1998, 6.4).
    """
    golden = np.uint64(0x9E3779B97F4A7C15)
    return np.asarray((episodes.astype(np.uint64) * golden) / 2.0**64)


def concatenate(parts: list[Transitions]) -> Transitions:
    """All rows of the parts, in order."""
    if not parts:
        raise InvalidDataset("no transitions to put together")
    return Transitions(
        **{
            f.name: np.concatenate([getattr(part, f.name) for part in parts])
            for f in fields(Transitions)
        }
    )


def write_transitions(
    path: str | Path,
    transitions: Transitions,
    description: Description,
    provenance: dict[str, Any],
) -> None:
    """Write one column per named number, with the provenance in the file's metadata."""
    columns: dict[str, Any] = {}
    for group, names in _groups(description).items():
        values = getattr(transitions, group)
        columns |= {f"{group}.{name}": values[:, i] for i, name in enumerate(names)}
    columns["duration"] = transitions.duration
    columns["episode"] = transitions.episode
    columns["policy"] = transitions.policy.astype(str)
    facts = {"system": description.name, "rows": len(transitions), **provenance}
    table = pa.table(columns).replace_schema_metadata({_PROVENANCE: json.dumps(facts).encode()})
    pq.write_table(table, path, compression="zstd")


def read_transitions(
    path: str | Path, description: Description
) -> tuple[Transitions, dict[str, Any]]:
    """Read what `write_transitions` wrote, with its provenance.

    Raises InvalidDataset for an unreadable file or one of another system.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InvalidDataset(f"{path}: cannot be read as Parquet: {error}") from error
    provenance = json.loads((table.schema.metadata or {}).get(_PROVENANCE, b"{}"))
    wanted = [f"{group}.{name}" for group, names in _groups(description).items() for name in names]
    missing = [name for name in (*wanted, "duration") if name not in table.column_names]
    if missing:
        raise InvalidDataset(
            f"{path}: of system {provenance.get('system')!r}, lacks {', '.join(missing[:3])}: "
            f"collect again for {description.name!r}"
        )
    arrays = {
        group: np.array([table[f"{group}.{name}"].to_numpy() for name in names], dtype=float)
        .reshape(len(names), table.num_rows)
        .T.copy()
        for group, names in _groups(description).items()
    }
    transitions = Transitions(
        **arrays,
        duration=table["duration"].to_numpy(),
        episode=table["episode"].to_numpy(),
        policy=np.array(table["policy"].to_pylist()),
    )
    return transitions, provenance


def _groups(description: Description) -> dict[str, tuple[str, ...]]:
    return {
        "state": description.state_names,
        "decision": description.lever_names,
        "parameters": tuple(p.name for p in description.parameters),
        "next_state": description.state_names,
        "outputs": description.output_names,
    }


def refuse_unusable(transitions: Transitions, description: Description) -> None:
    """Raise InvalidDataset when there is no row to learn from, or one that cannot be.

    That is one with a non-finite number, with a count that is negative or not whole, or with a
    negative duration. What else a number may be the description does not say.
    """
    if not len(transitions):
        raise InvalidDataset(
            f"no transitions of {description.name!r} to learn from: collect some first"
        )
    for name in ("state", "decision", "parameters", "next_state", "outputs", "duration"):
        is_finite = np.isfinite(getattr(transitions, name))
        broken = np.flatnonzero(~is_finite.reshape(len(transitions), is_finite[0].size).all(axis=1))
        if len(broken):
            raise InvalidDataset(
                f"row {broken[0]} of {name} holds a non-finite number: drop it or collect again"
            )
    _refuse_impossible(transitions, description)


def _refuse_impossible(transitions: Transitions, description: Description) -> None:
    for group, quantities in (
        ("state", description.components),
        ("next_state", description.components),
        ("outputs", description.outputs),
    ):
        values = getattr(transitions, group)
        is_count = np.array([quantity.is_count for quantity in quantities], dtype=bool)
        wrong = np.argwhere(is_count & ((values < 0) | (values != np.rint(values))))
        for row, at in wrong[:1]:
            raise InvalidDataset(
                f"row {row} of {group} has {quantities[at].name!r} at {values[row, at]:g}: a count "
                "is whole and 0 or more; collect again, or declare it with "
                "Quantity(..., is_count=False)"
            )
    for row in np.flatnonzero(transitions.duration < 0)[:1]:
        raise InvalidDataset(
            f"row {row} of duration is {transitions.duration[row]:g} minutes: give 0 or more"
        )
