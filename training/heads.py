"""How the numbers that a policy network ends with become decisions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped

from sim.errors import SurrogymError

NOT_ALLOWED = -1e9
"""Logit of a decision that is not allowed: its chance is 0 in single precision."""
SIZES, LOW, HIGH = "head.sizes", "head.low", "head.high"
LOG_DEVIATIONS = "head.log_deviations"
"""Names of stored tensors; a policy with none of them chooses jointly."""


class UnknownHead(SurrogymError):
    """What is stored of a head does not make one, or cannot do what is asked."""


@runtime_checkable
class Head(Protocol):
    """Reads the last layer. Two heads are equal where they make the same decisions of it."""

    form: ClassVar[str]
    """What an action of an environment must be to take these decisions, by its name there."""

    def fits(self, outputs: int) -> bool:
        """Whether a last layer of so many outputs is one of this head."""
        ...

    def decide(
        self,
        outputs: Float[np.ndarray, "batch outputs"],
        allowed: Bool[np.ndarray, "batch outputs"] | None = None,
    ) -> Shaped[np.ndarray, "batch *action"]:
        """The likeliest decision of each row, of those allowed; the first one on ties."""
        ...

    def spread(
        self, outputs: Float[np.ndarray, "batch outputs"]
    ) -> Float[np.ndarray, "batch inputs"]:
        """All that the distribution of exploring decisions depends on."""
        ...

    def to_tensors(self) -> dict[str, np.ndarray]:
        """What has to be stored beside the weights."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class JointChoice:
    """One of all joint decisions, by its number: an output is the logit of each."""

    form: ClassVar[str] = "joint"

    def fits(self, outputs: int) -> bool:
        """Any number of decisions will do."""
        return outputs > 0

    def decide(
        self,
        outputs: Float[np.ndarray, "batch outputs"],
        allowed: Bool[np.ndarray, "batch outputs"] | None = None,
    ) -> Int[np.ndarray, "batch"]:
        """The number of the decision of largest logit."""
        decisions: np.ndarray = _allowed(outputs, allowed).argmax(axis=1)
        return decisions

    def spread(
        self, outputs: Float[np.ndarray, "batch outputs"]
    ) -> Float[np.ndarray, "batch outputs"]:
        """The logits."""
        return outputs

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Nothing."""
        return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class LeverChoices:
    """A level for each lever, chosen apart: the outputs are the logits of one after another."""

    sizes: tuple[int, ...]
    """Levels of each lever."""
    form: ClassVar[str] = "levers"

    def fits(self, outputs: int) -> bool:
        """As many outputs as there are levels in all."""
        return min(self.sizes) > 0 and sum(self.sizes) == outputs

    def decide(
        self,
        outputs: Float[np.ndarray, "batch outputs"],
        allowed: Bool[np.ndarray, "batch outputs"] | None = None,
    ) -> Int[np.ndarray, "batch lever"]:
        """For each lever the position of the level of largest logit."""
        parts = np.split(_allowed(outputs, allowed), np.cumsum(self.sizes)[:-1], axis=1)
        return np.stack([part.argmax(axis=1) for part in parts], axis=1)

    def spread(
        self, outputs: Float[np.ndarray, "batch outputs"]
    ) -> Float[np.ndarray, "batch outputs"]:
        """The logits."""
        return outputs

    def to_tensors(self) -> dict[str, np.ndarray]:
        """The sizes."""
        return {SIZES: np.array(self.sizes)}


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianNumbers:
    """Numbers in a box: the outputs are the means of normal distributions that know no bounds.

    A drawn number u stands for centre + u * half width where a component is bounded on both sides,
    else for itself, and is then clipped into the box. So where much of a distribution lies
    outside, the bound itself is chosen often. Deviations do not depend on what is seen.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    log_deviations: tuple[float, ...] = field(compare=False)
    """Natural logarithms of the deviations with which u is drawn while exploring."""
    form: ClassVar[str] = "continuous"

    def fits(self, outputs: int) -> bool:
        """An output, two bounds and a deviation for each number."""
        return {len(self.low), len(self.high), len(self.log_deviations)} == {outputs}

    def decide(
        self,
        outputs: Float[np.ndarray, "batch outputs"],
        allowed: Bool[np.ndarray, "batch outputs"] | None = None,
    ) -> Float[np.ndarray, "batch outputs"]:
        """The means, in the box. Raises UnknownHead where a mask is given."""
        refuse_mask(allowed)
        return into_box(outputs, np.array(self.low), np.array(self.high))

    def spread(
        self, outputs: Float[np.ndarray, "batch outputs"]
    ) -> Float[np.ndarray, "batch inputs"]:
        """Means, then logarithms of deviations."""
        deviations = np.tile(np.array(self.log_deviations, outputs.dtype), (len(outputs), 1))
        return np.concatenate([outputs, deviations], axis=1)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Bounds and deviations."""
        return {
            LOW: np.array(self.low),
            HIGH: np.array(self.high),
            LOG_DEVIATIONS: np.array(self.log_deviations, dtype=np.float32),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SquashedNumbers:
    """Numbers in a box, by the hyperbolic tangent: the bounds are neared and never passed.

    The outputs are means and then logarithms of deviations of normal distributions, both by what
    is seen. A drawn number u stands for centre + tanh(u) * half width.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    form: ClassVar[str] = "continuous"

    def fits(self, outputs: int) -> bool:
        """Two outputs for each number between two bounds."""
        is_bounded = bool(np.isfinite((self.low, self.high)).all())
        return is_bounded and len(self.low) == len(self.high) and 2 * len(self.low) == outputs

    def decide(
        self,
        outputs: Float[np.ndarray, "batch outputs"],
        allowed: Bool[np.ndarray, "batch outputs"] | None = None,
    ) -> Float[np.ndarray, "batch number"]:
        """The squashed means. Raises UnknownHead where a mask is given."""
        refuse_mask(allowed)
        means = outputs[:, : len(self.low)]
        return into_box(np.tanh(means), np.array(self.low), np.array(self.high))

    def spread(
        self, outputs: Float[np.ndarray, "batch outputs"]
    ) -> Float[np.ndarray, "batch outputs"]:
        """Means, then logarithms of deviations."""
        return outputs

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Bounds."""
        return {LOW: np.array(self.low), HIGH: np.array(self.high)}


def refuse_mask(allowed: Bool[np.ndarray, "batch outputs"] | None) -> None:
    """Raise UnknownHead where a mask is given."""
    if allowed is not None:
        raise UnknownHead("numbers cannot be masked: give bounds to the space of actions")


def into_box(
    numbers: Float[np.ndarray, "batch number"],
    low: Float[np.ndarray, "number"],
    high: Float[np.ndarray, "number"],
) -> Float[np.ndarray, "batch number"]:
    """Numbers of which -1 and 1 stand for the two bounds, where both are finite; clipped."""
    is_bounded = np.isfinite(low) & np.isfinite(high)
    least, most = np.where(is_bounded, low, -1.0), np.where(is_bounded, high, 1.0)
    scaled = (least + most) / 2 + numbers * ((most - least) / 2)
    return np.clip(scaled, low, high).astype(numbers.dtype)


def head_of(tensors: Mapping[str, np.ndarray]) -> Head:
    """The head that `to_tensors` was asked of. Raises UnknownHead for part of one."""
    names = {name for name in tensors if name.startswith("head.")}
    if not names:
        return JointChoice()
    if names == {SIZES}:
        return LeverChoices(sizes=tuple(tensors[SIZES].tolist()))
    if names == {LOW, HIGH}:
        return SquashedNumbers(low=tuple(tensors[LOW].tolist()), high=tuple(tensors[HIGH].tolist()))
    if names == {LOW, HIGH, LOG_DEVIATIONS}:
        return GaussianNumbers(
            low=tuple(tensors[LOW].tolist()),
            high=tuple(tensors[HIGH].tolist()),
            log_deviations=tuple(tensors[LOG_DEVIATIONS].tolist()),
        )
    raise UnknownHead(f"{sorted(names)} are not what any head stores")


def _allowed(
    outputs: Float[np.ndarray, "batch outputs"],
    allowed: Bool[np.ndarray, "batch outputs"] | None,
) -> Float[np.ndarray, "batch outputs"]:
    return outputs if allowed is None else np.where(allowed, outputs, NOT_ALLOWED)
