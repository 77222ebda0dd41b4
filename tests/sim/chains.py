"""Small Markov chains, solved exactly: truths for systems that have no formula of their own."""

from collections.abc import Callable, Iterable

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve

Moves = Callable[[tuple[int, ...]], Iterable[tuple[tuple[int, ...], float]]]
"""From a state the states that follow, each with its rate per minute."""


class Chain:
    """The stationary distribution over all states that can be reached from one."""

    def __init__(self, start: tuple[int, ...], moves: Moves) -> None:
        self.states = _reachable(start, moves)
        number = {state: i for i, state in enumerate(self.states)}
        last = len(self.states) - 1
        # One balance equation follows from the others; that probabilities sum to 1 replaces it.
        entries = [(last, i, 1.0) for i in range(last + 1)]
        for i, state in enumerate(self.states):
            for after, rate in moves(state):
                entries += [(number[after], i, rate)] if number[after] != last else []
                entries += [(i, i, -rate)] if i != last else []
        to, origin, rates = (np.array(column) for column in zip(*entries, strict=True))
        balance = coo_array((rates, (to, origin)), shape=(last + 1, last + 1)).tocsc()
        self.probabilities = spsolve(balance, np.eye(1, last + 1, last)[0])

    def mean(self, of: Callable[[tuple[int, ...]], float]) -> float:
        """The long-run mean of a function of the state."""
        return float(self.probabilities @ np.array([of(state) for state in self.states]))


def _reachable(start: tuple[int, ...], moves: Moves) -> list[tuple[int, ...]]:
    found: dict[tuple[int, ...], None] = {start: None}
    ahead = [start]
    while ahead:
        for after, rate in moves(ahead.pop()):
            if rate > 0 and after not in found:
                found[after] = None
                ahead.append(after)
    return list(found)
