"""What an action of an environment is: a joint choice, a level for each lever, or numbers.

One joint choice by its number suits a handful of levers. Their number is the product of the
levers' levels, so that with many levers each is better chosen for itself.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any, Literal, Protocol, runtime_checkable

import gymnasium
import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from sim.description import Description
from sim.errors import InvalidDecision, InvalidSystem, suggestion

ActionForm = Literal["joint", "levers", "continuous"]
_MOST_CHOICES = 1_000_000
"""Joint choices that are still put in a table."""
_UNORDERED = ("order", "route")


@runtime_checkable
class Actions(Protocol):
    """Takes the actions of a batch for levels of the levers."""

    @property
    def space(self) -> gymnasium.Space[Any]:
        """The actions of one environment."""
        ...

    def levels(
        self, actions: Shaped[np.ndarray, "batch *action"]
    ) -> Float[np.ndarray, "batch lever"]:
        """What is decided, a row each. Raises InvalidDecision for an action that there is not."""
        ...

    def choices(self, actions: Shaped[np.ndarray, "batch *action"]) -> Int[np.ndarray, "batch"]:
        """The same as numbers of joint choices, by which controllers decide."""
        ...


class JointActions:
    """One number for all levers: the row of the description's table of decisions."""

    def __init__(self, description: Description) -> None:
        """Raises InvalidSystem where the table would be too large."""
        count = prod(len(lever.levels) for lever in description.levers)
        if count > _MOST_CHOICES:
            raise InvalidSystem(
                f"{count} joint choices of {len(description.levers)} levers in one table, more "
                f"than {_MOST_CHOICES}: choose by lever, with actions='levers'"
            )
        self._levels = np.ascontiguousarray(description.decisions.T)
        self.space: gymnasium.Space[Any] = gymnasium.spaces.Discrete(self._levels.shape[1])

    def levels(self, actions: Int[np.ndarray, "batch"]) -> Float[np.ndarray, "batch lever"]:
        """Rows of the table. Raises InvalidDecision for a number that has none."""
        _refuse_unknown(actions, self._levels.shape[1])
        return self._levels.take(actions, axis=1).T

    def choices(self, actions: Int[np.ndarray, "batch"]) -> Int[np.ndarray, "batch"]:
        """The actions themselves."""
        return actions


class LeverActions:
    """A position among the levels of each lever; the joint choices are never listed."""

    def __init__(self, description: Description) -> None:
        """Raises InvalidSystem where not every combination of levels is a decision."""
        if type(description).decisions is not Description.decisions:
            raise InvalidSystem(
                f"{description.name!r} has a table of decisions of its own, which need not be "
                "every combination of levels: choose jointly, with actions='joint'"
            )
        self._levels = [np.array(lever.levels, dtype=float) for lever in description.levers]
        self._sizes = tuple(len(levels) for levels in self._levels)
        self.space = gymnasium.spaces.MultiDiscrete(list(self._sizes))

    def levels(self, actions: Int[np.ndarray, "batch lever"]) -> Float[np.ndarray, "batch lever"]:
        """The level at each position. Raises InvalidDecision for one that there is not."""
        _refuse_unknown(actions, np.array(self._sizes))
        return np.stack(
            [levels.take(actions[:, k]) for k, levels in enumerate(self._levels)], axis=1
        )

    def choices(self, actions: Int[np.ndarray, "batch lever"]) -> Int[np.ndarray, "batch"]:
        """Numbers of the combinations; the last lever changes fastest."""
        return np.asarray(np.ravel_multi_index(tuple(actions.T), self._sizes))


