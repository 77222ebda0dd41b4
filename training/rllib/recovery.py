"""Work that is done again when a process is lost under it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Value = TypeVar("Value")


def run_again(work: Callable[[], Value], attempts: int = 3) -> Value:
    """Do the work; where one of Ray's processes dies under it, from the start again.

    For trainings with remote runners: a process that is killed, or a machine that goes, is no fault
    of theirs. The work must be the same each time. Raises Ray's error after so many attempts, and
    every other exception at once.
    """
    from ray.exceptions import NodeDiedError, RayActorError, WorkerCrashedError

    for left in reversed(range(attempts)):
        try:
            return work()
        except (RayActorError, WorkerCrashedError, NodeDiedError):
            if not left:
                raise
    raise ValueError(f"{attempts} attempts: give at least one")
