"""Sparse Gaussian processes, one for each free number of an epoch.

The free numbers of `Coordinates` are drawn in their order. Each has its own process, which sees
the features, its bounds and the free numbers settled before it, so that a surge of arrivals is
also one of abandonments. A process is a straight line plus a Matérn-5/2 deviation from it.

Its shape (length scales, output scale) is learnt stochastically with GPyTorch (Hensman et al.
2013). With the shape and a noise that depends on the inputs the posterior at the inducing points
has a closed form (Titsias 2009); it is kept as plain arrays, so that drawing needs no autograd.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

import gpytorch
import numpy as np
import torch
from jaxtyping import Bool, Float, Float32, Int
from scipy.linalg import solve_triangular
from scipy.optimize import minimize
from sklearn.cluster import MiniBatchKMeans
from sklearn.metrics import pairwise_distances_argmin

from sim.description import Description
from surrogates.baselines import refuse_unusable, settled_log_prob
from surrogates.coordinates import Coordinate, Coordinates
from surrogates.dataset import Transitions
from surrogates.errors import InvalidDataset, TamperedArtefact
from surrogates.features import features_of
from surrogates.given import GivenArrivals, names_of_arrivals
from surrogates.interface import Epochs
from surrogates.plain import learn_coordinates, restore_coordinates

_FARTHEST = 5.0
"""Standard deviations beyond which an input is seen as the edge of the data."""
_JITTER = 1e-3
"""Share of its variance added to each inducing point, so that single precision can draw."""
_RIDGE = 1.0
"""Prior precision of each slope of the lines of mean and of log noise variance."""
_WIDEST_NOISE = 20.0
"""Log variances further than this from their average are cut off while they are fitted."""
_CHUNK_ROWS = 16_384
"""Rows whose covariances with the inducing points are held at once."""
_SMALLEST_NOISE = 1e-3
"""Smallest noise deviation, as a share of the number's own deviation over the data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GaussianProcessSettings:
    """How the processes are fitted."""

    inducing: int = 128
    """Inducing points of each process; drawing costs their square, fitting a little more."""
    steps: int = 120
    """Stochastic steps for the shape of the kernels."""
    batch: int = 256
    """Rows a step looks at, for each process."""
    learning_rate: float = 0.1
    """Step size for the shape of the kernels (Adam)."""
    natural_rate: float = 0.2
    """Step size for the variational distribution (natural gradient)."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise InvalidDataset(f"{field.name} {getattr(self, field.name)}: above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scales:
    """Centre and spread of everything a process looks at, and of what it predicts."""

    feature: Float[np.ndarray, "2 feature"]
    coordinate: Float[np.ndarray, "2 coordinate"]
    bound: Float[np.ndarray, "2 coordinate side"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Processes:
    """The fitted processes: all that drawing needs, in standardised units."""

    slope: Float32[np.ndarray, "coordinate input"]
    intercept: Float32[np.ndarray, "coordinate"]
    length_scale: Float32[np.ndarray, "coordinate input"]
    output_scale: Float32[np.ndarray, "coordinate"]
    inducing: Float32[np.ndarray, "coordinate point input"]
    """Inducing points, already divided by the length scales."""
    readout: Float32[np.ndarray, "coordinate point point+1"]
    """First column: weights of the mean. Others: their squared sum is the variance explained."""
    noise_slope: Float32[np.ndarray, "coordinate input+1"]
    """Log noise variance, linear in the inputs and the predicted mean."""
    noise_intercept: Float32[np.ndarray, "coordinate"]
    noise_range: Float32[np.ndarray, "coordinate side"]
    """Log noise variance is kept within what the data showed."""

    def predict(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> tuple[Float32[np.ndarray, "batch"], Float32[np.ndarray, "batch"]]:
        """Mean and deviation of one free number, noise included."""
        kernel = _matern(
            inputs / self.length_scale[position],
            self.inducing[position],
            float(self.output_scale[position]),
        )
        read = kernel @ self.readout[position]
        mean = inputs @ self.slope[position] + self.intercept[position] + read[:, 0]
        explained = np.einsum("np,np->n", read[:, 1:], read[:, 1:])
        doubt = np.maximum(self.output_scale[position] - explained, 0.0)
        return mean, np.sqrt(doubt + self._noise(position, inputs, mean))

    def _noise(
        self,
        position: int,
        inputs: Float32[np.ndarray, "batch input"],
        mean: Float32[np.ndarray, "batch"],
    ) -> Float32[np.ndarray, "batch"]:
        slope = self.noise_slope[position]
        level = inputs @ slope[:-1] + mean * slope[-1] + self.noise_intercept[position]
        noise: Float32[np.ndarray, "batch"] = np.exp(np.clip(level, *self.noise_range[position]))
        return noise


def _matern(
    rows: Float[np.ndarray, "batch input"], points: Float[np.ndarray, "point input"], scale: float
) -> Float[np.ndarray, "batch point"]:
    """Matérn-5/2 covariance of inputs already divided by their length scales."""
    squared: Float[np.ndarray, "batch point"] = np.square(rows).sum(axis=1)[:, None] + np.square(
        points
    ).sum(axis=1)
    squared -= 2.0 * rows @ points.T
    squared *= 5.0
    np.maximum(squared, 0.0, out=squared)
    distance = np.sqrt(squared)
    squared /= 3.0
    squared += distance
    squared += 1.0
    np.negative(distance, out=distance)
    squared *= np.exp(distance, out=distance)
    squared *= scale
    return squared


class GaussianProcessSurrogate:
    """A Gaussian process for every free number of an epoch; see the module."""

    name = "gp"

    def __init__(self, coordinates: Coordinates, scales: _Scales, processes: _Processes) -> None:
        self.description, self.openings = coordinates.description, coordinates.openings
        self._coordinates = coordinates
        self._features = features_of(self.description)
        self._scales, self._processes = scales, processes

    def sample(
        self,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        """Draw one epoch for each row."""
        return self._sample(self._coordinates, states, decisions, parameters, random)

    @property
    def arrivals_from_outside(self) -> tuple[str, ...]:
        """Names of the outputs that count those who come, whatever is decided."""
        return names_of_arrivals(self._coordinates)

    def sample_given_arrivals(
        self, transitions: Transitions, random: np.random.Generator
    ) -> Epochs:
        """Draw one epoch for each transition, its arrivals from outside as they were seen."""
        t = transitions
        given = GivenArrivals(self._coordinates, t)
        return self._sample(given, t.state, t.decision, t.parameters, random)

    def _sample(
        self,
        coordinates: Coordinates,
        states: Float[np.ndarray, "batch state"],
        decisions: Float[np.ndarray, "batch lever"],
        parameters: Float[np.ndarray, "batch parameter"],
        random: np.random.Generator,
    ) -> Epochs:
        view = _View(
            coordinates.coordinates,
            self._scales,
            self._features.matrix(states, decisions, parameters),
        )

        def draw(
            position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
        ) -> Float[np.ndarray, "batch"]:
            mean, deviation = self._predict(position, view.inputs(position, low, high))
            latent = mean + deviation * random.standard_normal(len(mean))
            values = coordinates.coordinates[position].settle(latent, low, high)
            view.note(position, values)
            return values

        return coordinates.complete(states, decisions, parameters, draw)

    def log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        """Log likelihood of each transition, in nats."""
        rows = np.arange(len(transitions))
        parts = [rows[i : i + _CHUNK_ROWS] for i in range(0, len(rows), _CHUNK_ROWS)]
        return np.concatenate(
            [np.zeros(0), *(self._log_prob(transitions.take(part)) for part in parts)]
        )

    def _log_prob(self, transitions: Transitions) -> Float[np.ndarray, "batch"]:
        values, low, high = self._coordinates.encode(transitions)
        features = self._features.matrix(
            transitions.state, transitions.decision, transitions.parameters
        )
        view = _View(self._coordinates.coordinates, self._scales, features)
        total = np.zeros(len(transitions))
        for i, coordinate in enumerate(self._coordinates.coordinates):
            mean, deviation = self._predict(i, view.inputs(i, low[:, i], high[:, i]))
            total += settled_log_prob(
                coordinate, values[:, i], low[:, i], high[:, i], mean, deviation
            )
            view.note(i, values[:, i])
        return total

    def _predict(
        self, position: int, inputs: Float32[np.ndarray, "batch input"]
    ) -> tuple[Float[np.ndarray, "batch"], Float[np.ndarray, "batch"]]:
        """Mean and deviation on the modelling scale."""
        mean, deviation = self._processes.predict(position, inputs)
        centre, spread = self._scales.coordinate[:, position]
        return centre + spread * mean.astype(float), spread * deviation.astype(float)

    def to_tensors(self) -> dict[str, np.ndarray]:
        """Everything needed to stand in again."""
        own = {
            f"{group}.{field.name}": getattr(record, field.name)
            for group, record in (("scales", self._scales), ("processes", self._processes))
            for field in fields(record)
        }
        return {**own, **self._coordinates.to_tensors()}

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
        scales = _Scales(**{f.name: tensors[f"scales.{f.name}"] for f in fields(_Scales)})
        processes = _Processes(
            **{f.name: tensors[f"processes.{f.name}"] for f in fields(_Processes)}
        )
        return cls(coordinates, scales, processes)


class _View:
    """What the processes see of a batch: features, numbers settled so far, bounds of the next."""

    def __init__(
        self,
        coordinates: tuple[Coordinate, ...],
        scales: _Scales,
        features: Float[np.ndarray, "batch feature"],
    ) -> None:
        self._coordinates, self._scales = coordinates, scales
        self._first = features.shape[1]
        self._seen = np.zeros((len(features), self._first + len(coordinates) + 2), np.float32)
        self._seen[:, : self._first] = _standardise(features, scales.feature)

    def inputs(
        self, position: int, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
    ) -> Float32[np.ndarray, "batch input"]:
        """Inputs of one process; the same array each time, to be read at once."""
        sides = _scaled_bounds(self._coordinates[position], low, high)
        self._seen[:, -2:] = _standardise(sides, self._scales.bound[:, position])
        return self._seen

    def note(self, position: int, values: Float[np.ndarray, "batch"]) -> None:
        """Show a settled number to the processes that follow."""
        scaled = self._coordinates[position].scale(values)
        self._seen[:, self._first + position] = _standardise(
            scaled, self._scales.coordinate[:, position]
        )


def _standardise(
    values: Float[np.ndarray, "*shape"], scale: Float[np.ndarray, "2 *column"]
) -> Float[np.ndarray, "*shape"]:
    standard: Float[np.ndarray, "*shape"] = (values - scale[0]) / scale[1]
    return np.asarray(np.minimum(np.maximum(standard, -_FARTHEST), _FARTHEST))


def _scaled_bounds(
    coordinate: Coordinate, low: Float[np.ndarray, "batch"], high: Float[np.ndarray, "batch"]
) -> Float[np.ndarray, "batch 2"]:
    """Both bounds on the modelling scale; no bound reads as 0."""
    sides = np.column_stack([low, high])
    return coordinate.scale(np.where(np.isfinite(sides), sides, 0.0))


def _measure(
    values: Float[np.ndarray, "row *column"],
) -> Float[np.ndarray, "2 *column"]:
    spread = values.std(axis=0)
    return np.stack([values.mean(axis=0), np.where(spread > 1e-9, spread, 1.0)])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lessons:
    """The training data as the processes see it."""

    shared: Float32[np.ndarray, "row shared"]
    """Features, then all free numbers, standardised."""
    bounds: Float32[np.ndarray, "coordinate row side"]
    targets: Float32[np.ndarray, "coordinate row"]
    is_free: Bool[np.ndarray, "coordinate row"]
    """False where the bounds leave no choice: nothing to learn there."""

    def inputs(
        self, position: int, rows: Int[np.ndarray, "chosen"] | slice
    ) -> Float32[np.ndarray, "chosen input"]:
        """Inputs of one process, with the numbers settled after it hidden."""
        seen = np.concatenate([self.shared[rows], self.bounds[position, rows]], axis=1)
        first = self.shared.shape[1] - len(self.targets)
        seen[:, first + position : self.shared.shape[1]] = 0.0
        return seen


def fit_gaussian_process(
    transitions: Transitions,
    description: Description,
    settings: GaussianProcessSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None] | None = None,
) -> GaussianProcessSurrogate:
    """Fit a process to every free number; `on_progress` hears the share done."""
    refuse_unusable(transitions, description.name)
    progress = on_progress or _unheard
    free = learn_coordinates(description, transitions)
    scales, lessons = _prepare(transitions, free)
    lines = np.stack([_fit_line(lessons, i) for i in range(len(lessons.targets))])
    rows = _inducing_rows(lessons, settings.inducing, random)
    shapes = _learn_shapes(lessons, lines, rows, settings, random, progress)
    solved = [_solve(lessons, i, lines[i], rows, shape) for i, shape in enumerate(shapes)]
    progress(1.0)
    stacked = {name: np.stack([s[name] for s in solved]).astype(np.float32) for name in solved[0]}
    return GaussianProcessSurrogate(free, scales, _Processes(**stacked))


def _unheard(share: float) -> None:
    """What hears the progress when the caller does not."""


def _prepare(transitions: Transitions, free: Coordinates) -> tuple[_Scales, _Lessons]:
    coordinates = free.coordinates
    values, low, high = free.encode(transitions)
    features = features_of(free.description).matrix(
        transitions.state, transitions.decision, transitions.parameters
    )
    scaled = np.column_stack([c.scale(v) for c, v in zip(coordinates, values.T, strict=True)])
    sides = np.stack(
        [_scaled_bounds(c, low[:, i], high[:, i]) for i, c in enumerate(coordinates)], axis=1
    )
    scales = _Scales(feature=_measure(features), coordinate=_measure(scaled), bound=_measure(sides))
    numbers = _standardise(scaled, scales.coordinate)
    lessons = _Lessons(
        shared=np.column_stack([_standardise(features, scales.feature), numbers]).astype(
            np.float32
        ),
        bounds=_standardise(sides, scales.bound).swapaxes(0, 1).astype(np.float32),
        targets=((scaled - scales.coordinate[0]) / scales.coordinate[1]).T.astype(np.float32),
        is_free=(high > low).T,
    )
    return scales, lessons


def _fit_line(lessons: _Lessons, position: int) -> Float[np.ndarray, "weight"]:
    """Ridge regression over the rows where something was free: slopes, then the intercept."""
    free = _free_rows(lessons, position)
    inputs = lessons.inputs(position, free).astype(float)
    design = np.column_stack([inputs, np.ones(len(inputs))])
    penalty = np.full(design.shape[1], _RIDGE)
    penalty[-1] = 1e-6
    found: Float[np.ndarray, "weight"] = np.linalg.solve(
        design.T @ design + np.diag(penalty), design.T @ lessons.targets[position, free]
    )
    return found


def _free_rows(lessons: _Lessons, position: int) -> Int[np.ndarray, "chosen"]:
    """Rows to learn one number from; all of them when the bounds never left a choice."""
    free = np.flatnonzero(lessons.is_free[position])
    return free if len(free) else np.arange(lessons.targets.shape[1])


def _inducing_rows(
    lessons: _Lessons, count: int, random: np.random.Generator
) -> Int[np.ndarray, "point"]:
    """Rows nearest to the centres of k-means over everything the processes may see."""
    clusters = MiniBatchKMeans(
        n_clusters=min(count, len(lessons.shared)),
        n_init=1,
        random_state=int(random.integers(2**31)),
    ).fit(lessons.shared)
    rows: Int[np.ndarray, "point"] = np.unique(
        pairwise_distances_argmin(clusters.cluster_centers_, lessons.shared)
    )
    return rows


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shape:
    """Length scales, output scale and even noise variance of one process."""

    length_scale: Float[np.ndarray, "input"]
    output_scale: float
    noise: float


class _Variational(gpytorch.models.ApproximateGP):
    """The processes as a batch, while the shape of their kernels is learnt."""

    def __init__(self, inducing: torch.Tensor, rows: int) -> None:
        count, points, inputs = inducing.shape
        batch = torch.Size([count])
        distribution = gpytorch.variational.NaturalVariationalDistribution(
            points, batch_shape=batch, mean_init_std=0.0
        )
        super().__init__(
            gpytorch.variational.VariationalStrategy(
                self, inducing, distribution, learn_inducing_locations=False
            )
        )
        self.rows = rows
        self.mean_module = gpytorch.means.ZeroMean(batch_shape=batch)
        self.covar_module = gpytorch.kernels.ScaleKernel(
            gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=inputs, batch_shape=batch),
            batch_shape=batch,
        )
        # Rows lie about sqrt(2 x inputs) apart: shorter scales would begin with a diagonal kernel.
        self.covar_module.base_kernel.lengthscale = float(np.sqrt(inputs))
        self.likelihood = gpytorch.likelihoods.GaussianLikelihood(batch_shape=batch)

    def forward(self, inputs: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        """The prior at the inputs."""
        return gpytorch.distributions.MultivariateNormal(
            self.mean_module(inputs), self.covar_module(inputs)
        )

    def optimisers(self, settings: GaussianProcessSettings) -> tuple[torch.optim.Optimizer, ...]:
        """Natural gradient for the variational distributions, Adam for the shapes."""
        return (
            gpytorch.optim.NGD(
                self.variational_parameters(), num_data=self.rows, lr=settings.natural_rate
            ),
            torch.optim.Adam(self.hyperparameters(), lr=settings.learning_rate),
        )

    def loss(self, inputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """Negative evidence lower bound per row, summed over the processes."""
        bound = gpytorch.mlls.VariationalELBO(self.likelihood, self, num_data=self.rows)
        total: torch.Tensor = -bound(self(inputs), targets).sum()
        return total

    def shapes(self) -> list[_Shape]:
        """What was learnt, process by process."""
        kernel = self.covar_module
        lengths = kernel.base_kernel.lengthscale.detach().double().numpy()[:, 0]
        outputs = kernel.outputscale.detach().double().numpy()
        noises = self.likelihood.noise.detach().double().numpy()[:, 0]
        return [
            _Shape(length_scale=length, output_scale=float(output), noise=float(noise))
            for length, output, noise in zip(lengths, outputs, noises, strict=True)
        ]


def _learn_shapes(
    lessons: _Lessons,
    lines: Float[np.ndarray, "coordinate weight"],
    rows: Int[np.ndarray, "point"],
    settings: GaussianProcessSettings,
    random: np.random.Generator,
    on_progress: Callable[[float], None],
) -> list[_Shape]:
    """Climb the evidence lower bound of all processes at once, on small batches."""
    model = _Variational(_stack_inputs(lessons, [rows] * len(lines)), len(lessons.shared))
    optimisers = model.optimisers(settings)
    free = [_free_rows(lessons, i) for i in range(len(lines))]
    model.train()
    with gpytorch.settings.cholesky_jitter(float_value=1e-4):
        for step in range(settings.steps):
            chosen = [f[random.integers(len(f), size=settings.batch)] for f in free]
            loss = model.loss(*_deviations(lessons, lines, chosen))
            model.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            on_progress((step + 1) / (settings.steps + 1))
    return model.shapes()


def _deviations(
    lessons: _Lessons,
    lines: Float[np.ndarray, "coordinate weight"],
    rows: list[Int[np.ndarray, "chosen"]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of every process at its rows, and how far the targets lie off its line."""
    inputs = _stack_inputs(lessons, rows)
    targets = torch.from_numpy(np.stack([lessons.targets[i, r] for i, r in enumerate(rows)]))
    weights = torch.from_numpy(lines.astype(np.float32))
    straight = torch.einsum("cni,ci->cn", inputs, weights[:, :-1]) + weights[:, -1:]
    return inputs, targets - straight


