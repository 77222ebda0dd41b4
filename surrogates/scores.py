"""How well a surrogate foretells one epoch that it has not seen.

All scores are proper or randomised so that a finite number of draws and the discreteness of
counts bias none of them. What follows without a model (agents assigned, moves, the day and the
number of the epoch; see `ledger`) is left out: nobody can miss it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Shaped

from sim.description import Description
from surrogates.coordinates.ledger import ledger_of
from surrogates.coordinates.plain import DURATION
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Epochs, SupportsLikelihood, Surrogate
from surrogates.log_scores import log_scores_of_draws

LEVELS = (0.5, 0.8, 0.95)
"""Central intervals whose coverage is measured."""
_LAST_DIGITS = 1e-9
"""Of a number and of one, by which sums of the same may differ."""
_CHUNK_ROWS = 512
"""Rows whose draws are held at once when distances between draws are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One-epoch scores over held-out transitions."""

    crps_by_output: dict[str, float]
    """Continuous ranked probability score of each flow and measure, in its own unit."""
    crps_by_state: dict[str, float]
    """The same of each component of the state that is not sure beforehand."""
    log_scores: dict[str, float]
    """Mean negative log score of each quantity in nats, of a count's probability or a measure's
    density, from draws (see `log_scores_of_draws`)."""
    standardised_crps: float
    """Mean over outputs and state of CRPS over the held-out standard deviation; 0 is perfect.
    What only counts an output again is left out, and what never varied adds its error, in its own
    unit, without counting as one more quantity to be right about."""
    energy: float
    """Energy score of state and outputs together, each over its held-out standard deviation."""
    coverage: dict[str, float]
    """Share of outcomes within the central interval, by its percentage. Outcomes are left out that
    every draw equals (see `Foretold.told_apart`); nominal where these are all."""
    bias: dict[str, float]
    """Mean of draws less outcome, in the quantity's own unit."""
    log_likelihood: float | None
    """Mean log likelihood in nats per transition; None for a surrogate that has none."""

    def to_record(self) -> dict[str, float | dict[str, float]]:
        """The scores as JSON takes them; a likelihood that does not exist is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """Draws for questions whose outcomes are known, and the outcomes, in the same columns."""

    names: tuple[str, ...]
    """Of the columns: components that are not sure beforehand, then outputs, then durations."""
    states: int
    """How many of the columns are components of the state."""
    counted: list[int]
    """Columns that do not repeat another."""
    is_count: Bool[np.ndarray, "quantity"]
    """Of which columns the numbers are whole."""
    drawn: Float[np.ndarray, "row draw quantity"]
    seen: Float[np.ndarray, "row quantity"]

    @classmethod
    def by(
        cls, surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int
    ) -> Foretold:
        """Ask the surrogate so many times for each transition.

        Raises InvalidDataset for no transitions or fewer than two draws.
        """
        _refuse_unscorable(held_out, draws)
        epochs = surrogate.sample(
            np.repeat(held_out.state, draws, axis=0),
            np.repeat(held_out.decision, draws, axis=0),
            np.repeat(held_out.parameters, draws, axis=0),
            random,
        )
        return cls.of(surrogate.description, epochs, held_out)

    @classmethod
    def of(cls, description: Description, epochs: Epochs, held_out: Transitions) -> Foretold:
        """Answers, as many in a row for each transition, beside what happened."""
        scored = Scorable.of(description)
        columns = scored.columns(epochs.state, epochs.outputs, epochs.duration)
        return cls(
            names=scored.names,
            states=len(scored.states),
            counted=scored.counted,
            is_count=np.array(scored.is_count),
            drawn=columns.reshape(len(held_out), -1, len(scored.names)),
            seen=scored.columns(held_out.next_state, held_out.outputs, held_out.duration),
        )

    def take(self, rows: Shaped[np.ndarray, "chosen"]) -> Foretold:
        """The chosen rows, by position or by a mask."""
        return replace(self, drawn=self.drawn[rows], seen=self.seen[rows])

    def without(self, names: tuple[str, ...]) -> Foretold:
        """The same, these quantities not counted."""
        return replace(self, counted=[i for i in self.counted if self.names[i] not in names])

    @property
    def spread(self) -> Float[np.ndarray, "quantity"]:
        """Deviation of the outcomes; 1 for what never varied, which is measured in its own unit."""
        return np.where(self._varies, self.seen.std(axis=0), 1.0)

    @property
    def varied(self) -> int:
        """How many of the counted quantities had different outcomes; one at least."""
        return max(1, int(self._varies[self.counted].sum()))

    @property
    def told_apart(self) -> Bool[np.ndarray, "row quantity"]:
        """Where the outcome or a draw differs from another.

        Elsewhere the rank is nothing but chance, so that numbers which hardly ever vary would
        draw any coverage to the nominal one. Whether all are alike does not depend on which of
        them is the outcome: among the others the rank of a right model stays uniform.
        """
        seen = self.seen[:, None]
        near = _LAST_DIGITS * (1.0 + np.abs(seen))
        return np.asarray((np.abs(self.drawn - seen) > near).any(axis=1))

    @property
    def _varies(self) -> Bool[np.ndarray, "quantity"]:
        return np.asarray(self.seen.std(axis=0) > 1e-9)

    def pit(self, random: np.random.Generator) -> Float[np.ndarray, "row quantity"]:
        """The outcome's rank among the draws, ties and the place within the rank at random."""
        below = (self.drawn < self.seen[:, None]).sum(axis=1)
        tied = (self.drawn == self.seen[:, None]).sum(axis=1)
        rank = below + random.integers(tied + 1)
        return np.asarray((rank + random.random(rank.shape)) / (self.drawn.shape[1] + 1))


