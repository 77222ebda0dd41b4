"""A long job as steps, each kept whole on disk or not at all.

The job is plain code that asks a journal for the outcome of each step. What was finished before a
kill at any moment is read back and not done again; a step that was under way is done anew from its
start. That is sound where a step depends on its inputs alone: give it seeds, not clocks.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

from sim.errors import SurrogymError

Value = TypeVar("Value")
Kept = TypeVar("Kept")
_SUMMARY = "step.json"


class InvalidJournal(SurrogymError):
    """A folder that holds something else than the steps of this job."""


@runtime_checkable
class Form(Protocol[Kept]):
    """How outcomes of one kind are written and read."""

    def write(self, folder: Path, value: Kept) -> None:
        """Put the value into an empty folder."""
        ...

    def read(self, folder: Path) -> Kept:
        """The value that was put there; raises where the files are not what was written."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A finished step."""

    name: str
    seconds: float
    """Wall time that it took, in the run that finished it."""
    was_there: bool
    """Whether it was read back rather than done."""


@dataclass(slots=True)
class Journal:
    """The finished steps of one job, a folder each."""

    path: Path
    steps: list[Step] = field(default_factory=list)
    """Those that were asked for so far, in order."""
    hear: Callable[[Step], None] | None = None
    """Told of each of them."""
    hear_share: Callable[[str, float], None] | None = None
    """Told how far the step is that is under way, where that is known: its name, from 0 to 1."""
    _under_way: list[str] = field(default_factory=list)
    """Steps that are being done, each within the one before."""

    def step(
        self,
        name: str,
        make: Callable[[], Value],
        form: Form[Value],
        inputs: Mapping[str, Any] | None = None,
    ) -> Value:
        """The outcome of a step, from disk where it is finished, else by doing it.

        `name` may have slashes. `inputs` is what the step depends on, as JSON takes it: a finished
        step of other inputs raises InvalidJournal, because the job that left it was another one.
        """
        folder = self.path / name
        asked = _digest(inputs)
        if self.has(name):
            summary = _summary_of(folder)
            if summary["inputs"] != asked:
                raise InvalidJournal(
                    f"{folder} was made from other settings or data: give another folder, or "
                    "delete it to have the step done again"
                )
            value = form.read(folder / "outcome")
            self._note(Step(name=name, seconds=float(summary["seconds"]), was_there=True))
            return value
        began = time.perf_counter()
        value = self._made(name, make)
        seconds = time.perf_counter() - began
        with whole_folder(folder) as partial:
            (partial / "outcome").mkdir()
            form.write(partial / "outcome", value)
            write_json(partial / _SUMMARY, {"inputs": asked, "seconds": seconds})
        self._note(Step(name=name, seconds=seconds, was_there=False))
        return value

    def has(self, name: str) -> bool:
        """Whether a step is finished."""
        return (self.path / name / _SUMMARY).is_file()

    def within(self, name: str) -> Journal:
        """A journal for a part of the job, in a folder of its own; its steps are heard too."""
        return Journal(self.path / name, hear=self._note, hear_share=self.hear_share)

    def at(self, share: float) -> None:
        """The step under way is so far, from 0 to 1."""
        if self.hear_share is not None and self._under_way:
            self.hear_share(self._under_way[-1], share)

    def counting(self, total: int) -> Callable[[int], None]:
        """The same by how many are done of all that there are to do."""
        return lambda done: self.at(done / total)

    def _made(self, name: str, make: Callable[[], Value]) -> Value:
        self._under_way.append(name)
        try:
            return make()
        finally:
            self._under_way.pop()

    def _note(self, step: Step) -> None:
        self.steps.append(step)
        if self.hear is not None:
            self.hear(step)


def _digest(inputs: Mapping[str, Any] | None) -> str:
    written = json.dumps(inputs or {}, sort_keys=True, allow_nan=False)
    return hashlib.sha256(written.encode()).hexdigest()


def _summary_of(folder: Path) -> dict[str, Any]:
    try:
        summary = json.loads((folder / _SUMMARY).read_text())
        return {"inputs": str(summary["inputs"]), "seconds": float(summary["seconds"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidJournal(
            f"{folder / _SUMMARY} is damaged: delete {folder} to have the step done again"
        ) from error


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """A folder to write into; it takes the place of `path` when the block ends well."""
    partial = path.with_name(f".{path.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        yield partial
        shutil.rmtree(path, ignore_errors=True)
        partial.replace(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON whole or not at all."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("w") as file:
            json.dump(record, file, indent=1, allow_nan=False)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
