"""Kills at random moments: the service, and the processes in which it steps."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

import numpy as np
import psutil

from tests.service.chaos.actors import PATIENCE, Actor
from tests.service.conftest import Served
from tests.service.jobs.conftest import until


def kill_at_random(
    served: Served, count: int, random: np.random.Generator, actors: Sequence[Actor]
) -> Counter[str]:
    """So many, each when every client has got on since the last; what was killed how often."""
    killed: Counter[str] = Counter()
    for _ in range(count):
        before = [actor.done for actor in actors]
        until(
            lambda before=before: [a.done - b for a, b in zip(actors, before, strict=True)],  # type: ignore[misc]
            lambda done: min(done) > 0,
            PATIENCE,
        )
        time.sleep(float(random.exponential(0.4)))
        others = descendants(served)
        if others and random.random() < 0.6:
            with suppress(psutil.NoSuchProcess):
                others[int(random.integers(len(others)))].kill()
            killed["process"] += 1
        else:
            served.kill()
            killed["service"] += 1
            time.sleep(float(random.exponential(0.2)))
            served.start()
    return killed


def descendants(served: Served) -> list[psutil.Process]:
    """All processes under the service, in order."""
    assert served.process is not None
    found = psutil.Process(served.process.pid).children(recursive=True)
    return sorted(found, key=lambda process: process.pid)
