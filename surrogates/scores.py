"""How well a surrogate foretells one epoch that it has not seen.

All scores are proper or randomised so that a finite number of draws and the discreteness of
counts bias none of them. What follows without a model (agents assigned, moves, the day and the
number of the epoch; see `ledger`) is left out: nobody can miss it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import SupportsLikelihood, Surrogate
from surrogates.ledger import ledger_of
from surrogates.plain import DURATION

LEVELS = (0.5, 0.8, 0.95)
"""Central intervals whose coverage is measured."""
_CHUNK_ROWS = 512
"""Rows whose draws are held at once when distances between draws are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """One-epoch scores over held-out transitions."""

    crps_by_output: dict[str, float]
    """Continuous ranked probability score of each flow and measure, in its own unit."""
    crps_by_state: dict[str, float]
    """The same of each component of the state that is not sure beforehand."""
    standardised_crps: float
    """Mean over outputs and state of CRPS over the held-out standard deviation; 0 is perfect.
    What only counts an output again is left out."""
    energy: float
    """Energy score of state and outputs together, each over its held-out standard deviation."""
    coverage: dict[str, float]
    """Share of outcomes within the central interval, by its percentage."""
    bias: dict[str, float]
    """Mean of draws less outcome, in the quantity's own unit."""
    log_likelihood: float | None
    """Mean log likelihood in nats per transition; None for a surrogate that has none."""

    def to_record(self) -> dict[str, float | dict[str, float]]:
        """The scores as JSON takes them; a likelihood that does not exist is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def score(
    surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int = 64
) -> Scores:
    """Score the surrogate on transitions it has not seen, with `draws` samples for each."""
    drawn = _draw(surrogate, held_out, random, draws)
    scored = _Scored.of(surrogate.description)
    seen = scored.columns(held_out.next_state, held_out.outputs, held_out.duration)
    crps = crps_of_draws(drawn, seen)
    deviation = seen.std(axis=0)[scored.counted]
    # What never varied is measured in its own unit.
    spread = np.where(deviation > 1e-9, deviation, 1.0)
    pit = _pit(drawn, seen, random)
    states, counted = len(scored.states), scored.counted
    return Scores(
        crps_by_output=dict(zip(scored.names[states:], crps[states:].tolist(), strict=True)),
        crps_by_state=dict(zip(scored.names[:states], crps[:states].tolist(), strict=True)),
        standardised_crps=float((crps[counted] / spread).mean()),
        energy=_energy(drawn[:, :, counted] / spread, seen[:, counted] / spread),
        coverage={f"{level:.0%}"[:-1]: _coverage(pit[:, counted], level) for level in LEVELS},
        bias=dict(
            zip(scored.names, (drawn.mean(axis=1) - seen).mean(axis=0).tolist(), strict=True)
        ),
        log_likelihood=_log_likelihood(surrogate, held_out),
    )


def pit_values(
    surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int = 64
) -> dict[str, Float[np.ndarray, "row"]]:
    """Randomised probability integral transforms of each quantity, for histograms.

    Uniform on (0, 1) when the surrogate is right, for counts and any number of draws too.
    """
    drawn = _draw(surrogate, held_out, random, draws)
    scored = _Scored.of(surrogate.description)
    seen = scored.columns(held_out.next_state, held_out.outputs, held_out.duration)
    return dict(zip(scored.names, _pit(drawn, seen, random).T, strict=True))


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


def _draw(
    surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int
) -> Float[np.ndarray, "row draw quantity"]:
    if not len(held_out):
        raise InvalidDataset("no held-out transitions to score on")
    if draws < 2:
        raise InvalidDataset(f"{draws} draws per transition: at least 2 to tell a spread")
    epochs = surrogate.sample(
        np.repeat(held_out.state, draws, axis=0),
        np.repeat(held_out.decision, draws, axis=0),
        np.repeat(held_out.parameters, draws, axis=0),
        random,
    )
    scored = _Scored.of(surrogate.description)
    columns = scored.columns(epochs.state, epochs.outputs, epochs.duration)
    return columns.reshape(len(held_out), draws, len(scored.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scored:
    """Which numbers of an epoch are scored: components, then outputs, then durations."""

    states: tuple[int, ...]
    outputs: tuple[int, ...]
    has_durations: bool
    names: tuple[str, ...]
    counted: list[int]
    """Positions among the names of those that do not repeat another."""

    @classmethod
    def of(cls, description: Description) -> _Scored:
        ledger = ledger_of(description)
        sure = ledger.names - ledger.repeated
        states = tuple(i for i, name in enumerate(description.state_names) if name not in sure)
        outputs = tuple(i for i, name in enumerate(description.output_names) if name not in sure)
        has_durations = not ledger.knows_durations
        told = [description.output_names[i] for i in outputs] + [DURATION.name] * has_durations
        # A simulator of the user's may call a component and an output alike.
        components = [description.state_names[i] for i in states]
        names = (*(f"{name} (state)" if name in told else name for name in components), *told)
        return cls(
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


def _pit(
    drawn: Float[np.ndarray, "row draw quantity"],
    seen: Float[np.ndarray, "row quantity"],
    random: np.random.Generator,
) -> Float[np.ndarray, "row quantity"]:
    """The outcome's rank among the draws, ties and the place within the rank at random."""
    below = (drawn < seen[:, None]).sum(axis=1)
    tied = (drawn == seen[:, None]).sum(axis=1)
    rank = below + random.integers(tied + 1)
    return np.asarray((rank + random.random(rank.shape)) / (drawn.shape[1] + 1))


def _coverage(pit: Float[np.ndarray, "row quantity"], level: float) -> float:
    return float((np.abs(pit - 0.5) <= level / 2).mean())


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


def _log_likelihood(surrogate: Surrogate, held_out: Transitions) -> float | None:
    if not isinstance(surrogate, SupportsLikelihood):
        return None
    return float(surrogate.log_prob(held_out).mean())
