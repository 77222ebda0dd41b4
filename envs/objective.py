"""What is wanted, in money: a pure function of an epoch's outputs, outside every model of dynamics.

Because no model has seen it, an objective can change without new data. It adds up over epochs: the
cost of an episode is the sum of the costs of its epochs, and nothing is remembered between them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float

from sim.description import Description
from sim.errors import InvalidSystem, suggestion

Sense = Literal["at_most", "at_least"]
Span = Literal["epoch", "episode"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """An output should be near a level in every epoch: its squared distance is paid for."""

    output: str
    level: float
    price: float
    """Money per squared unit."""

    def __post_init__(self) -> None:
        _refuse_price(self.output, self.price)
        if not np.isfinite(self.level):
            raise InvalidSystem(f"target {self.output!r} has level {self.level}: give a number")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """A share of two outputs should keep within a limit, such as a service level.

    What is paid for is the excess, `numerator - limit * denominator` in units of the numerator
    (customers who abandoned beyond those allowed, say), with the sign turned for `at_least`.

    Over an `epoch` only what exceeds is paid for: being better than the limit at noon makes up for
    nothing in the evening. Over an `episode` the excess is paid for with its sign, so that one
    epoch makes up for another and the sum is the price times the excess of the whole episode. That
    is the Lagrangian of the constraint, with the price as multiplier: being better than the limit
    over a whole episode then earns money, and the price at which a policy just keeps the limit has
    to be found. `Objective.excess` tells of a finished episode whether it did.
    """

    name: str
    numerator: tuple[str, ...]
    denominator: tuple[str, ...]
    limit: float
    price: float
    """Money per unit of excess."""
    sense: Sense = "at_most"
    per: Span = "epoch"

    def __post_init__(self) -> None:
        _refuse_price(self.name, self.price)
        if not np.isfinite(self.limit):
            raise InvalidSystem(f"constraint {self.name!r} has limit {self.limit}: give a number")
        for field, known in (("sense", ("at_most", "at_least")), ("per", ("epoch", "episode"))):
            value = getattr(self, field)
            if value not in known:
                raise InvalidSystem(
                    f"constraint {self.name!r}: {field} {value!r}{suggestion(value, known)}"
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Cost per unit of each output, and per unit of each state component at the last epoch.

    Beside these linear costs there may be targets and constraints. Its arrays are copies of those
    given and cannot be written to, and two objectives that want the same are equal.
    """

    output_names: tuple[str, ...]
    state_names: tuple[str, ...]
    output_weights: Float[np.ndarray, "output"]
    closing_weights: Float[np.ndarray, "state"]
    targets: tuple[Target, ...] = ()
    constraints: tuple[Constraint, ...] = ()

    def __post_init__(self) -> None:
        for name in ("output_weights", "closing_weights"):
            object.__setattr__(self, name, _read_only(getattr(self, name)))
        _refuse_cost("output", self.output_names, self.output_weights)
        _refuse_cost("state component", self.state_names, self.closing_weights)
        for target in self.targets:
            _refuse_unknown("output", (target.output,), self.output_names, "aim at")
        for constraint in self.constraints:
            named = (*constraint.numerator, *constraint.denominator)
            _refuse_unknown("output", named, self.output_names, "constrain")

    def __eq__(self, other: object) -> bool:
        return self._value == other._value if isinstance(other, Objective) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> tuple[Any, ...]:
        # Made again from its fields, because arrays come out of a pickle writeable.
        told = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(Objective, **told), ()

    @property
    def _value(self) -> tuple[object, ...]:
        names = self.output_names, self.state_names
        return *names, self.targets, self.constraints, tuple(self.numbers.tolist())

    @classmethod
    def from_costs(
        cls,
        description: Description,
        outputs: Mapping[str, float],
        at_close: Mapping[str, float],
        *,
        targets: Sequence[Target] = (),
        constraints: Sequence[Constraint] = (),
    ) -> Objective:
        """Weights by name; what is not named costs nothing. Refuses unknown names."""
        return cls(
            output_names=description.output_names,
            state_names=description.state_names,
            output_weights=_weights("output", outputs, description.output_names),
            closing_weights=_weights("state component", at_close, description.state_names),
            targets=tuple(targets),
            constraints=tuple(constraints),
        )

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "output_names": list(self.output_names),
            "state_names": list(self.state_names),
            "output_weights": self.output_weights.tolist(),
            "closing_weights": self.closing_weights.tolist(),
            "targets": [asdict(target) for target in self.targets],
            "constraints": [asdict(constraint) for constraint in self.constraints],
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Objective:
        """Rebuild from a record."""
        return cls(
            output_names=tuple(record["output_names"]),
            state_names=tuple(record["state_names"]),
            output_weights=np.array(record["output_weights"], dtype=float),
            closing_weights=np.array(record["closing_weights"], dtype=float),
            targets=tuple(Target(**target) for target in record["targets"]),
            constraints=tuple(_constraint(told) for told in record["constraints"]),
        )

    @property
    def number_names(self) -> tuple[str, ...]:
        """What the numbers of an objective are called, in order."""
        return (
            *(f"{name}_cost" for name in self.output_names),
            *(f"{name}_closing_cost" for name in self.state_names),
            *(f"{target.output}_target" for target in self.targets),
            *(f"{target.output}_target_price" for target in self.targets),
            *(f"{constraint.name}_limit" for constraint in self.constraints),
            *(f"{constraint.name}_price" for constraint in self.constraints),
        )

    @property
    def numbers(self) -> Float[np.ndarray, "number"]:
        """Everything in the objective that is a number."""
        beside = (
            *(target.level for target in self.targets),
            *(target.price for target in self.targets),
            *(constraint.limit for constraint in self.constraints),
            *(constraint.price for constraint in self.constraints),
        )
        return np.array([*self.output_weights, *self.closing_weights, *beside], dtype=float)

    def with_numbers(self, numbers: Float[np.ndarray, "number"]) -> Objective:
        """The same wishes at other prices, levels and limits."""
        weights, closing, levels, paid, limits, prices = self._parts(numbers)
        targets = zip(self.targets, levels, paid, strict=True)
        constraints = zip(self.constraints, limits, prices, strict=True)
        return replace(
            self,
            output_weights=weights,
            closing_weights=closing,
            targets=tuple(replace(t, level=float(x), price=float(p)) for t, x, p in targets),
            constraints=tuple(
                replace(c, limit=float(x), price=float(p)) for c, x, p in constraints
            ),
        )

    def cost(
        self,
        outputs: Float[np.ndarray, "batch output"],
        next_states: Float[np.ndarray, "batch state"],
        is_last: Bool[np.ndarray, "batch"],
        numbers: Float[np.ndarray, "batch number"] | None = None,
    ) -> Float[np.ndarray, "batch"]:
        """Money lost in each epoch; with `numbers`, each row under an objective of its own."""
        if numbers is None and not (self.targets or self.constraints):
            parts: tuple[Float[np.ndarray, "..."], ...] = (
                self.output_weights,
                self.closing_weights,
            )
        else:
            parts = self._parts(self.numbers if numbers is None else numbers)
        weights, closing, *beside = parts
        total: Float[np.ndarray, "batch"] = _priced(outputs, weights)
        if is_last.any():
            total += is_last * _priced(next_states, closing)
        return total + self._beside(outputs, *beside) if beside else total

    def excess(
        self, outputs: Float[np.ndarray, "batch output"]
    ) -> dict[str, Float[np.ndarray, "batch"]]:
        """By constraint, how far outputs exceed it, in units of the numerator; below 0 it is kept.

        Give totals over an episode to ask whether the episode kept its constraints.
        """
        return {c.name: self._over(c, outputs, c.limit) for c in self.constraints}

    def _beside(
        self,
        outputs: Float[np.ndarray, "batch output"],
        levels: Float[np.ndarray, "*rows target"],
        paid: Float[np.ndarray, "*rows target"],
        limits: Float[np.ndarray, "*rows constraint"],
        prices: Float[np.ndarray, "*rows constraint"],
    ) -> Float[np.ndarray, "batch"]:
        """Cost of missed targets and broken constraints."""
        total = np.zeros(len(outputs))
        for i, target in enumerate(self.targets):
            missed = outputs[:, self.output_names.index(target.output)] - levels[..., i]
            total += paid[..., i] * missed**2
        for i, constraint in enumerate(self.constraints):
            over = self._over(constraint, outputs, limits[..., i])
            total += prices[..., i] * (over if constraint.per == "episode" else over.clip(min=0.0))
        return total

    def _over(
        self,
        constraint: Constraint,
        outputs: Float[np.ndarray, "batch output"],
        limit: float | Float[np.ndarray, "*rows"],
    ) -> Float[np.ndarray, "batch"]:
        above = outputs[:, [self.output_names.index(n) for n in constraint.numerator]].sum(axis=1)
        below = outputs[:, [self.output_names.index(n) for n in constraint.denominator]].sum(axis=1)
        over: Float[np.ndarray, "batch"] = above - limit * below
        return over if constraint.sense == "at_most" else -over

    def _parts(
        self, numbers: Float[np.ndarray, "*rows number"]
    ) -> tuple[Float[np.ndarray, "..."], ...]:
        """Output weights, closing weights, target levels and prices, limits and prices."""
        targets, constraints = len(self.targets), len(self.constraints)
        sizes = (len(self.output_names), len(self.state_names), targets, targets, constraints)
        return tuple(np.split(numbers, np.cumsum(sizes), axis=-1))


