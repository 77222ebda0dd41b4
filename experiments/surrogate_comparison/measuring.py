"""Fit one contestant, then judge it: scores, ranking of policies, speed."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter, process_time

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from experiments.surrogate_comparison.contestants import Contestant
from experiments.surrogate_comparison.material import Judgement
from experiments.surrogate_comparison.settings import Effort
from experiments.surrogate_comparison.values import Rank, rank, sampled_values
from sim.streams import stream
from surrogates.dataset import Transitions
from surrogates.interface import Surrogate
from surrogates.scores import Scores, score


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one fit came to."""

    scores: Scores
    rank: Rank
    values: list[float]
    fit_cpu_seconds: float
    fit_seconds: float
    samples_per_second: float
    threads: int


def measure(
    contestant: Contestant, learnt: Transitions, judgement: Judgement, effort: Effort, seed: int
) -> Measured:
    """Fit to the transitions and judge by what nobody has learnt from."""
    cpu, wall = process_time(), perf_counter()
    surrogate = contestant.fit(learnt, judgement.description, stream(seed, "fit", contestant.name))
    cpu, wall = process_time() - cpu, perf_counter() - wall
    values = sampled_values(
        surrogate,
        judgement.objective,
        judgement.policies,
        effort.sampled_episodes,
        stream(seed, "rollouts"),
    )
    return Measured(
        scores=score(surrogate, judgement.held_out, stream(seed, "scores"), effort.draws),
        rank=rank(judgement.truth.values, values),
        values=values.tolist(),
        fit_cpu_seconds=cpu,
        fit_seconds=wall,
        samples_per_second=samples_per_second(surrogate, judgement.held_out, effort, seed),
        threads=torch.get_num_threads(),
    )


def samples_per_second(
    surrogate: Surrogate, asked: Transitions, effort: Effort, seed: int
) -> float:
    """Samples for each processor second of one core, in large batches of different rows."""
    random = stream(seed, "speed")
    rows = random.integers(len(asked), size=effort.speed_batch)
    # Neighbouring rows that are the same would be foretold only once by some.
    rows[1:] += rows[1:] == rows[:-1]
    chosen = asked.take(rows % len(asked))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with threadpool_limits(1):
        surrogate.sample(chosen.state, chosen.decision, chosen.parameters, random)
        began, batches = process_time(), 0
        while not batches or process_time() - began < effort.speed_seconds:
            surrogate.sample(chosen.state, chosen.decision, chosen.parameters, random)
            batches += 1
        seconds = process_time() - began
    torch.set_num_threads(threads)
    return float(batches * np.float64(effort.speed_batch) / seconds)
