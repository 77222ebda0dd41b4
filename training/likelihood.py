"""How likely a surrogate holds each observed day, as a function of what cannot be seen.

The telemetry of a day shows states, decisions and outcomes; of the parameters it shows only those
that scale a roster, where the simulator has rosters. The others are hidden. For them a day has a
score, the slope of its log likelihood at a reference, and an information, the mean curvature. A
surrogate is a little wrong, so on days when nothing has changed its mean score is not zero and its
information understates the spread of scores; `InControl` is what simulated days say of both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description, SystemDescription
from sim.errors import InvalidParameters, suggestion
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import SupportsLikelihood, Surrogate

_STEP_SHARE = 0.05
"""Step of finite differences, as a share of a parameter's box: from half to about twice this step
the measured spread of scores changes by under 5%."""
_MOST_OF_VALUE = 0.25
"""Largest such step from a positive value, as a share of it: a rate below 0 has no likelihood. It
tells only where the upper bound of a box is over six times the lower one."""
_SMALLEST_EIGENVALUE = 0.01
"""Least eigenvalue of an information matrix, relative to its largest."""


@runtime_checkable
class LikelihoodSurrogate(Surrogate, SupportsLikelihood, Protocol):
    """A surrogate with a likelihood."""


def hidden_parameters(description: Description) -> tuple[str, ...]:
    """Names of the parameters that may move and scale no roster, so that telemetry hides them."""
    seen = _roster_scales(description) if isinstance(description, SystemDescription) else set()
    return tuple(p.name for p in description.parameters if p.name not in seen and p.low < p.high)


def _roster_scales(description: SystemDescription) -> set[str]:
    pools = {team.pool for team in description.teams}
    columns = zip(description.calendar.columns, description.calendar.scaled_by, strict=True)
    return {scale for column, scales in columns if column in pools for scale in scales}


def kinds_of_days(description: Description, days: Transitions) -> Int[np.ndarray, "day"]:
    """The kind of each day, such as its weekday; 0 where the simulator tells of none."""
    first = first_rows(days)
    if not isinstance(description, SystemDescription):
        return np.zeros(len(first), dtype=int)
    kinds: Int[np.ndarray, "day"] = days.state[first, -2].astype(int)
    return kinds


def number_of_kinds(description: Description) -> int:
    """How many kinds of day there are."""
    return len(description.calendar.values) if isinstance(description, SystemDescription) else 1


def first_rows(days: Transitions) -> Int[np.ndarray, "day"]:
    """Row at which each day begins; a day is one `episode`, in the order of its first row."""
    if len(days) == 0:
        raise InvalidDataset("no transitions: give at least one day")
    _, first = np.unique(days.episode, return_index=True)
    return np.sort(first)


@dataclass(frozen=True, slots=True, kw_only=True)
class DayLikelihood:
    """Log likelihood of whole days about a reference, in nats, and its derivatives.

    Visible parameters are taken from the telemetry, hidden ones from the reference.
    """

    surrogate: LikelihoodSurrogate
    reference: Float[np.ndarray, "parameter"]
    """Parameters believed true, in the order of the description."""
    names: tuple[str, ...]
    """The hidden parameters, in the order of every vector and matrix here."""

    def __post_init__(self) -> None:
        known = [p.name for p in self.surrogate.description.parameters]
        for name in self.names:
            if name not in known:
                raise InvalidParameters(f"unknown parameter {name!r}{suggestion(name, known)}")
        if len(self.reference) != len(known) or not self.names:
            raise InvalidParameters(
                f"{len(self.reference)} reference values and {len(self.names)} hidden parameters: "
                f"give a value for each of {', '.join(known)} and hide at least one"
            )

    @classmethod
    def at(
        cls, surrogate: LikelihoodSurrogate, reference: Float[np.ndarray, "parameter"]
    ) -> DayLikelihood:
        """All hidden parameters of the surrogate's system, about this reference."""
        names = hidden_parameters(surrogate.description)
        return cls(surrogate=surrogate, reference=np.asarray(reference, dtype=float), names=names)

    @property
    def positions(self) -> list[int]:
        """Where the hidden parameters stand among all."""
        known = [p.name for p in self.surrogate.description.parameters]
        return [known.index(name) for name in self.names]

    @property
    def centre(self) -> Float[np.ndarray, "hidden"]:
        """The hidden part of the reference."""
        return self.reference[self.positions]

    @property
    def box(self) -> Float[np.ndarray, "hidden 2"]:
        """Lower and upper bound of each hidden parameter."""
        parameters = self.surrogate.description.parameters
        return np.array([[parameters[i].low, parameters[i].high] for i in self.positions])

    def steps(self, at: Float[np.ndarray, "hidden"]) -> Float[np.ndarray, "hidden hidden"]:
        """One finite difference step from a point for each hidden parameter, a row each.

        Where a box holds positive numbers only, steps down end at positive ones too.
        """
        low, high = self.box.T
        steps = _STEP_SHARE * (high - low)
        return np.diag(np.where(low > 0.0, np.minimum(steps, _MOST_OF_VALUE * at), steps))

    def values(
        self, days: Transitions, points: Float[np.ndarray, "point hidden"]
    ) -> Float[np.ndarray, "point day"]:
        """Log likelihood of each day at each point, from one call of the surrogate."""
        rows, count = len(days), len(points)
        copies = days.take(np.tile(np.arange(rows), count))
        parameters = copies.parameters.astype(float)
        parameters[:, self.positions] = np.repeat(points, rows, axis=0)
        each = self.surrogate.log_prob(replace(copies, parameters=parameters))
        by_row = np.asarray(each, dtype=float).reshape(count, rows)
        return np.stack([by_row[:, day].sum(axis=1) for day in _rows_by_day(days)], axis=1)

    def scores(
        self, days: Transitions, at: Float[np.ndarray, "hidden"] | None = None
    ) -> Float[np.ndarray, "day hidden"]:
        """Slope of each day's log likelihood at a point, or at the reference."""
        return self.values_and_scores(days, self.centre if at is None else at)[1]

    def values_and_scores(
        self, days: Transitions, at: Float[np.ndarray, "hidden"]
    ) -> tuple[Float[np.ndarray, "day"], Float[np.ndarray, "day hidden"]]:
        """Each day's log likelihood at a point and its slope there."""
        steps = self.steps(at)
        values = self.values(days, np.concatenate([at[None, :], at + steps, at - steps]))
        count = len(self.names)
        slopes = (values[1 : 1 + count] - values[1 + count :]) / (2 * np.diag(steps))[:, None]
        return values[0], slopes.T

    def information(
        self, days: Transitions, at: Float[np.ndarray, "hidden"] | None = None
    ) -> Float[np.ndarray, "hidden hidden"]:
        """Minus the mean curvature per day at a point, made symmetric and positive definite."""
        centre = self.centre if at is None else at
        rows = []
        for step in self.steps(centre):
            ahead = self.scores(days, centre + step).mean(axis=0)
            behind = self.scores(days, centre - step).mean(axis=0)
            rows.append((behind - ahead) / (2 * step.sum()))
        return _positive_definite(np.array(rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class InControl:
    """Scores on days that truly ran at the reference: what the surrogate's misfit amounts to."""

    days: int
    mean_score: Float[np.ndarray, "hidden"]
    score_covariance: Float[np.ndarray, "hidden hidden"]
    """Between days; above the information where the surrogate is too sure of itself."""
    information: Float[np.ndarray, "hidden hidden"]
    """Per day."""

    @classmethod
    def measure(cls, likelihood: DayLikelihood, days: Transitions) -> InControl:
        """Measure on days simulated at the likelihood's reference.

        Raises InvalidDataset below two days more than there are hidden parameters: their
        covariance would be singular.
        """
        scores = likelihood.scores(days)
        if len(scores) < len(likelihood.names) + 2:
            raise InvalidDataset(
                f"{len(scores)} days in control for {len(likelihood.names)} hidden parameters: "
                f"simulate at least {len(likelihood.names) + 2}"
            )
        return cls(
            days=len(scores),
            mean_score=scores.mean(axis=0),
            score_covariance=np.atleast_2d(np.cov(scores.T)),
            information=likelihood.information(days),
        )

    def moved_to(self, likelihood: DayLikelihood, days: Transitions) -> InControl:
        """Mean score and information on days simulated at another reference, dispersion kept.

        A covariance needs far more days than a mean, so the first, larger set goes on giving it.
        """
        scores, information = likelihood.scores(days), likelihood.information(days)
        root = square_root(information)
        return InControl(
            days=len(scores),
            mean_score=scores.mean(axis=0),
            score_covariance=root @ self.dispersion @ root,
            information=information,
        )

    @property
    def dispersion(self) -> Float[np.ndarray, "hidden hidden"]:
        """Covariance of scores in units of the information; the unit matrix without misfit."""
        inverse = np.linalg.inv(square_root(self.information))
        result: Float[np.ndarray, "hidden hidden"] = inverse @ self.score_covariance @ inverse
        return result

    def one_step(self, scores: Float[np.ndarray, "day hidden"]) -> Float[np.ndarray, "day hidden"]:
        """Estimated shift of the parameters from each day alone: information^-1 (score - mean)."""
        return np.linalg.solve(self.information, (scores - self.mean_score).T).T

    def to_record(self) -> dict[str, Any]:
        """As JSON takes it."""
        return {
            "days": self.days,
            "mean_score": self.mean_score.tolist(),
            "score_covariance": self.score_covariance.tolist(),
            "information": self.information.tolist(),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> InControl:
        """Rebuild from a record."""
        return cls(
            days=int(record["days"]),
            mean_score=np.array(record["mean_score"]),
            score_covariance=np.array(record["score_covariance"]),
            information=np.array(record["information"]),
        )


def square_root(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    """The symmetric square root of a positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    result: Float[np.ndarray, "n n"] = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return result


def _positive_definite(matrix: Float[np.ndarray, "n n"]) -> Float[np.ndarray, "n n"]:
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if values[-1] <= 0:
        raise InvalidDataset("the days say nothing of the hidden parameters: give more days")
    floored = np.maximum(values, _SMALLEST_EIGENVALUE * values[-1])
    result: Float[np.ndarray, "n n"] = (vectors * floored) @ vectors.T
    return result


def split_days(days: Transitions) -> list[Transitions]:
    """The telemetry of each day by itself."""
    return [days.take(rows) for rows in _rows_by_day(days)]


def _rows_by_day(days: Transitions) -> list[Int[np.ndarray, "epoch"]]:
    return [np.flatnonzero(days.episode == days.episode[row]) for row in first_rows(days)]
