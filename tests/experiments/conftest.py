"""Runs that have only just begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments.main_job.context import Context
from experiments.main_job.learn import learn
from experiments.main_job.reporter import Reporter
from experiments.main_job.run_folder import RunFolder
from experiments.main_job.settings import MainJobSettings
from training.journal import write_json

Begin = Callable[..., Context]
TINY = """
name = "tiny"
summary = "A queue in rounds."
simulator = "tests.fakes:TinyQueue"
costs = { outputs = { waited = 1.0, staffed = 3.0 }, at_close = { waiting = 2.0 } }
"""


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Begins a run of a scenario, given by name or as text, and finishes its first stage."""

    def begun(scenario: str, **settings: Any) -> Context:
        name = scenario
        if "\n" in scenario:
            name = str(tmp_path / "mine.toml")
            Path(name).write_text(scenario)
        run = RunFolder.create(
            tmp_path / "run", MainJobSettings(scenario=name, dispersion_days=10, **settings)
        )
        context = Context(run=run, reporter=Reporter(is_quiet=True))
        with run.writing("learn") as folder:
            write_json(folder / "summary.json", learn(context, folder))
        return context

    return begun
