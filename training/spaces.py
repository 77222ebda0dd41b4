"""What a policy sees and may decide, by name, and policies carried from one system to another.

A changed system sees other numbers or offers other decisions. By position a policy would take one
number for another and never fail; by name it is told what is new and what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Int

from envs.problem import Problem
from envs.sight import seen_names
from sim.errors import SurrogymError
from training.policies import NetworkPolicy

_HANDICAP = 1e-3
"""By how much the logit of a new decision is below that of its nearest known one."""


class ChangedSpaces(SurrogymError):
    """A policy was made for other observations or decisions; the message names the differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spaces:
    """The observed numbers and the joint decisions, in order."""

    observed: tuple[str, ...]
    levers: tuple[str, ...]
    levels: tuple[tuple[float, ...], ...]
    """Of each lever, for each joint decision."""

    def __post_init__(self) -> None:
        if len(set(self.observed)) < len(self.observed):
            twice = sorted({name for name in self.observed if self.observed.count(name) > 1})
            raise ChangedSpaces(f"observed twice, so names do not tell them apart: {twice}")

    @classmethod
    def of(cls, problem: Problem) -> Spaces:
        """Those of a problem, as its environments have them."""
        description = problem.observation.description
        return cls(
            observed=seen_names(problem),
            levers=description.lever_names,
            levels=tuple(tuple(row) for row in description.decisions.tolist()),
        )

    @property
    def decisions(self) -> tuple[str, ...]:
        """Each joint decision in words."""
        return tuple(
            ", ".join(f"{name}={level:g}" for name, level in zip(self.levers, row, strict=True))
            for row in self.levels
        )

    def change_to(self, now: Spaces) -> Change:
        """What differs in other spaces."""
        mine, theirs = self.decisions, now.decisions
        return Change(
            added=tuple(name for name in now.observed if name not in self.observed),
            missing=tuple(name for name in self.observed if name not in now.observed),
            new=tuple(name for name in theirs if name not in mine),
            gone=tuple(name for name in mine if name not in theirs),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What differs between two spaces, by name; order does not count."""

    added: tuple[str, ...]
    """Numbers that are seen and were not."""
    missing: tuple[str, ...]
    """Numbers that were seen and are not."""
    new: tuple[str, ...]
    """Decisions that are offered and were not."""
    gone: tuple[str, ...]
    """Decisions that were offered and are not."""

    def __bool__(self) -> bool:
        return bool(self.added or self.missing or self.new or self.gone)

    def __str__(self) -> str:
        told = {
            "observed anew": self.added,
            "no longer observed": self.missing,
            "new decisions": self.new,
            "decisions that are gone": self.gone,
        }
        return "; ".join(f"{what}: {' | '.join(names)}" for what, names in told.items() if names)


def adapt_policy(
    policy: NetworkPolicy, was: Spaces, now: Spaces, *, across_changes: bool = False
) -> NetworkPolicy:
    """The policy with its inputs and decisions in the order of other spaces.

    Where names differ, only with `across_changes`; else ChangedSpaces. Then a number that is new
    is not looked at until training says so, one that is gone counts as 0, its usual value, and a
    new decision stands just behind its nearest known one: so what is decided is the same as
    before, except where a decision is gone. Raises ChangedSpaces too where the policy is not of
    the spaces that it is said to be of, or no decision is left. Only joint choices are matched by
    name: a policy of another form has to keep its levers as they are.
    """
    is_joint = policy.head.form == "joint"
    known = len(was.levels) if is_joint else policy.decisions
    sizes = (policy.features, policy.decisions)
    if sizes != (len(was.observed), known):
        raise ChangedSpaces(
            f"policy {policy.name!r} sees {sizes[0]} numbers and knows {sizes[1]} decisions, "
            f"but is said to see {len(was.observed)} and to know {len(was.levels)}"
        )
    change = was.change_to(now)
    if change and not across_changes:
        raise ChangedSpaces(
            f"policy {policy.name!r} is for other spaces ({change}): give it its own environment, "
            "or ask to adapt it"
        )
    if not is_joint and (was.levers, was.levels) != (now.levers, now.levels):
        raise ChangedSpaces(
            f"policy {policy.name!r} decides in the form {policy.head.form!r}, and levers or their "
            "levels are others now: only joint choices are matched, so train another"
        )
    columns = np.array([_place(name, was.observed) for name in now.observed])
    rows = _nearest(was, now) if is_joint else np.arange(policy.decisions)
    weights = [_looking(policy.weights[0], columns), *policy.weights[1:]]
    biases = [*policy.biases]
    is_new = np.array([name in change.new for name in now.decisions]) if is_joint else rows < 0
    weights[-1], biases[-1] = weights[-1][rows], biases[-1][rows]
    biases[-1] = biases[-1] - np.float32(_HANDICAP) * is_new
    values = policy.value_weights
    # The value network also sees what is remembered, which keeps its place behind the rest.
    known_columns = np.concatenate([columns, np.arange(policy.units) + policy.features])
    return replace(
        policy,
        weights=tuple(weights),
        biases=tuple(biases),
        value_weights=(_looking(values[0], known_columns), *values[1:]) if values else (),
    )


def _place(name: str, names: Sequence[str]) -> int:
    return names.index(name) if name in names else -1


def _looking(
    weight: Float[np.ndarray, "out was"], columns: Int[np.ndarray, "now"]
) -> Float[np.ndarray, "out now"]:
    """A first layer that looks at other inputs; at those without a place not at all."""
    return np.asarray(weight[:, columns] * (columns >= 0).astype(weight.dtype))


def _nearest(was: Spaces, now: Spaces) -> Int[np.ndarray, "decision"]:
    """For each decision itself among those before, else the nearest in the levels of levers.

    Levels are compared in ranges of their lever; levers that both know count alone.
    """
    shared = [name for name in now.levers if name in was.levers]
    known, told = was.decisions, now.decisions
    if not shared and set(told).isdisjoint(known):
        raise ChangedSpaces("no decision is left: the two systems share no lever")
    before = np.array(was.levels)[:, [was.levers.index(name) for name in shared]]
    after = np.array(now.levels)[:, [now.levers.index(name) for name in shared]]
    both = np.concatenate([before, after])
    width = np.maximum(np.ptp(both, axis=0), 1e-9)
    apart = (np.abs(after[:, None] - before[None]) / width).sum(axis=2)
    return np.array(
        [
            known.index(name) if name in known else int(np.argmin(distances))
            for name, distances in zip(told, apart, strict=True)
        ],
        dtype=int,
    )
