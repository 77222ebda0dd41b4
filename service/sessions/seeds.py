"""Seeds of a session's episodes: those that are given, and those that follow from them."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Seeds:
    """A seed that was given, and how many resets without one came since.

    A reset without a seed takes one drawn from both, so that no reset needs what came before it.
    """

    root: int
    resets: int = -1
    """-1 before any reset: the first takes the session's own seed."""

    @property
    def seed(self) -> int:
        """With which the episodes of now begin."""
        return derived_seed(self.root, self.resets)

    def given(self, seed: int) -> Seeds:
        """After a reset with a seed."""
        return Seeds(seed, 0)

    def next(self) -> Seeds:
        """After a reset without one."""
        return Seeds(self.root, self.resets + 1)

    def packed(self) -> bytes:
        """As it is logged."""
        return json.dumps([self.root, self.resets]).encode()

    @classmethod
    def unpacked(cls, logged: bytes) -> Seeds:
        """As it was logged."""
        return cls(*json.loads(logged))


def derived_seed(root: int, resets: int) -> int:
    """The seed of the reset so many after the one that was given `root`."""
    if resets <= 0:
        return root
    words = np.random.SeedSequence([root, resets]).generate_state(2)
    return int(words[0]) << 20 ^ int(words[1] >> 12)
