"""Many episodes as steps of a journal, so that a kill costs a batch and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")
_LEAST, _MOST_BATCHES = 16, 50


def batch_size(count: int) -> int:
    """Episodes of a step."""
    return max(_LEAST, -(-count // _MOST_BATCHES))


def batched(items: Sequence[Item], name: str) -> Iterator[tuple[str, Sequence[Item]]]:
    """Steps and what each has to do."""
    size = batch_size(len(items))
    for number, start in enumerate(range(0, len(items), size)):
        yield f"{name}/{number:03d}", items[start : start + size]


def weights_of(count: int, name: str, weight: float = 1.0) -> dict[str, float]:
    """The same steps with their weights."""
    parts = list(batched(range(count), name))
    return {step: weight * len(part) / count for step, part in parts}