def score(
    surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int = 64
) -> Scores:
    """Score the surrogate on transitions it has not seen, with `draws` samples for each."""
    foretold = Foretold.by(surrogate, held_out, random, draws)
    return score_foretold(foretold, foretold.pit(random), log_likelihood(surrogate, held_out))


def score_foretold(
    foretold: Foretold,
    pit: Float[np.ndarray, "row quantity"],
    likelihood: float | None = None,
    whole: Foretold | None = None,
) -> Scores:
    """Scores of draws that were made already, each quantity over its spread where they are pooled.

    The spread is that of these very outcomes, or of the `whole` that they are a part of.
    """
    counted, states = foretold.counted, foretold.states
    scale = foretold if whole is None else whole
    crps = crps_of_draws(foretold.drawn, foretold.seen)
    unit, told_apart = scale.spread[counted], foretold.told_apart[:, counted]
    log_scores = log_scores_of_draws(foretold.drawn, foretold.seen, foretold.is_count)
    bias = (foretold.drawn.mean(axis=1) - foretold.seen).mean(axis=0)
    named = list(zip(foretold.names, crps.tolist(), strict=True))
    return Scores(
        crps_by_output=dict(named[states:]),
        crps_by_state=dict(named[:states]),
        log_scores=dict(zip(foretold.names, log_scores.tolist(), strict=True)),
        standardised_crps=float((crps[counted] / unit).sum() / scale.varied),
        energy=_energy(foretold.drawn[:, :, counted] / unit, foretold.seen[:, counted] / unit),
        coverage={
            percent(level): _coverage(pit[:, counted][told_apart], level) for level in LEVELS
        },
        bias=dict(zip(foretold.names, bias.tolist(), strict=True)),
        log_likelihood=likelihood,
    )


def pit_values(
    surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int = 64
) -> dict[str, Float[np.ndarray, "_"]]:
    """Randomised probability integral transforms of each quantity, for histograms.

    Uniform on (0, 1) when the surrogate is right, for counts and any number of draws too. Rows
    where an outcome and all its draws are alike are left out, so that a quantity may have fewer
    than others, or none.
    """
    foretold = Foretold.by(surrogate, held_out, random, draws)
    return told_apart_by_name(foretold, foretold.pit(random))


def told_apart_by_name(
    foretold: Foretold, pit: Float[np.ndarray, "row quantity"]
) -> dict[str, Float[np.ndarray, "_"]]:
    """Of each quantity the transforms that are more than chance."""
    columns = zip(foretold.names, pit.T, foretold.told_apart.T, strict=True)
    return {name: column[told_apart] for name, column, told_apart in columns}


def percent(level: float) -> str:
    """How records name a central interval: "95" for 0.95."""
    return f"{level:.0%}"[:-1]


