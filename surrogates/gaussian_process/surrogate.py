"""Gaussian processes, one for each free number of an epoch.

The free numbers of `Coordinates` are drawn in their order. Each has its own process, which sees
the features, its bounds and the free numbers settled before it, so that a surge of arrivals is
also one of abandonments. A process is a straight line plus a Matérn-5/2 deviation from it.

Its shape (length scales, output scale) is learnt first, of deviations from a ridge regression (see
`shapes`); the posterior then has slopes in doubt as well. With the shape and a noise
that depends on the inputs the posterior at the inducing points has a closed form; it is kept as
plain arrays. On few rows every row is an inducing point and inference is exact.
"""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cached_property

import numpy as np
from jaxtyping import Float, Float32, Int
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin

from sim.description import Description
from surrogates.coordinates import (
    Coordinates,
    learn_coordinates,
    relearn_coordinates,
    restore_coordinates,
)
from surrogates.dataset import Transitions, refuse_unusable
from surrogates.errors import TamperedArtefact
from surrogates.features import features_of
from surrogates.gaussian_process.functions import Functions, draw_functions
from surrogates.gaussian_process.kernel import Shape
from surrogates.gaussian_process.posterior import solve
from surrogates.gaussian_process.processes import Processes
from surrogates.gaussian_process.settings import GaussianProcessSettings
from surrogates.gaussian_process.shapes import learn_shapes, learn_shapes_exactly
from surrogates.gaussian_process.sketch import Abridged, Sketch, abridge
from surrogates.grouping import sample_grouped
from surrogates.interface import Epochs
from surrogates.lessons import Lessons, Scales, prepare
from surrogates.normals import draw_normals
from surrogates.progress import Progress, unheard
from surrogates.recorded import settings_from_tensors, settings_to_tensors
from surrogates.settled import settled_log_prob
from surrogates.stepwise import LikelyStepwiseSurrogate, Rows

_ABRIDGED = "draws."
"""Before the names of what draws need; releases that drew with all that is known have none."""
_ABRIDGING_ROWS = 1000
"""Rows at which the readouts for draws are chosen."""
_WARM_SHARE = 0.25
"""Share of a fit's steps that an update takes: it begins at the present shapes."""


