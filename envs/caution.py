"""What keeps a policy from living on a surrogate's mistakes: a price on doubt, and a stop.

A policy that is trained in a surrogate finds out where the surrogate is wrong in its favour. Doubt
is judged for the question that is asked, (state, decision, parameters), before it is answered. It
lowers the reward only: `infos["cost"]` stays the money that the epoch cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float

from sim.errors import InvalidSystem
from surrogates.interface import SupportsDoubt


@runtime_checkable
class TellsSupport(Protocol):
    """Tells how much data a surrogate has seen near a question."""

    def score(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """From 0, nothing like it was seen, to 1, in the midst of the data."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What is thought of a batch of questions."""

    penalties: Float[np.ndarray, "batch"]
    """To be taken off the rewards, in their units."""
    stops: Bool[np.ndarray, "batch"]
    """Where the episode is cut short after the answer."""


@runtime_checkable
class Caution(Protocol):
    """Judges questions to a world before they are answered."""

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """One judgement for each row."""
        ...


class NoCaution:
    """Believes every answer, as befits the true simulator."""

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """No penalty, no stop."""
        return Judgement(penalties=np.zeros(len(states)), stops=np.zeros(len(states), dtype=bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtPenalty:
    """Takes the surrogate's epistemic deviation off the reward, `weight` for each unit of it."""

    surrogate: SupportsDoubt
    weight: float

    def __post_init__(self) -> None:
        _refuse_weight(self.weight)
        if not isinstance(self.surrogate, SupportsDoubt):
            raise InvalidSystem(
                f"{type(self.surrogate).__name__} cannot tell its doubt: take a family that can, "
                "or SupportPenalty"
            )

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """A penalty for each row, no stop."""
        doubt = self.surrogate.doubt(states, decisions, parameters)
        return Judgement(penalties=self.weight * doubt, stops=np.zeros(len(states), dtype=bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportPenalty:
    """Takes `weight` off the reward where nothing like the question was seen.

    With more support it takes less in proportion, and nothing where there is `enough`. A score may
    be a rank among the data, half of which are then below 0.5: to price only what is rare among
    them, let little be enough.
    """

    support: TellsSupport
    weight: float
    enough: float = 0.1

    def __post_init__(self) -> None:
        _refuse_weight(self.weight)
        if not 0.0 < self.enough <= 1.0:
            raise InvalidSystem(
                f"support of {self.enough} is enough: give a score above 0, up to 1"
            )

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """A penalty for each row, no stop."""
        score = self.support.score(states, decisions, parameters)
        penalties = self.weight * np.maximum(1.0 - score / self.enough, 0.0)
        return Judgement(penalties=penalties, stops=np.zeros(len(states), dtype=bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportStop:
    """Cuts an episode short once a question has less support than `least`.

    A cut is a truncation: learners go on from their own value of where it was cut. As all rewards
    are minus costs, an end without a value would be a way out. `penalty` is paid with the cut.
    """

    support: TellsSupport
    least: float
    penalty: float = 0.0

    def __post_init__(self) -> None:
        _refuse_weight(self.penalty)
        if not 0.0 <= self.least <= 1.0:
            raise InvalidSystem(f"least support {self.least}: give a score from 0 to 1")

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """A stop, with its penalty, in each row that is out of the data."""
        stops = self.support.score(states, decisions, parameters) < self.least
        return Judgement(penalties=self.penalty * stops, stops=stops)


@dataclass(frozen=True, slots=True, kw_only=True)
class AllCautions:
    """Several cautions at once: penalties add up, and each may stop."""

    cautions: tuple[Caution, ...]

    def judge(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Judgement:
        """The judgements together."""
        total = NoCaution().judge(states, decisions, parameters)
        for caution in self.cautions:
            one = caution.judge(states, decisions, parameters)
            total = Judgement(
                penalties=total.penalties + one.penalties, stops=total.stops | one.stops
            )
        return total


def _refuse_weight(weight: float) -> None:
    if not (np.isfinite(weight) and weight >= 0):
        raise InvalidSystem(f"a weight of {weight}: give a number of 0 or more")
