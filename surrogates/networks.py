"""Feed-forward networks in plain numpy and single precision, for draws without autograd."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

_LARGEST_EXPONENT = 80.0
_CHUNK_ROWS = 512
"""Rows that pass all layers together: their activations stay in the cache."""


def forward(
    layers: list[tuple[np.ndarray, np.ndarray]], inputs: Float32[np.ndarray, "batch input"]
) -> Float32[np.ndarray, "batch output"]:
    """Linear layers (weight, bias) with SiLU between them."""
    outputs = np.empty((len(inputs), layers[-1][0].shape[1]), np.float32)
    for first in range(0, len(inputs), _CHUNK_ROWS):
        hidden = inputs[first : first + _CHUNK_ROWS]
        for weight, bias in layers[:-1]:
            hidden = hidden @ weight
            hidden += bias
            _silu(hidden)
        np.matmul(hidden, layers[-1][0], out=outputs[first : first + _CHUNK_ROWS])
    outputs += layers[-1][1]
    return outputs


def _silu(values: Float32[np.ndarray, "batch output"]) -> None:
    """X / (1 + exp(-x)), in place."""
    below = np.negative(values)
    np.minimum(below, _LARGEST_EXPONENT, out=below)
    np.exp(below, out=below)
    below += 1.0
    values /= below


def softplus(values: Float32[np.ndarray, "*shape"]) -> Float32[np.ndarray, "*shape"]:
    """log(1 + exp(x)), without overflow."""
    tail: Float32[np.ndarray, "*shape"] = np.abs(values)
    np.negative(tail, out=tail)
    np.exp(tail, out=tail)
    np.log1p(tail, out=tail)
    tail += np.maximum(values, 0.0)
    return tail