class GaussianProcessSurrogate(LikelyStepwiseSurrogate):
    """A Gaussian process for every free number of an epoch; see the module."""

    name = "gp"

    def __init__(
        self,
        coordinates: Coordinates,
        scales: Scales,
        processes: Processes,
        settings: GaussianProcessSettings,
        abridged: Abridged | None = None,
    ) -> None:
        """`abridged` are the readouts for draws; where None they are chosen when first needed."""
        super().__init__(coordinates, scales)
        self.settings, self._processes, self._given = settings, processes, abridged

    def _draw(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        random: np.random.Generator,
    ) -> Float[np.ndarray, "batch"]:
        off, variance = self._sketches[position](inputs)
        mean = self._processes.straight(position, inputs) + off
        variance += self._processes.noise(position, inputs, mean)
        latent = mean + np.sqrt(variance) * draw_normals(mean.shape, random)
        return self.unscale(position, latent)

    @cached_property
    def _abridged(self) -> Abridged:
        if self._given is not None:
            return self._given
        count = len(self._processes.slope)
        return _stack_abridged([abridge(self._processes, i) for i in range(count)])

    @cached_property
    def _sketches(self) -> list[Sketch]:
        count = len(self._processes.slope)
        return [Sketch.of(self._processes, i, self._abridged[i]) for i in range(count)]

    def _settled_log_prob(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        values: Float[np.ndarray, "batch"],
        low: Float[np.ndarray, "batch"],
        high: Float[np.ndarray, "batch"],
    ) -> Float[np.ndarray, "batch"]:
        coordinate = self._coordinates.coordinates[position]
        return settled_log_prob(coordinate, values, low, high, *self._predict(position, inputs))

    def _predict(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> tuple[Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]]:
        """Mean and deviation on the modelling scale."""
        belief = self._processes.predict(position, inputs)
        centre, spread = self._scales.coordinate[:, position]
        deviation = np.sqrt(belief.doubt + belief.noise)
        return centre + spread * belief.mean.astype(float), spread * deviation.astype(float)

    def doubt(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
    ) -> Float[np.ndarray, "batch"]:
        """Epistemic deviation along the epoch of expected numbers, in spreads of the data."""
        total = np.zeros(len(states))

        def expect(
            position: int, inputs: Float32[np.ndarray, "batch input"], rows: Rows
        ) -> Float[np.ndarray, "batch"]:
            belief = self._processes.predict(position, inputs)
            total[rows] += belief.doubt
            return self.unscale(position, belief.mean)

        self.walk(states, decisions, parameters, expect, everywhere=True)
        return np.asarray(np.sqrt(total / len(self._coordinates.coordinates)))

    def draw_functions(self, count: int, random: np.random.Generator) -> ProcessDraws:
        """So many worlds: in each every process is one function, drawn as a whole."""
        functions = draw_functions(self._processes, count, random)
        return ProcessDraws(self, self._processes, functions)

    def update(
        self,
        transitions: Transitions,
        random: np.random.Generator,
        on_progress: Progress | None = None,
    ) -> GaussianProcessSurrogate:
        """Fit to all these transitions from the present shapes, in a quarter of the steps.

        Where these have other free numbers, such as one that is negative for the first time, the
        shapes are learnt anew.
        """
        refuse_unusable(transitions, self.description)
        free, d = relearn_coordinates(self._coordinates, transitions), self.description
        if free.coordinates != self._coordinates.coordinates:
            return fit_gaussian_process(transitions, d, self.settings, random, on_progress)
        scales, lessons = prepare(transitions, free)
        hurried = replace(self.settings, steps=max(1, round(_WARM_SHARE * self.settings.steps)))
        start = self._processes.shapes(self._scales, scales)
        processes = _learn(lessons, hurried, random, on_progress or unheard, start)
        abridged = _abridge(processes, lessons, random)
        return GaussianProcessSurrogate(free, scales, processes, self.settings, abridged)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        return {
            **self._scales.to_tensors(),
            **self._processes.to_tensors(),
            **{f"{_ABRIDGED}{f.name}": getattr(self._abridged, f.name) for f in fields(Abridged)},
            **settings_to_tensors(self.settings),
            **self._coordinates.to_tensors(),
        }

    @classmethod
    def from_tensors(
        cls, tensors: dict[str, np.ndarray], description: Description
    ) -> GaussianProcessSurrogate:
        """The surrogate that `to_tensors` was asked of.

        Raises TamperedArtefact for another system's arrays.
        """
        coordinates = restore_coordinates(description, tensors)
        free, seen = len(coordinates.coordinates), len(features_of(description).names)
        shape = tensors["processes.slope"].shape
        if shape != (free, seen + free + 2):
            raise TamperedArtefact(
                f"processes of shape {shape}, {description.name!r} needs "
                f"{(free, seen + free + 2)}: fit again for this system"
            )
        return cls(
            coordinates,
            Scales.from_tensors(tensors, description),
            Processes.from_tensors(tensors),
            settings_from_tensors(GaussianProcessSettings, tensors),
            _abridged_of(tensors),
        )


