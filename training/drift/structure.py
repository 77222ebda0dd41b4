"""Is it a parameter that changed, or the system itself? What no parameter in the box explains.

After an alarm the parameters are estimated anew. Where one of them has changed, the days look usual
again at the estimate. Where a rule, a route or a class is new they do not: some part's residuals
stay away from 0, or the days stay less likely than days of such a system are. How far away is too
far is set by simulation: days at parameters all over the box, each time with the parameters
estimated from these days, go through the same computation. So the misfit of the surrogate away from
the reference, and what an estimate takes off the residuals, count as usual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from surrogates.dataset import Transitions, concatenate
from surrogates.design import latin_hypercube, within_box
from surrogates.errors import InvalidDataset
from training.calibrate import Calibration, SimulateDays, calibrate_parameters
from training.drift.residuals import ComponentResiduals, daily
from training.drift.verdict import arrays_to_record
from training.likelihood import DayLikelihood, InControl, split_days

LIKELIHOOD = "likelihood"
"""The name of how likely the days are, beside the names of the parts."""
_DRAWS = 16
"""Imagined outcomes of each epoch, to know how likely days of such a system are."""
_LEAST_WIDTH = 0.5
"""Of a statistic in standard deviations, which is 1 where the surrogate is right."""
_FEWEST_POINTS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What is behind an alarm."""

    kind: Literal["parameters", "structure"]
    """Whether parameters inside the box explain the days."""
    calibration: Calibration
    """The parameters that explain them best."""
    statistic: float
    """How unusual the days remain, by the most unusual of all that is looked at."""
    threshold: float
    """What `statistic` exceeds on the wanted share of days that parameters do explain."""
    unexplained: tuple[str, ...]
    """Parts over the threshold, and the likelihood, the clearest first."""

    @property
    def is_structure(self) -> bool:
        """Whether more than parameters have changed."""
        return self.kind == "structure"


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureTest:
    """Tells changes of parameters from changes of structure; calibrated."""

    likelihood: DayLikelihood
    control: InControl
    source: ComponentResiduals
    spans: tuple[int, ...]
    """Numbers of days for which it is calibrated, rising."""
    centre: Float[np.ndarray, "span statistic"]
    width: Float[np.ndarray, "span statistic"]
    threshold: Float[np.ndarray, "span"]

    @property
    def names(self) -> tuple[str, ...]:
        """What is looked at."""
        return (LIKELIHOOD, *self.source.names)

    def explain(self, days: Transitions) -> Explanation:
        """Look at the last of the days since a change, as many as it is calibrated for."""
        each = split_days(days)
        span = max((i for i, s in enumerate(self.spans) if s <= len(each)), default=0)
        last = concatenate(each[-self.spans[span] :])
        calibration = calibrate_parameters(self.likelihood, last, self.control)
        found = _statistics(self.likelihood, self.source, last, calibration)
        unusual = np.abs(found - self.centre[span]) / self.width[span]
        threshold = float(self.threshold[span])
        order = np.argsort(-unusual, kind="stable")
        return Explanation(
            kind="structure" if unusual.max() > threshold else "parameters",
            calibration=calibration,
            statistic=float(unusual.max()),
            threshold=threshold,
            unexplained=tuple(self.names[i] for i in order if unusual[i] > threshold),
        )

    def to_record(self) -> dict[str, Any]:
        """Everything but the surrogate, as JSON takes it."""
        return {
            **arrays_to_record(self),
            "spans": list(self.spans),
            "reference": self.likelihood.reference.tolist(),
            "control": self.control.to_record(),
            "source": self.source.to_record(),
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], likelihood: DayLikelihood) -> StructureTest:
        """Rebuild around the same surrogate; refuses a likelihood about another reference."""
        if record["reference"] != likelihood.reference.tolist():
            raise InvalidDataset(
                f"a test about {record['reference']} cannot judge at "
                f"{likelihood.reference.tolist()}: calibrate a new one"
            )
        return cls(
            likelihood=likelihood,
            control=InControl.from_record(record["control"]),
            source=ComponentResiduals.from_record(record["source"], likelihood.surrogate),
            spans=tuple(record["spans"]),
            **{name: np.array(record[name]) for name in ("centre", "width", "threshold")},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class StructureSettings:
    """How a structure test is calibrated."""

    level: float = 0.05
    """Share of changes of parameters alone that are taken for changes of structure."""
    points: int = 60
    """Places in the box of hidden parameters that are simulated."""
    spans: tuple[int, ...] = (1, 3)
    """Numbers of days to judge from, rising; the last are simulated at each place."""

    def __post_init__(self) -> None:
        rising = self.spans and all(a < b for a, b in pairwise((0, *self.spans)))
        if not 0 < self.level < 1 or self.points < _FEWEST_POINTS or not rising:
            raise ValueError(
                f"{self}: a level between 0 and 1, {_FEWEST_POINTS} points or more and spans that "
                "rise from 1"
            )


def calibrate_structure_test(
    likelihood: DayLikelihood,
    control: InControl,
    source: ComponentResiduals,
    simulate: SimulateDays,
    settings: StructureSettings,
    random: np.random.Generator,
) -> StructureTest:
    """Simulate days all over the box and see what estimated parameters leave unexplained.

    `simulate` gives at least as many days as the longest span, under the policy in charge.
    """
    places = _places(likelihood, settings.points, random)
    days = [split_days(simulate(place)) for place in places]
    centres, widths, thresholds = [], [], []
    for span in settings.spans:
        found = np.array(
            [_explained(likelihood, control, source, concatenate(d[:span])) for d in days]
        )
        centre, width = found.mean(axis=0), np.maximum(found.std(axis=0, ddof=1), _LEAST_WIDTH)
        unusual = (np.abs(found - centre) / width).max(axis=1)
        centres.append(centre)
        widths.append(width)
        thresholds.append(float(np.quantile(unusual, 1.0 - settings.level, method="higher")))
    return StructureTest(
        likelihood=likelihood,
        control=control,
        source=source,
        spans=settings.spans,
        centre=np.array(centres),
        width=np.array(widths),
        threshold=np.array(thresholds),
    )


def _places(
    likelihood: DayLikelihood, count: int, random: np.random.Generator
) -> Sequence[Float[np.ndarray, "parameter"]]:
    """A Latin hypercube over the hidden parameters; what telemetry shows is as believed."""
    description = likelihood.surrogate.description
    spread = within_box(description, latin_hypercube(len(description.parameters), count, random))
    places = np.tile(likelihood.reference, (count, 1))
    places[:, likelihood.positions] = spread[:, likelihood.positions]
    return list(places)


def _explained(
    likelihood: DayLikelihood, control: InControl, source: ComponentResiduals, days: Transitions
) -> Float[np.ndarray, "statistic"]:
    return _statistics(likelihood, source, days, calibrate_parameters(likelihood, days, control))


def _statistics(
    likelihood: DayLikelihood,
    source: ComponentResiduals,
    days: Transitions,
    calibration: Calibration,
) -> Float[np.ndarray, "statistic"]:
    """At the estimate: how much less likely than usual the days are, and each part's residual."""
    there = source.at(np.array(calibration.parameters))
    residuals = daily([np.concatenate(there.samples(days))])[0]
    return np.concatenate([[_surprise(likelihood, there, days)], residuals])


def _surprise(likelihood: DayLikelihood, there: ComponentResiduals, days: Transitions) -> float:
    """Expected less observed log likelihood, in its standard deviations.

    The expectation is over outcomes that the surrogate draws for the same epochs.
    """
    surrogate, seen = likelihood.surrogate, there.believed(days)
    copies = seen.take(np.repeat(np.arange(len(seen)), _DRAWS))
    imagined = surrogate.sample(
        copies.state, copies.decision, copies.parameters, there.random_of(days, "surprise")
    )
    usual = surrogate.log_prob(
        replace(
            copies,
            next_state=imagined.state,
            outputs=imagined.outputs,
            duration=imagined.duration,
        )
    ).reshape(len(seen), _DRAWS)
    spread = np.sqrt(usual.var(axis=1, ddof=1).sum())
    return float((usual.mean(axis=1).sum() - surrogate.log_prob(seen).sum()) / spread)
