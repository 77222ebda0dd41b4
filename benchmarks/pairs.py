"""Timing two contestants side by side, so that what slows the machine slows both."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from threadpoolctl import threadpool_limits

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed(Generic[T]):
    """What a contestant answered, and how long it took."""

    answer: T
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair(Generic[T]):
    """One contestant and, right after it, the other under the same seed."""

    seed: int
    first: Timed[T]
    second: Timed[T]


def timed(contestant: Callable[[int], T], seed: int) -> Timed[T]:
    """Run a contestant once."""
    # The garbage of whoever ran before is not this one's cost.
    gc.collect()
    began = time.perf_counter()
    answer = contestant(seed)
    return Timed(answer=answer, seconds=time.perf_counter() - began)


def alternate(
    first: Callable[[int], T], second: Callable[[int], T], seeds: Sequence[int]
) -> Iterator[Pair[T]]:
    """Run both by turns, once per seed, after a run of each that is not counted."""
    timed(first, seeds[0])
    timed(second, seeds[0])
    for seed in seeds:
        yield Pair(seed=seed, first=timed(first, seed), second=timed(second, seed))


@contextmanager
def one_core() -> Iterator[None]:
    """This process on one core, the last it may use; where the system cannot do it, anywhere.

    Products take one thread: several on one core wait for each other longer than they work.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        with threadpool_limits(1):
            yield
    finally:
        os.sched_setaffinity(0, before)
