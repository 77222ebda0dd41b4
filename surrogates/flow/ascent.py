"""Climbing a likelihood: one cycle of AdamW, of which the best pass on held-out rows is kept."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn

from surrogates.flow.settings import FlowSettings

_STEEPEST = 5.0


@runtime_checkable
class Likelihood(Protocol):
    """Rows of data that know how likely a network holds them."""

    def __len__(self) -> int:
        """How many rows."""
        ...

    def take(self, rows: Tensor) -> Likelihood:
        """The given rows, in their order."""
        ...

    def log_prob(self, network: nn.Module, rows: slice) -> Tensor:
        """Log likelihood of each of the rows, in nats."""
        ...


def unheard(share: float) -> None:
    """For those who do not watch."""


def climb(
    network: nn.Module,
    train: Likelihood,
    test: Likelihood,
    settings: FlowSettings,
    passes: int,
    random: np.random.Generator,
    on_progress: Callable[[float], None],
) -> dict[str, np.ndarray]:
    """The weights of the pass that did best on the test rows, the start being one."""
    batch = settings.batch(len(train))
    steps = math.ceil(len(train) / batch)
    optimiser = torch.optim.AdamW(_groups(network, settings.weight_decay(len(train))), lr=1.0)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=steps * passes, pct_start=0.15
    )
    best, best_value = _weights(network), _mean(test, network)
    for done in range(passes):
        # Shuffled as a whole: rows that lie side by side are read much faster than picked ones.
        shuffled = train.take(torch.from_numpy(random.permutation(len(train))))
        for first in range(0, len(train), batch):
            loss = -shuffled.log_prob(network, slice(first, first + batch)).mean()
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), _STEEPEST)
            optimiser.step()
            schedule.step()
        value = _mean(test, network)
        if value > best_value:
            best, best_value = _weights(network), value
        on_progress((done + 1) / passes)
    return best


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    """What starts from data stays where it is unless more data say otherwise.

    Those are the regressions, and biases, of which the spreads' come from what the regressions
    leave.
    """
    named = list(network.named_parameters())
    kept = [n for n, _ in named if n.startswith(("skip", "chain")) or n.endswith("bias")]
    return [
        {"params": [p for n, p in named if n not in kept], "weight_decay": decay},
        {"params": [p for n, p in named if n in kept], "weight_decay": 0.0},
    ]


def _mean(rows: Likelihood, network: nn.Module) -> float:
    with torch.inference_mode():
        return float(rows.log_prob(network, slice(None)).mean())


def _weights(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: value.detach().numpy().copy() for name, value in network.state_dict().items()}
