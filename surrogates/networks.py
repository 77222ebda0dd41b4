"""Feed-forward networks in single precision, for draws without autograd."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float32

_CHUNK_ROWS = 1024
"""Rows that pass all layers together: their activations stay in the cache."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Products of a few thousand rows alone: a second thread is waited for longer than it helps.

    Where both share one core, as worker processes may, waiting is nearly all that they do.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Network:
    """Linear layers (weight, bias) with SiLU between them.

    Products are numpy's and the SiLU is torch's: each is the faster of the two on small networks.
    A column is a row of the batch, so that each layer's units lie side by side in memory.
    """

    def __init__(self, layers: Sequence[tuple[np.ndarray, np.ndarray]]) -> None:
        """Weights have a row an input and a column an output, biases a number an output."""
        self._layers = [
            (np.ascontiguousarray(weight.T), np.ascontiguousarray(bias[:, None]))
            for weight, bias in layers
        ]

    def __call__(
        self, inputs: Float32[np.ndarray, "input batch"]
    ) -> Float32[np.ndarray, "output batch"]:
        """What the last layer gives."""
        weight, bias = self._layers[-1]
        outputs = np.empty((len(weight), inputs.shape[1]), np.float32)
        for first in range(0, inputs.shape[1], _CHUNK_ROWS):
            part = slice(first, first + _CHUNK_ROWS)
            np.matmul(weight, self._hidden(inputs[:, part]), out=outputs[:, part])
        outputs += bias
        return outputs

    def _hidden(
        self, inputs: Float32[np.ndarray, "input part"]
    ) -> Float32[np.ndarray, "unit part"]:
        hidden = inputs
        for weight, bias in self._layers[:-1]:
            hidden = weight @ hidden
            hidden += bias
            torch.nn.functional.silu(torch.from_numpy(hidden), inplace=True)
        return hidden


def softplus(values: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """log(1 + exp(x)), without overflow and within 1e-7 of it."""
    tail: Float32[np.ndarray, "*shape"] = np.abs(values)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    tail += 1.0
    np.log(tail, out=tail)
    tail += np.maximum(values, 0.0)
    return tail
