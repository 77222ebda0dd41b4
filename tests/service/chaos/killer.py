"""Kill -9 at moments that nobody chose."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from tests.service.chaos.victim import Victim
from tests.service.jobs.conftest import until

_SHARES = {"service": 0.4, "worker": 0.3, "job": 0.26, "nursery": 0.04}
_MEAN_SECONDS = 0.7


class Killer:
    """Kills a service, the processes in which sessions are played, and those of jobs."""

    def __init__(self, victim: Victim, random: np.random.Generator) -> None:
        self._victim, self._random = victim, random
        self.killed: Counter[str] = Counter()
        self._finds: dict[str, Callable[[], list[int]]] = {
            "worker": victim.workers, "nursery": victim.nurseries, "job": victim.jobs,
        }  # fmt: skip

    def kill(self, times: int) -> None:
        """Kill so often; a service that was killed is started again at once."""
        names = self._random.choice(list(_SHARES), size=times, p=list(_SHARES.values()))
        for name in ("service", *names[1:]):
            time.sleep(float(self._random.exponential(_MEAN_SECONDS)))
            if name == "service":
                self._victim.kill()
                self._victim.start()
            else:
                self._kill_one(self._finds[name])
            self.killed[str(name)] += 1

    def _kill_one(self, find: Callable[[], list[int]]) -> None:
        """Of those that there are, or will be in a moment."""
        found = until(find, bool, 60.0)
        with suppress(ProcessLookupError):
            os.kill(found[int(self._random.integers(len(found)))], signal.SIGKILL)
