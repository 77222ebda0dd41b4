"""One-epoch residuals of a system's parts: normal scores of what a surrogate foretold.

Any surrogate that can be sampled says, before an epoch, what may come of it. Where the outcome
falls among its draws (the randomised probability integral transform, see `surrogates.scores`) is
turned into a normal score, part by part. A change of one part moves others: slower service makes
queues longer, so more customers give up. Hence each part is judged given those that come before it
in cause and effect, by the linear regression that days in control show (regression adjustment,
Hawkins 1993); a part that follows from them is left out. What remains has mean 0, variance 1 and
no correlation between parts within an epoch, on days in control.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from scipy.linalg import solve_triangular
from scipy.special import ndtri

from sim.description import Description
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset
from surrogates.interface import Surrogate
from surrogates.scores import Foretold, Scorable
from training.drift.components import Component, components_of
from training.drift.standard import refuse_few_days
from training.likelihood import hidden_parameters, split_days

_DRAWS = 64
"""Of the surrogate for each epoch; a residual then lies within 2.7 standard deviations."""
_LEAST_OWN = 0.05
"""Share of a part's variance below which it follows from the earlier ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComponentResiduals:
    """Standardised one-epoch residuals of the parts of one system, about one reference."""

    surrogate: Surrogate
    reference: Float[np.ndarray, "parameter"]
    """Parameters believed true; those that telemetry shows are taken from the telemetry."""
    components: tuple[Component, ...]
    """The watched parts, in the order of every vector here."""
    centre: Float[np.ndarray, "component"]
    root: Float[np.ndarray, "component component"]
    """Lower triangular root of the covariance within an epoch."""
    seed: int
    """Of the draws; each day has draws of its own."""
    most_samples: int = 32
    """Samples of a day at most: longer days are pooled, epoch by neighbouring epoch."""

    @classmethod
    def learn(
        cls,
        surrogate: Surrogate,
        in_control: Transitions,
        reference: Float[np.ndarray, "parameter"],
        seed: int,
    ) -> ComponentResiduals:
        """Centre and covariance from days in control; parts that follow from others are left out.

        Raises InvalidDataset below 20 days, or where nothing of an epoch can be missed.
        """
        refuse_few_days(in_control)
        known = set(Scorable.of(surrogate.description).names)
        every = components_of(surrogate.description)
        found = [c for c in every if known.issuperset(c.columns + c.per)]
        if not found:
            raise InvalidDataset(f"nothing of {surrogate.description.name!r} can be foretold wrong")
        plain = cls(
            surrogate=surrogate,
            reference=np.asarray(reference, dtype=float),
            components=tuple(found),
            centre=np.zeros(len(found)),
            root=np.eye(len(found)),
            seed=seed,
        )
        scores = np.concatenate([plain.scores(day) for day in split_days(in_control)])
        covariance = np.atleast_2d(np.cov(scores.T))
        kept = _own(covariance)
        return replace(
            plain,
            components=tuple(found[i] for i in kept),
            centre=scores.mean(axis=0)[kept],
            root=np.linalg.cholesky(covariance[np.ix_(kept, kept)]),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """What verdicts call the parts."""
        return tuple(component.name for component in self.components)

    def at(self, reference: Float[np.ndarray, "parameter"]) -> ComponentResiduals:
        """About other parameters, everything else as it was."""
        return replace(self, reference=np.asarray(reference, dtype=float))

    def scores(self, day: Transitions) -> Float[np.ndarray, "epoch component"]:
        """Normal score of each part in each epoch of one day, neither centred nor adjusted."""
        random = self.random_of(day, "residuals")
        foretold = Foretold.by(self.surrogate, self.believed(day), random, _DRAWS)
        begun = day.state[:, list(Scorable.of(self.surrogate.description).states)]
        parts = [_part(component, foretold, begun) for component in self.components]
        drawn, seen = zip(*parts, strict=True)
        ranked = Foretold(
            names=self.names,
            states=0,
            counted=list(range(len(parts))),
            is_count=np.zeros(len(parts), dtype=bool),
            drawn=np.stack(drawn, axis=2),
            seen=np.stack(seen, axis=1),
        )
        scores: Float[np.ndarray, "epoch component"] = ndtri(ranked.pit(random))
        return scores

    def random_of(self, days: Transitions, purpose: str) -> np.random.Generator:
        """The same days are judged by the same draws whenever they are looked at."""
        return stream(self.seed, purpose, str(int(days.episode[0])))

    def believed(self, days: Transitions) -> Transitions:
        """The days with hidden parameters as the reference has them."""
        hidden = _positions(self.surrogate.description)
        parameters = days.parameters.astype(float)
        parameters[:, hidden] = self.reference[hidden]
        return replace(days, parameters=parameters)

    def samples(self, days: Transitions) -> list[Float[np.ndarray, "_ component"]]:
        """Adjusted residuals of each day, in the order in which the days begin."""
        return [self._adjusted(self.scores(day)) for day in split_days(days)]

    def _adjusted(
        self, scores: Float[np.ndarray, "epoch component"]
    ) -> Float[np.ndarray, "sample component"]:
        adjusted = solve_triangular(self.root, (scores - self.centre).T, lower=True).T
        parts = np.array_split(adjusted, min(len(adjusted), self.most_samples))
        return np.array([part.sum(axis=0) / np.sqrt(len(part)) for part in parts])

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate, as JSON takes it."""
        return {
            "reference": self.reference.tolist(),
            "names": list(self.names),
            "centre": self.centre.tolist(),
            "root": self.root.tolist(),
            "seed": self.seed,
            "most_samples": self.most_samples,
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], surrogate: Surrogate) -> ComponentResiduals:
        """Rebuild around the same surrogate. Raises InvalidDataset for one of another system."""
        known = {component.name: component for component in components_of(surrogate.description)}
        missing = [name for name in record["names"] if name not in known]
        if missing:
            raise InvalidDataset(
                f"{surrogate.description.name!r} has no part {missing[0]!r}: calibrate a new "
                "detector"
            )
        return cls(
            surrogate=surrogate,
            reference=np.array(record["reference"], dtype=float),
            components=tuple(known[name] for name in record["names"]),
            centre=np.array(record["centre"]),
            root=np.array(record["root"]),
            seed=int(record["seed"]),
            most_samples=int(record["most_samples"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RawQueues:
    """Numbers waiting at the end of each epoch as they are: what detectors are warned of.

    Queues depend on their past and on the time of day, so that they drift when nothing has changed.
    """

    description: Description

    @property
    def names(self) -> tuple[str, ...]:
        """What verdicts call the queues; every component where the description tells of none."""
        return tuple(f"queue: {self.description.state_names[i]}" for i in self._positions)

    @property
    def _positions(self) -> Int[np.ndarray, "queue"]:
        names = self.description.state_names
        queues = [i for i, name in enumerate(names) if name.endswith("_waiting")]
        return np.array(queues or list(range(len(names))))

    def samples(self, days: Transitions) -> list[Float[np.ndarray, "_ queue"]]:
        """Of each day, in the order in which the days begin."""
        return [day.next_state[:, self._positions] for day in split_days(days)]


def daily(samples: Sequence[Float[np.ndarray, "_ part"]]) -> Float[np.ndarray, "day part"]:
    """A value for each day: its samples' sum over the root of their number."""
    return np.array([day.sum(axis=0) / np.sqrt(len(day)) for day in samples])


def _part(
    component: Component, foretold: Foretold, begun: Float[np.ndarray, "epoch state"]
) -> tuple[Float[np.ndarray, "epoch draw"], Float[np.ndarray, "epoch"]]:
    """A part's value among the draws and as it was seen."""
    chosen = [foretold.names.index(name) for name in component.columns]
    drawn, seen = foretold.drawn[:, :, chosen].sum(axis=2), foretold.seen[:, chosen].sum(axis=1)
    if not component.per:
        return drawn, seen
    base_drawn, base_seen = np.zeros_like(drawn), np.zeros_like(seen)
    for name in component.per:
        column = foretold.names.index(name)
        if column < foretold.states:
            at_begin = begun[:, column]
            base_drawn += (foretold.drawn[:, :, column] + at_begin[:, None]) / 2
            base_seen += (foretold.seen[:, column] + at_begin) / 2
        else:
            base_drawn += foretold.drawn[:, :, column]
            base_seen += foretold.seen[:, column]
    # Below one customer or minute there is nothing of which a share could be told.
    return drawn / np.maximum(base_drawn, 1.0), seen / np.maximum(base_seen, 1.0)


def _own(covariance: Float[np.ndarray, "part part"]) -> list[int]:
    """Parts that do not follow from earlier ones."""
    kept: list[int] = []
    for part, row in enumerate(covariance):
        shared = row[kept]
        explained = shared @ np.linalg.solve(covariance[np.ix_(kept, kept)], shared) if kept else 0
        if row[part] - explained > _LEAST_OWN * row[part]:
            kept.append(part)
    return kept


def _positions(description: Description) -> list[int]:
    names = [parameter.name for parameter in description.parameters]
    return [names.index(name) for name in hidden_parameters(description)]
