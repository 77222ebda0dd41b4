"""Whole episodes of either world, in one form: states, totals so far, and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sim.epoch import Epoch
from sim.simulator import Simulator
from surrogates.collect import BuildSimulator
from surrogates.dataset import Transitions, concatenate
from surrogates.fidelity.policies import Decider, decide_each
from surrogates.interface import Surrogate
from surrogates.pilot import seated

Cost = Callable[
    [
        Float[np.ndarray, "batch output"],
        Float[np.ndarray, "batch state"],
        Bool[np.ndarray, "batch"],
    ],
    Float[np.ndarray, "batch"],
]
"""Money lost in epochs with these outputs, that end in these states, the last of the episode."""
_CHUNK = 8
"""Episodes a process runs before it is asked again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Episodes to run: under which parameters, by which of the policies, from which seeds."""

    parameters: Float[np.ndarray, "episode parameter"]
    which: Int[np.ndarray, "episode"]
    """Number of the policy that decides."""
    seeds: Int[np.ndarray, "episode"]
    """Of the simulator; a surrogate has no use for them."""

    def __len__(self) -> int:
        return len(self.seeds)

    def take(self, rows: Int[np.ndarray, "chosen"]) -> Asked:
        """The chosen episodes."""
        return Asked(
            parameters=self.parameters[rows], which=self.which[rows], seeds=self.seeds[rows]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Episodes:
    """Episodes in the order they were asked for. One that is over stays as it ended."""

    states: Float[np.ndarray, "episode horizon state"]
    """At the end of each of the horizons."""
    totals: Float[np.ndarray, "episode horizon output"]
    """Outputs summed from the opening to each of the horizons."""
    costs: Float[np.ndarray, "episode"]
    """Of whole episodes."""


def simulate(
    build: BuildSimulator,
    policies: Sequence[Decider],
    asked: Asked,
    longest: int,
    executor: Executor,
    on_progress: Callable[[int], None] | None = None,
) -> Transitions:
    """Run the true simulator, at most so many epochs of each episode; episode i has number i.

    The result does not depend on the number of workers. `on_progress` hears how many episodes more
    are done.
    """
    rows = [np.arange(i, min(i + _CHUNK, len(asked))) for i in range(0, len(asked), _CHUNK)]
    jobs = [
        executor.submit(_simulate, build, tuple(policies), asked.take(part), part, longest)
        for part in rows
    ]
    parts = []
    for part, job in zip(rows, jobs, strict=True):
        parts.append(job.result())
        if on_progress is not None:
            on_progress(len(part))
    return concatenate(parts)


def _simulate(
    build: BuildSimulator,
    policies: tuple[Decider, ...],
    asked: Asked,
    numbers: Int[np.ndarray, "episode"],
    longest: int,
) -> Transitions:
    simulator = build()
    return concatenate(
        [
            _run(simulator, policies[asked.which[i]], asked.parameters[i], seed, number, longest)
            for i, (seed, number) in enumerate(
                zip(asked.seeds.tolist(), numbers.tolist(), strict=True)
            )
        ]
    )


def _run(
    simulator: Simulator,
    policy: Decider,
    parameters: Float[np.ndarray, "parameter"],
    seed: int,
    number: int,
    longest: int,
) -> Transitions:
    description = simulator.describe()
    state, seat = simulator.reset(seed, description.parameter_values(parameters)), seated(policy, 1)
    states, chosen, epochs = [], [], list[Epoch]()
    while not epochs or not (epochs[-1].is_last or len(epochs) == longest):
        (decision,) = description.levels_of(seat.decide(state[None, :]))
        states.append(state)
        chosen.append(decision)
        epochs.append(simulator.advance(decision))
        state = epochs[-1].state
    return Transitions(
        state=np.array(states),
        decision=np.array(chosen),
        parameters=np.tile(parameters, (len(epochs), 1)),
        next_state=np.array([epoch.state for epoch in epochs]),
        outputs=np.array([epoch.outputs for epoch in epochs]),
        duration=np.array([epoch.duration for epoch in epochs]),
        episode=np.full(len(epochs), number),
        policy=np.full(len(epochs), policy.name),
    )


def as_episodes(
    transitions: Transitions, horizons: Int[np.ndarray, "horizon"], cost: Cost
) -> Episodes:
    """Simulated transitions, episodes numbered from 0, seen at the horizons."""
    numbers = np.unique(transitions.episode)
    rows = [np.flatnonzero(transitions.episode == number) for number in numbers]
    places = [np.minimum(horizons, len(own)) - 1 for own in rows]
    is_last = np.zeros(len(transitions), dtype=bool)
    is_last[[own[-1] for own in rows]] = True
    paid = cost(transitions.outputs, transitions.next_state, is_last)
    return Episodes(
        states=np.array(
            [transitions.next_state[own][at] for own, at in zip(rows, places, strict=True)]
        ),
        totals=np.array(
            [
                transitions.outputs[own].cumsum(axis=0)[at]
                for own, at in zip(rows, places, strict=True)
            ]
        ),
        costs=np.array([paid[own].sum() for own in rows]),
    )


def windows(
    transitions: Transitions, starts: Int[np.ndarray, "episode"], length: int
) -> Transitions:
    """So many epochs of each simulated episode from its start on, or what is left of it."""
    numbers = np.unique(transitions.episode)
    rows = [
        np.flatnonzero(transitions.episode == number)[start : start + length]
        for number, start in zip(numbers, starts.tolist(), strict=True)
    ]
    return transitions.take(np.concatenate(rows))


def lengths_of(transitions: Transitions) -> Int[np.ndarray, "episode"]:
    """Epochs of each episode."""
    return np.unique(transitions.episode, return_counts=True)[1]


def imagine(
    surrogate: Surrogate,
    policies: Sequence[Decider],
    asked: Asked,
    openings: Float[np.ndarray, "episode state"],
    horizons: Int[np.ndarray, "horizon"],
    cost: Cost,
    random: np.random.Generator,
    on_progress: Callable[[int], None] | None = None,
) -> Episodes:
    """The same in the surrogate, all episodes side by side, to the last of the horizons.

    `on_progress` hears how many epochs more are done.
    """
    seats = [seated(policy, int((asked.which == k).sum())) for k, policy in enumerate(policies)]
    states = openings
    totals = np.zeros((len(asked), len(surrogate.description.output_names)))
    costs = np.zeros(len(asked))
    kept: list[Float[np.ndarray, "episode state"]] = []
    counted: list[Float[np.ndarray, "episode output"]] = []
    for epoch in range(1, int(horizons[-1]) + 1):
        chosen = surrogate.description.levels_of(decide_each(seats, asked.which, states))
        epochs = surrogate.sample(states, chosen, asked.parameters, random)
        is_last = np.full(len(asked), epoch == horizons[-1])
        costs += cost(epochs.outputs, epochs.state, is_last)
        states, totals = epochs.state, totals + epochs.outputs
        if epoch in horizons:
            kept.append(states)
            counted.append(totals)
        if on_progress is not None:
            on_progress(len(asked))
    return Episodes(states=np.stack(kept, axis=1), totals=np.stack(counted, axis=1), costs=costs)
