"""How well a surrogate foretells one epoch that it has not seen.

All scores are proper or randomised so that a finite number of draws and the discreteness of
counts bias none of them. What the decision and the calendar already fix (agents assigned, moves,
the day and the number of the epoch) is left out: nobody can miss it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import numpy as np
from jaxtyping import Float

from sim.description import Description
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import SupportsLikelihood, Surrogate

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
    """The same of each stock and tally."""
    standardised_crps: float
    """Mean over outputs and stocks of CRPS over the held-out standard deviation; 0 is perfect."""
    energy: float
    """Energy score of stocks and outputs together, each over its held-out standard deviation."""
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
    description = surrogate.description
    drawn = _draw(surrogate, held_out, random, draws)
    seen = _observed(held_out, description)
    names = _names(description)
    crps = crps_of_draws(drawn, seen)
    counted = _untallied(description)
    spread = np.maximum(seen.std(axis=0), 1e-9)[counted]
    pit = _pit(drawn, seen, random)
    outputs = set(description.output_names)
    by_name = dict(zip(names, crps.tolist(), strict=True))
    return Scores(
        crps_by_output={n: v for n, v in by_name.items() if n in outputs},
        crps_by_state={n: v for n, v in by_name.items() if n not in outputs},
        standardised_crps=float((crps[counted] / spread).mean()),
        energy=_energy(drawn[:, :, counted] / spread, seen[:, counted] / spread),
        coverage={f"{level:.0%}"[:-1]: _coverage(pit[:, counted], level) for level in LEVELS},
        bias=dict(zip(names, (drawn.mean(axis=1) - seen).mean(axis=0).tolist(), strict=True)),
        log_likelihood=_log_likelihood(surrogate, held_out),
    )


def pit_values(
    surrogate: Surrogate, held_out: Transitions, random: np.random.Generator, draws: int = 64
) -> dict[str, Float[np.ndarray, "row"]]:
    """Randomised probability integral transforms of each quantity, for histograms.

    Uniform on (0, 1) when the surrogate is right, for counts and any number of draws too.
    """
    drawn = _draw(surrogate, held_out, random, draws)
    pit = _pit(drawn, _observed(held_out, surrogate.description), random)
    return dict(zip(_names(surrogate.description), pit.T, strict=True))


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
    columns = _columns(epochs.state, epochs.outputs, surrogate.description)
    return columns.reshape(len(held_out), draws, -1)


def _observed(held_out: Transitions, description: Description) -> Float[np.ndarray, "row quantity"]:
    return _columns(held_out.next_state, held_out.outputs, description)


def _columns(
    states: Float[np.ndarray, "row state"],
    outputs: Float[np.ndarray, "row output"],
    description: Description,
) -> Float[np.ndarray, "row quantity"]:
    """Stocks, tallies, flows and measures but the moves."""
    return np.column_stack([states[:, : _counted_states(description)], outputs[:, :-1]])


def _names(description: Description) -> tuple[str, ...]:
    states = description.state_names[: _counted_states(description)]
    return (*states, *description.output_names[:-1])


def _counted_states(description: Description) -> int:
    return len(description.stocks) + len(description.tallies)


def _untallied(description: Description) -> list[int]:
    """Positions of all quantities but the tallies, which only repeat a flow."""
    tallies = {tally.name for tally in description.tallies}
    return [i for i, name in enumerate(_names(description)) if name not in tallies]


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
