"""Run planned episodes on a simulator and keep every epoch."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, as_completed

import numpy as np

from sim.epoch import Epoch, parameter_vector
from sim.simulator import Simulator
from surrogates.dataset import Transitions, concatenate
from surrogates.design import PlannedEpisode
from surrogates.pilot import NO_POLICIES, Pilot, Policies

BuildSimulator = Callable[[], Simulator]
"""Makes a fresh simulator in the process that will run it; must be picklable."""


def run_episode(
    simulator: Simulator, plan: PlannedEpisode, policies: Policies = NO_POLICIES
) -> Transitions:
    """Run one planned episode to its end; plans may name any of the policies."""
    description = simulator.describe()
    pilot = Pilot(plan, description, policies)
    state = simulator.reset(plan.seed, plan.parameters)
    states, decisions, epochs = [], [], list[Epoch]()
    while not epochs or not epochs[-1].is_last:
        decision = pilot.decide(state)
        states.append(state)
        decisions.append(decision)
        epochs.append(simulator.advance(decision))
        state = epochs[-1].state
    rows = len(epochs)
    parameters = parameter_vector(description.parameters, plan.parameters)
    return Transitions(
        state=np.array(states),
        decision=np.array(decisions),
        parameters=np.tile(parameters, (rows, 1)),
        next_state=np.array([epoch.state for epoch in epochs]),
        outputs=np.array([epoch.outputs for epoch in epochs]),
        duration=np.array([epoch.duration for epoch in epochs]),
        episode=np.full(rows, plan.seed),
        policy=np.full(rows, plan.behaviour),
    )


def run_episodes(
    build: BuildSimulator, plans: tuple[PlannedEpisode, ...], policies: Policies = NO_POLICIES
) -> Transitions:
    """Run several planned episodes one after another on one simulator."""
    simulator = build()
    return concatenate([run_episode(simulator, plan, policies) for plan in plans])


def collect(
    build: BuildSimulator,
    plans: tuple[PlannedEpisode, ...],
    executor: Executor,
    *,
    policies: Policies = NO_POLICIES,
    chunk: int = 8,
    on_progress: Callable[[int], None] | None = None,
) -> Transitions:
    """Run planned episodes in parallel; the result does not depend on the number of workers.

    `on_progress` receives the number of episodes finished. Policies that plans name must be
    picklable where the executor's workers are processes.
    """
    chunks = [plans[i : i + chunk] for i in range(0, len(plans), chunk)]
    futures = {
        executor.submit(run_episodes, build, part, policies): i for i, part in enumerate(chunks)
    }
    parts: dict[int, Transitions] = {}
    for future in as_completed(futures):
        parts[futures[future]] = future.result()
        if on_progress is not None:
            on_progress(sum(len(chunks[i]) for i in parts))
    return concatenate([parts[i] for i in range(len(chunks))])
