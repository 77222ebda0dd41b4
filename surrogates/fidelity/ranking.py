"""Whether the surrogate says of two policies which is better, and how well one can know.

The values are mean costs over the same days: of each day the parameters are the same in both
worlds, and the simulator gives every policy the same customers. Its means are of few days, so even
the simulator does not rank policies as it does itself on other days: the tau between its values
and those of as many other days with the same parameters is what can be attained. Days come in pairs
with the same parameters, so that it can be estimated from halves: a policy that is better under
some parameters is no noise, for the surrogate is asked under the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sim.description import Description
from surrogates.errors import InvalidDataset
from surrogates.fidelity.cells import cells_of

_FEWEST_DAYS = 4
_FEWEST_POLICIES = 3
_SPLITS = 8
"""Splits into halves that a resample's attainable tau is meaned over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tau:
    """Kendall's rank correlation of two lists of policy values with its 95% interval."""

    value: float
    low: float
    high: float
    attainable: float
    """Tau of the simulator with itself on as many other days with the same parameters: that between
    two halves of its days, one of each pair, brought to the full number (see
    `at_twice_the_days`)."""
    shortfall_low: float
    shortfall_high: float
    """95% interval of how much `value` is below `attainable`, policies and days resampled for both
    together: what makes one of them low mostly does so to the other."""
    days: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyValue:
    """Mean cost of a day under one policy, in both worlds."""

    name: str
    simulated: float
    low: float
    high: float
    """Interval of two standard errors over days around the simulated value."""
    imagined: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranking:
    """Policies by their values in both worlds."""

    policies: tuple[PolicyValue, ...]
    distinct: int
    """How many of them decide differently from one another in the states that were met."""
    overall: Tau
    better_half: Tau
    """Among the policies that the simulator finds better than the median: the ones that matter."""
    cells: dict[str, Tau]


def refuse_unrankable(policies: int, days: int) -> None:
    """Raise InvalidDataset for fewer than three policies or four days."""
    if policies < _FEWEST_POLICIES or days < _FEWEST_DAYS:
        raise InvalidDataset(
            f"{policies} policies that decide differently, on {days} days: a ranking needs at "
            f"least {_FEWEST_POLICIES} on {_FEWEST_DAYS}"
        )


def rank_policies(
    description: Description,
    names: tuple[str, ...],
    distinct: int,
    simulated: Float[np.ndarray, "policy day"],
    imagined: Float[np.ndarray, "policy day"],
    parameters: Float[np.ndarray, "day parameter"],
    random: np.random.Generator,
    resamples: int = 400,
) -> Ranking:
    """Compare the costs of policies on the same days, overall and by cell of the parameter box.

    Days come in pairs, one after the other, that have the same parameters and other customers.
    Raises InvalidDataset for fewer than three policies or four days, and where they are no pairs.
    """
    refuse_unrankable(len(simulated), len(parameters))
    if not np.array_equal(parameters[::2], parameters[1::2]):
        raise InvalidDataset("days 0 and 1, 2 and 3, ... must have the same parameters")
    means = simulated.mean(axis=1)
    better = means <= np.median(means)
    cells = {
        name: _tau(simulated[:, days], imagined[:, days], random, resamples)
        for name, days in cells_of(description, parameters)
        if days.sum() >= _FEWEST_DAYS
    }
    return Ranking(
        policies=_values(names, simulated, imagined),
        distinct=distinct,
        overall=_tau(simulated, imagined, random, resamples),
        better_half=_tau(simulated[better], imagined[better], random, resamples),
        cells=cells,
    )


def _values(
    names: tuple[str, ...],
    simulated: Float[np.ndarray, "policy day"],
    imagined: Float[np.ndarray, "policy day"],
) -> tuple[PolicyValue, ...]:
    means = simulated.mean(axis=1)
    errors = 2 * simulated.std(axis=1, ddof=1) / np.sqrt(simulated.shape[1])
    return tuple(
        PolicyValue(
            name=name,
            simulated=float(mean),
            low=float(mean - error),
            high=float(mean + error),
            imagined=float(dreamt),
        )
        for name, mean, error, dreamt in zip(
            names, means, errors, imagined.mean(axis=1), strict=True
        )
    )