def _read_only(values: Float[np.ndarray, "name"]) -> Float[np.ndarray, "name"]:
    kept = np.array(values, dtype=float)
    kept.flags.writeable = False
    return kept


def _constraint(told: Mapping[str, Any]) -> Constraint:
    pair = {name: tuple(told[name]) for name in ("numerator", "denominator")}
    return Constraint(**{**told, **pair})


def _priced(
    amounts: Float[np.ndarray, "batch name"], weights: Float[np.ndarray, "*rows name"]
) -> Float[np.ndarray, "batch"]:
    if weights.ndim == 1:
        return np.asarray(amounts @ weights)
    total: Float[np.ndarray, "batch"] = np.einsum("bn,bn->b", amounts, weights)
    return total


def _weights(
    kind: str, given: Mapping[str, float], names: tuple[str, ...]
) -> Float[np.ndarray, "name"]:
    _refuse_unknown(kind, given, names, "put a cost on")
    return np.array([given.get(name, 0.0) for name in names], dtype=float)


def _refuse_unknown(
    kind: str, given: Sequence[str] | Mapping[str, float], names: tuple[str, ...], to_do: str
) -> None:
    for name in given:
        if name not in names:
            raise InvalidSystem(f"no {kind} {name!r} to {to_do}{suggestion(name, names)}")


def _refuse_cost(kind: str, names: tuple[str, ...], weights: Float[np.ndarray, "name"]) -> None:
    if weights.shape != (len(names),):
        raise InvalidSystem(f"{kind} costs of shape {weights.shape}: one for each of {len(names)}")
    for name, weight in zip(names, weights.tolist(), strict=True):
        if not np.isfinite(weight):
            raise InvalidSystem(f"the cost of {kind} {name!r} is {weight}: give a number")


def _refuse_price(name: str, price: float) -> None:
    if not (np.isfinite(price) and price >= 0):
        raise InvalidSystem(f"the price of {name!r} is {price}: give a number of 0 or more")
