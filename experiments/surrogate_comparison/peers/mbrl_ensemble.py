"""The probabilistic ensemble of mbrl-lib with the settings of its MBPO examples, written anew.

The library itself (0.2.0) pins a release of gym that cannot be installed beside Gymnasium. From
its sources: seven networks of four layers of 200 SiLU units, log variances softly kept between
-10 and .5, truncated normal weights, Gaussian likelihood, Adam at 1e-3 with a decay of 1e-5,
batches of 256 drawn for each network from a bootstrap, a fifth held out, patience of five passes
for a gain of 1% by any network, five elites by held-out squared error, one of them for each draw;
the state is learnt by its changes. Other than there, targets are standardised: its limits of the
variance are meant for numbers near 1.
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from experiments.surrogate_comparison.peers.framing import Framing, PeerSurrogate
from sim.description import Description
from surrogates.dataset import Transitions

_LOG_VARIANCE = (-10.0, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class MbrlSettings:
    """The settings of mbrl-lib's examples."""

    networks: int = 7
    elites: int = 5
    layers: int = 4
    hidden: int = 200
    learning_rate: float = 1e-3
    weight_decay: float = 1e-5
    batch_size: int = 256
    held_out: float = 0.2
    patience: int = 5
    improvement: float = 0.01
    """Relative gain in held-out error that counts as one."""


class _Layer(nn.Module):
    """A linear layer of every network."""

    def __init__(self, networks: int, inputs: int, outputs: int, random: torch.Generator) -> None:
        super().__init__()
        deviation = 1.0 / (2.0 * math.sqrt(inputs))
        weight = torch.empty(networks, inputs, outputs)
        nn.init.trunc_normal_(
            weight, std=deviation, a=-2 * deviation, b=2 * deviation, generator=random
        )
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.zeros(networks, 1, outputs))

    def forward(self, inputs: Tensor) -> Tensor:
        """Each network's outputs from its own inputs."""
        return torch.baddbmm(self.bias, inputs, self.weight)


class Ensemble(nn.Module):
    """All networks side by side: [network, batch, input] to means and log variances."""

    def __init__(
        self, inputs: int, targets: int, settings: MbrlSettings, random: torch.Generator
    ) -> None:
        super().__init__()
        widths = [inputs, *[settings.hidden] * settings.layers]
        body: list[nn.Module] = []
        for before, after in pairwise(widths):
            body += [_Layer(settings.networks, before, after, random), nn.SiLU()]
        self.body = nn.Sequential(*body)
        self.head = _Layer(settings.networks, settings.hidden, 2 * targets, random)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Means and log variances."""
        mean, raw = self.head(self.body(inputs)).chunk(2, dim=-1)
        least, most = _LOG_VARIANCE
        capped = most - nn.functional.softplus(most - raw)
        return mean, least + nn.functional.softplus(capped - least)

    def take(self, chosen: list[int]) -> Ensemble:
        """The chosen networks alone."""
        taken = copy.deepcopy(self)
        for parameter in taken.parameters():
            parameter.data = parameter.data[chosen]
        return taken


class Elites:
    """The networks that draw."""

    def __init__(self, ensemble: Ensemble) -> None:
        self._ensemble = ensemble
        self._count = len(ensemble.head.weight)

    def draw(
        self, inputs: Float[np.ndarray, "batch input"], random: np.random.Generator
    ) -> Float[np.ndarray, "batch target"]:
        """One draw of every target for each row, by a network at random; equal shares of rows."""
        share = -(-len(inputs) // self._count)
        dealt = random.permutation(np.resize(np.arange(len(inputs)), share * self._count))
        asked = torch.from_numpy(inputs[dealt].astype(np.float32))
        with torch.inference_mode():
            mean, log_variance = self._ensemble(asked.reshape(self._count, share, -1))
        flat = mean.reshape(len(dealt), -1).numpy(), log_variance.reshape(len(dealt), -1).numpy()
        noise = random.standard_normal(flat[0].shape, dtype=np.float32)
        drawn = np.empty((len(inputs), flat[0].shape[1]))
        drawn[dealt] = flat[0] + np.exp(0.5 * flat[1]) * noise
        return drawn


def fit_mbrl(
    transitions: Transitions,
    description: Description,
    settings: MbrlSettings,
    random: np.random.Generator,
) -> PeerSurrogate:
    """Train until no network has gained for a while; the best weights of all count."""
    framing = Framing(transitions, description, learns_changes=True)
    inputs = torch.from_numpy(framing.inputs.astype(np.float32))
    targets = torch.from_numpy(framing.targets.astype(np.float32))
    order = random.permutation(len(inputs))
    held = max(1, round(settings.held_out * len(inputs)))
    initial = torch.Generator().manual_seed(int(random.integers(2**31)))
    ensemble = Ensemble(inputs.shape[1], targets.shape[1], settings, initial)
    chosen = order[held:][
        random.integers(len(inputs) - held, size=(settings.networks, len(inputs) - held))
    ]
    test = inputs[order[:held]], targets[order[:held]]
    elites = _train(ensemble, inputs, targets, chosen, test, settings, random)
    return PeerSurrogate("mbrl", framing, Elites(elites))


def _train(
    ensemble: Ensemble,
    inputs: Tensor,
    targets: Tensor,
    chosen: Int[np.ndarray, "network row"],
    test: tuple[Tensor, Tensor],
    settings: MbrlSettings,
    random: np.random.Generator,
) -> Ensemble:
    optimiser = torch.optim.Adam(
        ensemble.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    best, kept, waited = _errors(ensemble, *test), copy.deepcopy(ensemble), 0
    while waited < settings.patience:
        shuffled = torch.from_numpy(random.permuted(chosen, axis=1))
        for rows in shuffled.split(settings.batch_size, dim=1):
            loss = _loss(ensemble, inputs[rows], targets[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        errors = _errors(ensemble, *test)
        waited += 1
        if bool(((best - errors) / best > settings.improvement).any()):
            best, kept, waited = torch.minimum(best, errors), copy.deepcopy(ensemble), 0
    return kept.take(best.argsort()[: settings.elites].tolist())


def _loss(ensemble: Ensemble, inputs: Tensor, targets: Tensor) -> Tensor:
    mean, log_variance = ensemble(inputs)
    missed = (mean - targets) ** 2 * torch.exp(-log_variance) + log_variance
    total: Tensor = missed.mean(dim=(1, 2)).sum()
    return total


def _errors(ensemble: Ensemble, inputs: Tensor, targets: Tensor) -> Tensor:
    """Held-out mean squared error of each network."""
    count = len(ensemble.head.weight)
    with torch.inference_mode():
        mean, _ = ensemble(inputs.expand(count, *inputs.shape))
    errors: Tensor = ((mean - targets) ** 2).mean(dim=(1, 2)).clone()
    return errors