def _tau(
    simulated: Float[np.ndarray, "policy day"],
    imagined: Float[np.ndarray, "policy day"],
    random: np.random.Generator,
    resamples: int,
) -> Tau:
    """Tau with a bootstrap over policies and pairs of days."""
    policies, days = simulated.shape
    pairs = days // 2
    drawn, attainable = np.zeros(resamples), np.zeros(resamples)
    for number in range(resamples):
        weights = np.bincount(random.integers(policies, size=policies), minlength=policies) * 1.0
        chosen = random.integers(pairs, size=pairs)
        both = np.concatenate([2 * chosen, 2 * chosen + 1])
        drawn[number] = weighted_tau(
            simulated[:, both].mean(axis=1), imagined[:, both].mean(axis=1), weights
        )
        attainable[number] = _attainable(simulated, chosen, weights, random, _SPLITS)
    ends = [0.025, 0.975]
    (low, high), (least, most) = np.quantile(drawn, ends), np.quantile(attainable - drawn, ends)
    alike = np.ones(policies)
    return Tau(
        value=weighted_tau(simulated.mean(axis=1), imagined.mean(axis=1), alike),
        low=float(low),
        high=float(high),
        attainable=_attainable(simulated, np.arange(pairs), alike, random, resamples),
        shortfall_low=float(least),
        shortfall_high=float(most),
        days=days,
    )


def _attainable(
    simulated: Float[np.ndarray, "policy day"],
    pairs: Int[np.ndarray, "chosen"],
    weights: Float[np.ndarray, "policy"],
    random: np.random.Generator,
    splits: int,
) -> float:
    """From halves with one day of each pair; a pair chosen twice is split the same way twice."""
    one = random.integers(2, size=(splits, simulated.shape[1] // 2))[:, pairs]
    half, rest = (simulated[:, 2 * pairs + days].mean(axis=2).T for days in (one, 1 - one))
    return at_twice_the_days(float(weighted_taus(half, rest, weights).mean()))


def at_twice_the_days(tau: float) -> float:
    """What a tau between two means of so many days becomes when both are of twice as many.

    Ranks of jointly normal values have tau = 2 / pi * arcsin(r) (Greiner 1909), and twice the days
    bring r to 2 r / (1 + r) (Spearman and Brown 1910). Values of any other law come close, since
    few pairs are in doubt and these lie evenly about 0; simulated uniform, skewed and clustered
    values are within 0.04 of it. Not above 0 there is nothing that more days could make clearer.
    """
    if tau <= 0.0:
        return tau
    correlation = np.sin(np.pi / 2 * tau)
    return float(2 / np.pi * np.arcsin(2 * correlation / (1 + correlation)))


def weighted_tau(
    left: Float[np.ndarray, "policy"],
    right: Float[np.ndarray, "policy"],
    weights: Float[np.ndarray, "policy"],
) -> float:
    """Kendall's tau-b, each pair of different policies weighed by the product of their weights.

    With whole weights it is that of a resample from which pairs of a policy with itself are left
    out. 0 where all values of one side are alike, for then it ranks nothing.
    """
    return float(weighted_taus(left[None], right[None], weights)[0])


def weighted_taus(
    left: Float[np.ndarray, "case policy"],
    right: Float[np.ndarray, "case policy"],
    weights: Float[np.ndarray, "policy"],
) -> Float[np.ndarray, "case"]:
    """The same of many pairs of lists at once."""
    pairs = np.triu(np.outer(weights, weights), 1)
    one, other = (np.sign(side[:, :, None] - side[:, None]) for side in (left, right))
    agreed, *sizes = (
        np.einsum("ij,cij->c", pairs, signs) for signs in (one * other, one**2, other**2)
    )
    size = np.sqrt(sizes[0] * sizes[1])
    return np.asarray(np.divide(agreed, size, out=np.zeros(len(size)), where=size > 0.0))