def _stack_inputs(lessons: _Lessons, rows: list[Int[np.ndarray, "chosen"]]) -> torch.Tensor:
    return torch.from_numpy(np.stack([lessons.inputs(i, r) for i, r in enumerate(rows)]))


def _solve(
    lessons: _Lessons,
    position: int,
    line: Float[np.ndarray, "weight"],
    rows: Int[np.ndarray, "point"],
    shape: _Shape,
) -> dict[str, np.ndarray]:
    """The posterior of one process: with even noise first, then with the noise its misses show."""
    free = _free_rows(lessons, position)
    inputs = lessons.inputs(position, free).astype(float)
    points = lessons.inputs(position, rows).astype(float) / shape.length_scale
    kernel = _matern(inputs / shape.length_scale, points, shape.output_scale)
    prior = _matern(points, points, shape.output_scale)
    prior[np.diag_indices_from(prior)] *= 1.0 + _JITTER
    straight = inputs @ line[:-1] + line[-1]
    targets = lessons.targets[position, free].astype(float)

    def fit(noise: Float[np.ndarray, "row"]) -> tuple[np.ndarray, _Noise]:
        readout = _posterior(kernel, prior, targets - straight, noise)
        mean = straight + kernel @ readout[:, 0]
        return readout, _fit_noise(np.column_stack([inputs, mean]), targets - mean)

    _, first = fit(np.full(len(free), max(shape.noise, _SMALLEST_NOISE**2)))
    readout, noise = fit(first.fitted)
    return {
        "slope": line[:-1],
        "intercept": line[-1],
        "length_scale": shape.length_scale,
        "output_scale": np.array(shape.output_scale),
        "inducing": points,
        "readout": readout,
        "noise_slope": noise.line[:-1],
        "noise_intercept": noise.line[-1],
        "noise_range": noise.range,
    }


