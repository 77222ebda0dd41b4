"""Learning the shapes of all processes at once, by small batches or by exact evidence.

Both climb with GPyTorch: the evidence lower bound of a sparse variational process (Hensman et
al. 2013) on large data, the exact marginal likelihood on small.
"""

from __future__ import annotations

import gpytorch
import numpy as np
import torch
from jaxtyping import Float, Int

from surrogates.gaussian_process.kernel import Shape
from surrogates.gaussian_process.settings import GaussianProcessSettings
from surrogates.lessons import Lessons
from surrogates.progress import Progress

_JITTER = 1e-4


class _Kernel(gpytorch.kernels.ScaleKernel):
    """A batch of Matérn-5/2 kernels, one for each process."""

    def __init__(self, count: int, inputs: int) -> None:
        batch = torch.Size([count])
        super().__init__(
            gpytorch.kernels.MaternKernel(nu=2.5, ard_num_dims=inputs, batch_shape=batch),
            batch_shape=batch,
        )
        # Rows lie about sqrt(2 x inputs) apart: shorter scales would begin with a diagonal kernel.
        self.base_kernel.lengthscale = float(np.sqrt(inputs))

    def begin_at(self, shapes: list[Shape]) -> None:
        """Go on from known shapes."""
        lengths = np.stack([shape.length_scale for shape in shapes])[:, None]
        self.base_kernel.lengthscale = torch.from_numpy(lengths.astype(np.float32))
        self.outputscale = torch.tensor([shape.output_scale for shape in shapes])


def _begin(
    kernel: _Kernel, likelihood: gpytorch.likelihoods.GaussianLikelihood, start: list[Shape] | None
) -> None:
    if start is None:
        return
    kernel.begin_at(start)
    likelihood.noise = torch.tensor([[max(shape.noise, 2e-4)] for shape in start])


def _shapes(kernel: _Kernel, likelihood: gpytorch.likelihoods.GaussianLikelihood) -> list[Shape]:
    """What was learnt, process by process."""
    lengths = kernel.base_kernel.lengthscale.detach().double().numpy()[:, 0]
    outputs = kernel.outputscale.detach().double().numpy()
    noises = likelihood.noise.detach().double().numpy()[:, 0]
    return [
        Shape(length_scale=length, output_scale=float(output), noise=float(noise))
        for length, output, noise in zip(lengths, outputs, noises, strict=True)
    ]


class _Variational(gpytorch.models.ApproximateGP):
    """The processes as a batch, while the shape of their kernels is learnt."""

    def __init__(self, inducing: torch.Tensor, rows: int, start: list[Shape] | None) -> None:
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
        self.covar_module = _Kernel(count, inputs)
        self.likelihood = gpytorch.likelihoods.GaussianLikelihood(batch_shape=batch)
        _begin(self.covar_module, self.likelihood, start)

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


def learn_shapes(
    lessons: Lessons,
    lines: Float[np.ndarray, "coordinate weight"],
    rows: Int[np.ndarray, "point"],
    settings: GaussianProcessSettings,
    random: np.random.Generator,
    on_progress: Progress,
    start: list[Shape] | None = None,
) -> list[Shape]:
    """Climb the evidence lower bound of all processes at once, on small batches."""
    model = _Variational(_stack_inputs(lessons, [rows] * len(lines)), len(lessons.shared), start)
    optimisers = model.optimisers(settings)
    free = [lessons.free_rows(i) for i in range(len(lines))]
    model.train()
    with gpytorch.settings.cholesky_jitter(float_value=_JITTER):
        for step in range(settings.steps):
            chosen = [f[random.integers(len(f), size=settings.batch)] for f in free]
            loss = model.loss(*_deviations(lessons, lines, chosen))
            model.zero_grad()
            loss.backward()
            for optimiser in optimisers:
                optimiser.step()
            on_progress((step + 1) / (settings.steps + 1))
    return _shapes(model.covar_module, model.likelihood)


class _Exact(gpytorch.models.ExactGP):
    """One process with every row it may learn from."""

    def __init__(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        likelihood: gpytorch.likelihoods.GaussianLikelihood,
    ) -> None:
        super().__init__(inputs, targets, likelihood)
        self.mean_module = gpytorch.means.ZeroMean(batch_shape=torch.Size([1]))
        self.covar_module = _Kernel(1, inputs.shape[-1])

    def forward(self, inputs: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        """The prior at the inputs."""
        return gpytorch.distributions.MultivariateNormal(
            self.mean_module(inputs), self.covar_module(inputs)
        )


def learn_shapes_exactly(
    lessons: Lessons,
    lines: Float[np.ndarray, "coordinate weight"],
    settings: GaussianProcessSettings,
    on_progress: Progress,
    start: list[Shape] | None = None,
) -> list[Shape]:
    """Climb the marginal likelihood of each process on all its rows."""
    found = []
    for position in range(len(lines)):
        known = None if start is None else start[position : position + 1]
        found.append(_learn_one_exactly(lessons, lines, position, settings, known))
        on_progress((position + 1) / (len(lines) + 1))
    return found


def _learn_one_exactly(
    lessons: Lessons,
    lines: Float[np.ndarray, "coordinate weight"],
    position: int,
    settings: GaussianProcessSettings,
    start: list[Shape] | None,
) -> Shape:
    free = lessons.free_rows(position)
    inputs = torch.from_numpy(lessons.inputs(position, free))[None]
    line = torch.from_numpy(lines[position].astype(np.float32))
    targets = torch.from_numpy(lessons.targets[position, free])[None]
    targets = targets - inputs @ line[:-1] - line[-1]
    likelihood = gpytorch.likelihoods.GaussianLikelihood(batch_shape=torch.Size([1]))
    model = _Exact(inputs, targets, likelihood)
    _begin(model.covar_module, likelihood, start)
    evidence = gpytorch.mlls.ExactMarginalLogLikelihood(likelihood, model)
    optimiser = torch.optim.Adam(model.parameters(), lr=settings.learning_rate)
    model.train()
    with (
        gpytorch.settings.cholesky_jitter(float_value=_JITTER),
        gpytorch.settings.fast_computations(
            covar_root_decomposition=False, log_prob=False, solves=False
        ),
    ):
        for _ in range(settings.steps):
            loss = -evidence(model(inputs), targets).sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    return _shapes(model.covar_module, likelihood)[0]


def _deviations(
    lessons: Lessons,
    lines: Float[np.ndarray, "coordinate weight"],
    rows: list[Int[np.ndarray, "chosen"]],
) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of every process at its rows, and how far the targets lie off its line."""
    inputs = _stack_inputs(lessons, rows)
    targets = torch.from_numpy(np.stack([lessons.targets[i, r] for i, r in enumerate(rows)]))
    weights = torch.from_numpy(lines.astype(np.float32))
    straight = torch.einsum("cni,ci->cn", inputs, weights[:, :-1]) + weights[:, -1:]
    return inputs, targets - straight


def _stack_inputs(lessons: Lessons, rows: list[Int[np.ndarray, "chosen"]]) -> torch.Tensor:
    return torch.from_numpy(np.stack([lessons.inputs(i, r) for i, r in enumerate(rows)]))