class ProcessDraws:
    """Worlds in which the processes are known functions; what remains random is chance."""

    def __init__(
        self, surrogate: GaussianProcessSurrogate, processes: Processes, functions: Functions
    ) -> None:
        self._surrogate, self._processes, self._functions = surrogate, processes, functions

    @property
    def count(self) -> int:
        """How many."""
        return int(self._functions.weight.shape[1])

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        which: Int[np.ndarray, "batch"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row, in the world with the row's number."""
        return sample_grouped(self._sample_in_order, states, decisions, parameters, which, random)

    def _sample_in_order(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        which: Int[np.ndarray, "batch"],
        random: np.random.Generator,
    ) -> Epochs:
        def draw(
            position: int, inputs: Float32[np.ndarray, "batch input"], rows: Rows
        ) -> Float[np.ndarray, "batch"]:
            off = self._functions.deviation(position, inputs, which[rows])
            mean = self._processes.straight(position, inputs) + off
            noise = np.sqrt(self._processes.noise(position, inputs, mean))
            latent = mean + noise * draw_normals(mean.shape, random)
            return self._surrogate.unscale(position, latent)

        return self._surrogate.walk(states, decisions, parameters, draw)


def fit_gaussian_process(
    transitions: Transitions,
    description: Description,
    settings: GaussianProcessSettings,
    random: np.random.Generator,
    on_progress: Progress | None = None,
) -> GaussianProcessSurrogate:
    """Fit a process to every free number; `on_progress` hears the share done."""
    refuse_unusable(transitions, description)
    free = learn_coordinates(description, transitions)
    scales, lessons = prepare(transitions, free)
    processes = _learn(lessons, settings, random, on_progress or unheard)
    abridged = _abridge(processes, lessons, random)
    return GaussianProcessSurrogate(free, scales, processes, settings, abridged)


def _learn(
    lessons: Lessons,
    settings: GaussianProcessSettings,
    random: np.random.Generator,
    on_progress: Progress,
    start: list[Shape] | None = None,
) -> Processes:
    """Shapes first, then the posterior of every process."""
    lines = lessons.lines()
    if len(lessons.shared) <= settings.exact_rows:
        rows = np.arange(len(lessons.shared))
        shapes = learn_shapes_exactly(lessons, lines, settings, on_progress, start)
    else:
        rows = _inducing_rows(lessons, settings.inducing, random)
        shapes = learn_shapes(lessons, lines, rows, settings, random, on_progress, start)
    solved = [solve(lessons, i, rows, shape) for i, shape in enumerate(shapes)]
    on_progress(1.0)
    return Processes(**{name: _stack([np.asarray(s[name]) for s in solved]) for name in solved[0]})


def _abridge(processes: Processes, lessons: Lessons, random: np.random.Generator) -> Abridged:
    """Readouts for draws, chosen at some of the rows that each process learnt from."""
    found = []
    for position in range(lessons.numbers):
        free = lessons.free_rows(position)
        rows = free[random.integers(len(free), size=_ABRIDGING_ROWS)]
        found.append(abridge(processes, position, lessons.inputs(position, rows)))
    return _stack_abridged(found)


def _stack_abridged(found: list[Abridged]) -> Abridged:
    return Abridged(
        **{f.name: _stack([getattr(each, f.name) for each in found]) for f in fields(Abridged)}
    )


def _abridged_of(tensors: dict[str, np.ndarray]) -> Abridged | None:
    """What an artefact keeps for draws; a release that took the line for known kept one array."""
    readout = tensors.get(f"{_ABRIDGED}readout")
    if readout is None:
        return None
    none = np.zeros((len(readout), 0, readout.shape[2]), np.float32)
    inputs = tensors["processes.slope"].shape[1]
    return Abridged(
        readout=readout,
        give=tensors.get(f"{_ABRIDGED}give", none),
        spread=tensors.get(
            f"{_ABRIDGED}spread", np.zeros((len(readout), 0, inputs + 1), np.float32)
        ),
    )


def _stack(arrays: list[np.ndarray]) -> np.ndarray:
    """Arrays of all processes, those with fewer factors filled up with zeros."""
    widest = np.max([array.shape for array in arrays], axis=0)
    stacked = np.zeros((len(arrays), *widest), np.float32)
    for number, array in enumerate(arrays):
        at: tuple[int | slice, ...] = (number, *(slice(n) for n in array.shape))
        stacked[at] = array
    return stacked


def _inducing_rows(
    lessons: Lessons, count: int, random: np.random.Generator
) -> Int[np.ndarray, "point"]:
    """Rows nearest to the centres of k-means over everything the processes may see."""
    clusters = MiniBatchKMeans(
        n_clusters=min(count, len(lessons.shared)),
        n_init=1,
        random_state=int(random.integers(2**31)),
    ).fit(lessons.shared)
    rows = np.unique(pairwise_distances_argmin(clusters.cluster_centers_, lessons.shared))
    return np.asarray(rows)
