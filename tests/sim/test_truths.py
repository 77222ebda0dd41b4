"""The simulator against everything that theory says of it.

The truths are those of `experiments.truths`, at their quick efforts: independent replications from
fixed seeds, each after a warm-up. A truth is held against the 99.9% Student interval over the
replications, which has to be narrow enough to miss another value. The replications run in processes
of their own, without the run-time checks of shapes and types, which would take most of the time;
`python -m experiments.truths` measures the same truths far more closely.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import numpy as np
import pytest

from experiments.truths.catalogue import TRUTHS, find_setting
from experiments.truths.study import Replication, measure
from experiments.truths.truth import Truth

Values = dict[str, np.ndarray]
QUICK = [truth for truth in TRUTHS if "quick" in truth.setting.depths]


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as processes:
        yield processes


@pytest.fixture(scope="module")
def measured(executor: Executor) -> Callable[[str], Values]:
    """What the replications of a setting say, run once for all the truths they speak of."""

    @cache
    def values_of(name: str) -> Values:
        seeds = find_setting(name).seeds("quick")
        wanted = [Replication(setting=name, depth="quick", seed=seed) for seed in seeds]
        rows = [replication.values for replication in executor.map(measure, wanted)]
        return {truth: np.array([row[truth] for row in rows]) for truth in rows[0]}

    return values_of


@pytest.mark.parametrize("truth", QUICK, ids=lambda truth: truth.name)
def test_the_simulator_measures_what_theory_says(
    truth: Truth, measured: Callable[[str], Values]
) -> None:
    """A simulator that is right converges to the value, whatever it shares with the theory."""
    verdict = truth.judge(measured(truth.setting.name)[truth.name], "quick")
    assert verdict.holds, (truth.value, verdict.measured)
    assert verdict.is_telling, (verdict.half_width, verdict.wanted * abs(truth.value))
