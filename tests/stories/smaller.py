"""The main job with less of everything that takes time: it goes through the same stages.

`python -m tests.stories.smaller demo --quick` is `surrogym demo --quick` with these settings.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import pytest

from cli.app import main
from experiments.main_job import fit
from experiments.main_job.settings import QUICK
from surrogates.families import DEFAULT_SETTINGS
from surrogates.flow import FlowSettings
from surrogates.gaussian_process import GaussianProcessSettings

SMALLER = {
    "episodes": 24,
    "flow_passes": 8,
    "pretrain_seconds": 1.0,
    "num_envs": 64,
    "search_candidates": 6,
    "search_days": 16,
    "evaluation_days": 5,
    "in_control_days": 20,
    "live_days": 6,
    "retrain_seconds": 0.5,
    "fine_tune_seconds": 0.5,
}
"""Of the quick settings, what still takes seconds."""


@contextmanager
def smaller() -> Iterator[None]:
    """With these settings in this process, and with surrogates that are fitted in no time."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in SMALLER.items():
            patch.setitem(QUICK, name, value)
        few_points = GaussianProcessSettings(inducing=24, steps=12, batch=64, exact_rows=0)
        patch.setitem(DEFAULT_SETTINGS, "gp", few_points)
        patch.setattr(fit, "FlowSettings", partial(FlowSettings, least_steps=0))
        yield


if __name__ == "__main__":
    with smaller():
        main()