def _posterior(
    kernel: Float[np.ndarray, "row point"],
    prior: Float[np.ndarray, "point point"],
    residual: Float[np.ndarray, "row"],
    variance: Float[np.ndarray, "row"],
) -> Float[np.ndarray, "point point+1"]:
    """Weights of the mean, and factors whose squared sum is the variance the data explain.

    With prior = L L' and what the data say, in whitened coordinates, U diag(b) U', the explained
    variance is k' L^-T U diag(b / (1 + b)) U' L^-1 k (Titsias 2009, with noise by row).
    """
    root = np.linalg.cholesky(prior)
    weighted = kernel / variance[:, None]
    evidence = solve_triangular(
        root, solve_triangular(root, kernel.T @ weighted, lower=True).T, lower=True
    )
    strengths, axes = np.linalg.eigh((evidence + evidence.T) / 2)
    strengths = np.maximum(strengths, 0.0)
    outward = solve_triangular(root, axes, lower=True, trans="T")
    weights = outward @ ((outward.T @ (weighted.T @ residual)) / (1.0 + strengths))
    factors = outward * np.sqrt(strengths / (1.0 + strengths))
    return np.column_stack([weights, factors])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Noise:
    """Log noise variance as a line in the inputs and the predicted mean."""

    line: Float[np.ndarray, "weight"]
    range: Float[np.ndarray, "2"]
    """Least and greatest log variance it may give."""
    fitted: Float[np.ndarray, "row"]
    """Variances of the rows it was fitted on."""


