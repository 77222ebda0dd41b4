"""The folder of one run: a stage is finished when its folder stands, and only then.

Each stage writes into a hidden sibling that is renamed at the end, so a kill at any moment leaves
either a whole stage or none.
"""

from __future__ import annotations

import json
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from experiments.main_job.errors import InvalidRun
from experiments.main_job.settings import MainJobSettings
from training.journal import whole_folder, write_json


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFolder:
    """One run on disk."""

    path: Path
    settings: MainJobSettings

    @classmethod
    def create(cls, path: Path, settings: MainJobSettings) -> RunFolder:
        """Make a new run; refuses a folder that exists."""
        if path.exists():
            raise InvalidRun(f"{path} exists: give --resume to go on with it, or another --run-id")
        with whole_folder(path) as partial:
            write_json(partial / "run.json", settings.to_record())
        return cls(path=path, settings=settings)

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """Open a run that was created before, with the settings it was created with."""
        try:
            record = json.loads((path / "run.json").read_text())
        except FileNotFoundError as error:
            raise InvalidRun(
                f"{path} is no run: it has no run.json; start one without --resume"
            ) from error
        except (OSError, ValueError) as error:
            raise InvalidRun(f"{path / 'run.json'} cannot be read: {error}") from error
        known = {field.name for field in fields(MainJobSettings)}
        if not isinstance(record, dict) or set(record) != known:
            raise InvalidRun(f"{path / 'run.json'} is of another version: start a new run")
        return cls(path=path, settings=MainJobSettings(**record))

    def folder(self, stage: str) -> Path:
        """Where a finished stage stands."""
        return self.path / stage

    def is_finished(self, stage: str) -> bool:
        """Whether a stage has been finished."""
        return (self.folder(stage) / "summary.json").is_file()

    def summary(self, stage: str) -> dict[str, Any]:
        """What a finished stage said; refuses a stage that is not finished."""
        if not self.is_finished(stage):
            raise InvalidRun(
                f"{self.path} has no finished stage {stage!r}: run `surrogym {stage}` on it first"
            )
        try:
            found: dict[str, Any] = json.loads((self.folder(stage) / "summary.json").read_text())
        except ValueError as error:
            raise InvalidRun(
                f"{self.folder(stage) / 'summary.json'} is damaged: delete the folder and "
                "go on with --resume"
            ) from error
        return found

    def forget(self, stages: tuple[str, ...]) -> None:
        """Remove finished stages, because one they stand on is done again."""
        for stage in stages:
            shutil.rmtree(self.folder(stage), ignore_errors=True)

    def writing(self, stage: str) -> AbstractContextManager[Path]:
        """A folder to write a stage into; it takes its place when the block ends well."""
        return whole_folder(self.folder(stage))
