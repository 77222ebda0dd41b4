"""Small Markov chains, solved exactly: what systems without a formula of their own do on average.

A chain is a start and the moves from each state with their rates per minute. Queues are cut where
they are hardly ever so long; see `parts` for the systems.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve

State = tuple[int, ...]
Moves = Callable[[State], Iterator[tuple[State, float]]]


def stationary_law(start: State, moves: Moves) -> dict[State, float]:
    """Share of time in every state that can be reached."""
    places, states = {start: 0}, [start]
    found: list[tuple[int, int, float]] = []
    for state in states:
        for target, rate in moves(state):
            if target not in places:
                places[target] = len(states)
                states.append(target)
            found.append((places[state], places[target], rate))
    origins, targets, rates = (np.array(column) for column in zip(*found, strict=True))
    leaving = np.bincount(origins, rates)
    flow = coo_array((rates, (targets, origins))).tocsc() - diags_array(leaving).tocsc()
    # The first state's share is set to 1 before all are scaled to sum to 1.
    others = spsolve(flow[1:, 1:].tocsc(), -flow[1:, [0]].toarray().ravel())
    shares = np.append(1.0, others)
    return dict(zip(states, (shares / shares.sum()).tolist(), strict=True))


def mean(law: dict[State, float], of: Callable[[State], float]) -> float:
    """Mean of a function of the state."""
    return sum(share * of(state) for state, share in law.items())


def shortest_queue(state: State) -> Iterator[tuple[State, float]]:
    """(first, second): customers join the shorter of two queues, the first of equal ones."""
    first, second = state
    if first <= second:
        if first < 60:
            yield (first + 1, second), 1.5
    else:
        yield (first, second + 1), 1.5
    if first:
        yield (first - 1, second), 1.0
    if second:
        yield (first, second - 1), 1.0


def blocked_tandem(state: State) -> Iterator[tuple[State, float]]:
    """(first, second, blocked): the second station has two places, and the first may be blocked."""
    first, second, blocked = state
    if first < 200:
        yield (first + 1, second, blocked), 0.5
    if first and not blocked:
        yield ((first - 1, second + 1, 0) if second < 2 else (first, second, 1)), 1.0
    if second:
        yield ((first - 1, second, 0) if blocked else (first, second - 1, 0)), 1.0


def retrials(state: State) -> Iterator[tuple[State, float]]:
    """(busy, away): who finds the server busy comes again after two minutes on average."""
    busy, away = state
    if busy:
        yield (0, away), 1.0
        if away < 150:
            yield (1, away + 1), 0.6
    else:
        yield (1, away), 0.6
        if away:
            yield (1, away - 1), 0.5 * away


NOBODY, GUEST, OWN = 0, 1, 2


def overflow(state: State) -> Iterator[tuple[State, float]]:
    """(first, second, busy, other): the other server helps the first class after its own."""
    first, second, busy, other = state
    if not busy:
        yield (first, second, 1, other), 1.0
    elif other == NOBODY:
        yield (first, second, 1, GUEST), 1.0
    elif first < 60:
        yield (first + 1, second, 1, other), 1.0
    if other == NOBODY:
        yield (first, second, busy, OWN), 0.5
    elif second < 60:
        yield (first, second + 1, busy, other), 0.5
    if busy:
        yield ((first - 1, second, 1, other) if first else (0, second, 0, other)), 1.0
    if other != NOBODY:
        yield _next_of_the_other(first, second, busy), 1.0


def _next_of_the_other(first: int, second: int, busy: int) -> State:
    if second:
        return first, second - 1, busy, OWN
    return (first - 1, 0, busy, GUEST) if first else (0, 0, busy, NOBODY)


def longest_queue(state: State) -> Iterator[tuple[State, float]]:
    """(first, second, busy): one server takes the longer queue next, the first of equal ones."""
    first, second, busy = state
    if not busy:
        yield (0, 0, 1), 0.8
        return
    if first < 60:
        yield (first + 1, second, 1), 0.5
    if second < 60:
        yield (first, second + 1, 1), 0.3
    if first == second == 0:
        yield (0, 0, 0), 1.0
    else:
        yield ((first - 1, second, 1) if first >= second else (first, second - 1, 1)), 1.0


UP, AWAY, FINISHING = 0, 1, 2


def finished_first(state: State) -> Iterator[tuple[State, float]]:
    """(present, mode): a server who fails finishes the customer in hand, as the repair goes on."""
    present, mode = state
    if present < 300:
        yield (present + 1, mode), 0.5
    if mode == UP:
        yield (present, FINISHING if present else AWAY), 0.05
        if present:
            yield (present - 1, UP), 1.0
    else:
        yield (present, UP), 0.2
        if mode == FINISHING:
            yield (present - 1, AWAY), 1.0


def balking(state: State) -> Iterator[tuple[State, float]]:
    """(present,): half of those who find two waiting, or more, turn away."""
    (present,) = state
    if present < 200:
        yield (present + 1,), 0.6 if present >= 3 else 1.2
    if present:
        yield (present - 1,), 1.0