def _fit_noise(seen: Float[np.ndarray, "row column"], misses: Float[np.ndarray, "row"]) -> _Noise:
    """Fit by maximum likelihood: squared normal misses are gamma distributed, with a log link."""
    squared = np.square(misses) + _SMALLEST_NOISE**2
    level = np.log(squared.mean())
    design = np.column_stack([seen, np.ones(len(seen))])

    def cost(line: Float[np.ndarray, "weight"]) -> tuple[float, Float[np.ndarray, "weight"]]:
        # Trial steps may go far: a log variance out of bounds must not overflow.
        log_ratio = np.clip(design @ line, -_WIDEST_NOISE, _WIDEST_NOISE)
        ratio = squared * np.exp(-log_ratio - level)
        slopes = np.append(line[:-1], 0.0)
        value = 0.5 * (log_ratio + ratio).sum() + 0.5 * _RIDGE * slopes @ slopes
        return float(value), 0.5 * design.T @ (1.0 - ratio) + _RIDGE * slopes

    found = minimize(
        cost, np.zeros(design.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 100}
    )
    line = np.append(found.x[:-1], found.x[-1] + level)
    fitted = design @ line
    ends = np.quantile(fitted, [0.005, 0.995])
    return _Noise(line=line, range=ends, fitted=np.exp(np.clip(fitted, *ends)))