def crps_of_draws(
    drawn: Float[np.ndarray, "row draw quantity"], seen: Float[np.ndarray, "row quantity"]
) -> Float[np.ndarray, "quantity"]:
    """Mean CRPS of each quantity by the fair estimator, unbiased for any number of draws.

    Mean distance from draw to outcome less half the mean distance between two different draws
    (Ferro 2014), the latter from the sorted draws.
    """
    count = drawn.shape[1]
    rank = (2 * np.arange(1, count + 1) - count - 1) / (count * (count - 1))
    apart = np.einsum("d,rdq->q", rank, np.sort(drawn, axis=1)) / len(drawn)
    off = np.abs(drawn - seen[:, None]).mean(axis=(0, 1))
    return np.asarray(off - apart)


def _refuse_unscorable(held_out: Transitions, draws: int) -> None:
    """Raise InvalidDataset where there is nothing to compare, or too few draws to tell a spread."""
    if not len(held_out):
        raise InvalidDataset("no held-out transitions to score on")
    if draws < 2:
        raise InvalidDataset(f"{draws} draws per transition: at least 2 to tell a spread")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorable:
    """Which numbers of an epoch can be missed: components, then outputs, then durations."""

    states: tuple[int, ...]
    outputs: tuple[int, ...]
    has_durations: bool
    names: tuple[str, ...]
    is_count: tuple[bool, ...]
    counted: list[int]
    """Positions among the names of those that do not repeat another."""

    @classmethod
    def of(cls, description: Description) -> Scorable:
        """Those of one simulator."""
        ledger = ledger_of(description)
        sure = ledger.names - ledger.repeated
        states = tuple(i for i, name in enumerate(description.state_names) if name not in sure)
        outputs = tuple(i for i, name in enumerate(description.output_names) if name not in sure)
        has_durations = not ledger.knows_durations
        told = [description.output_names[i] for i in outputs] + [DURATION.name] * has_durations
        # A simulator of the user's may call a component and an output alike.
        components = [description.state_names[i] for i in states]
        names = (*(f"{name} (state)" if name in told else name for name in components), *told)
        quantities = [description.components[i] for i in states]
        quantities += [description.outputs[i] for i in outputs] + [DURATION] * has_durations
        return cls(
            is_count=tuple(quantity.is_count for quantity in quantities),
            states=states,
            outputs=outputs,
            has_durations=has_durations,
            names=names,
            counted=[i for i, name in enumerate(names) if name not in ledger.repeated],
        )

    def columns(
        self,
        states: Float[np.ndarray, "row state"],
        outputs: Float[np.ndarray, "row output"],
        durations: Float[np.ndarray, "row"],
    ) -> Float[np.ndarray, "row quantity"]:
        """The scored numbers, in the order of the names."""
        timed = durations[:, None][:, : int(self.has_durations)]
        return np.concatenate(
            [states[:, list(self.states)], outputs[:, list(self.outputs)], timed], axis=1
        )


def _coverage(pit: Float[np.ndarray, "outcome"], level: float) -> float:
    return float((np.abs(pit - 0.5) <= level / 2).mean()) if len(pit) else level


def _energy(
    drawn: Float[np.ndarray, "row draw quantity"], seen: Float[np.ndarray, "row quantity"]
) -> float:
    """Fair energy score: mean distance to the outcome less half that between two draws."""
    count = drawn.shape[1]
    total = 0.0
    for first in range(0, len(drawn), _CHUNK_ROWS):
        rows = slice(first, first + _CHUNK_ROWS)
        # Distances lose no digits to the outcome's size when both are measured from it.
        offsets = drawn[rows] - seen[rows, None]
        lengths = np.square(offsets).sum(axis=2)
        squared = lengths[:, :, None] + lengths[:, None] - 2 * offsets @ offsets.swapaxes(1, 2)
        squared[:, np.arange(count), np.arange(count)] = 0.0
        apart = np.sqrt(np.maximum(squared, 0.0)).sum(axis=(1, 2)) / (2 * count * (count - 1))
        total += float((np.sqrt(lengths).mean(axis=1) - apart).sum())
    return total / len(drawn)


def log_likelihood(surrogate: Surrogate, held_out: Transitions) -> float | None:
    """Mean log likelihood in nats per transition; None for a surrogate that has none."""
    if not isinstance(surrogate, SupportsLikelihood):
        return None
    return float(surrogate.log_prob(held_out).mean())
