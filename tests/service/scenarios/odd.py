"""A simulator of a user's own that misbehaves when it is asked what it is; for other processes."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from sim.description import Description
from tests.service.sessions.hostile import DESCRIPTION, Hostile

SECRET = "the password is swordfish"


class Odd(Hostile):
    """Says in which process it is."""

    def __init__(self, how: str = "well") -> None:
        self._how = how

    def describe(self) -> Description:
        if self._how == "raise":
            raise RuntimeError(SECRET)
        if self._how == "exit":
            os._exit(3)
        while self._how == "loop":
            time.sleep(1.0)
        return replace(DESCRIPTION, name=f"in {os.getpid()}")