class ContinuousActions:
    """A number from -1 to 1 for each lever, which means the nearest of its levels.

    -1 is the least level and 1 the greatest, evenly between; halfway between two the lower one is
    meant, and a number beyond is taken for the end. So levels have to have an order: for the share
    of a pool, a number of servers or a value, not for a class to route to.
    """

    def __init__(self, description: Description) -> None:
        """Raises InvalidSystem for a lever whose levels have no order."""
        for lever in description.levers:
            if lever.decides in _UNORDERED:
                raise InvalidSystem(
                    f"lever {lever.name!r} decides a {lever.decides}, whose levels are no more or "
                    "less of something: choose by lever, with actions='levers'"
                )
        self._by_lever = LeverActions(description)
        self._scales = [_scale(np.array(lever.levels, dtype=float)) for lever in description.levers]
        self.space = gymnasium.spaces.Box(-1.0, 1.0, (len(self._scales),), np.float32)

    def levels(self, actions: Float[np.ndarray, "batch lever"]) -> Float[np.ndarray, "batch lever"]:
        """The levels meant. Raises InvalidDecision for what is not a number."""
        return self._by_lever.levels(self._positions(actions))

    def choices(self, actions: Float[np.ndarray, "batch lever"]) -> Int[np.ndarray, "batch"]:
        """Numbers of the combinations meant."""
        return self._by_lever.choices(self._positions(actions))

    def _positions(
        self, actions: Float[np.ndarray, "batch lever"]
    ) -> Int[np.ndarray, "batch lever"]:
        is_wrong = np.ones(actions.shape, dtype=bool)
        if actions.dtype.kind in "iuf":
            is_wrong = np.isnan(actions)
        if is_wrong.any():
            raise _refusal(actions, is_wrong, "numbers, from -1 to 1")
        pairs = zip(self._scales, actions.T, strict=True)
        return np.stack(
            [order.take(np.searchsorted(edges, wanted)) for (order, edges), wanted in pairs], axis=1
        )


def _scale(
    levels: Float[np.ndarray, "level"],
) -> tuple[Int[np.ndarray, "level"], Float[np.ndarray, "between"]]:
    """Positions of the levels from the least, and where from -1 to 1 the next one begins."""
    order = np.argsort(levels)
    ranked = levels[order]
    width = float(np.ptp(ranked)) or 1.0
    scaled = 2.0 * (ranked - ranked[0]) / width - 1.0
    return order, (scaled[1:] + scaled[:-1]) / 2


def refuse_misshapen(actions: Shaped[np.ndarray, "..."], space: gymnasium.Space[Any]) -> None:
    """Raise InvalidDecision for more or fewer numbers than an action of the space has."""
    if actions.shape != space.shape:
        raise InvalidDecision(f"an action of shape {actions.shape}: give one of {space.shape}")


def _refuse_unknown(
    actions: Shaped[np.ndarray, "batch *lever"], counts: int | Int[np.ndarray, "lever"]
) -> None:
    is_wrong = np.ones(actions.shape, dtype=bool)
    if actions.dtype.kind in "biu":
        is_wrong = (actions < 0) | (actions >= counts)
    if is_wrong.any():
        most = np.subtract(counts, 1).tolist()
        raise _refusal(actions, is_wrong, f"integers from 0 to {most}")


def _refusal(
    actions: Shaped[np.ndarray, "batch *lever"],
    is_wrong: Bool[np.ndarray, "batch *lever"],
    wanted: str,
) -> InvalidDecision:
    row = int(np.argwhere(is_wrong)[0, 0])
    return InvalidDecision(f"action {actions.tolist()[row]}: give {wanted}")


WHAT_CAN_BE_DECIDED = "give Discrete or flat MultiDiscrete from 0, or a flat Box of floats"


def can_be_decided(space: gymnasium.Space[Any]) -> bool:
    """Whether a policy of ours can act in the space."""
    if isinstance(space, gymnasium.spaces.Box):
        return len(space.shape) == 1 and np.issubdtype(space.dtype, np.floating)
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return space.nvec.ndim == 1 and not np.any(space.start)
    return isinstance(space, gymnasium.spaces.Discrete) and int(space.start) == 0


def choices_in(space: gymnasium.Space[Any]) -> int:
    """Over how many bools a mask goes: one after another for each part of a MultiDiscrete."""
    if isinstance(space, gymnasium.spaces.MultiDiscrete):
        return int(space.nvec.sum())
    return int(space.n) if isinstance(space, gymnasium.spaces.Discrete) else 0


_FORMS: dict[str, Callable[[Description], Actions]] = {
    "joint": JointActions,
    "levers": LeverActions,
    "continuous": ContinuousActions,
}


def find_actions(form: str) -> Callable[[Description], Actions]:
    """Actions by the name of their form. Raises InvalidSystem for an unknown one."""
    if form not in _FORMS:
        raise InvalidSystem(f"no form of actions {form!r}{suggestion(form, _FORMS)}")
    return _FORMS[form]
