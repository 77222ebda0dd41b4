"""Named random streams from one root seed.

Each purpose draws from its own stream, so that two policies meet the same
customers (common random numbers) whatever else they change.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np


def stream(seed: int, *purpose: str) -> np.random.Generator:
    """The generator of one purpose under one root seed.

    The same seed and purpose give the same stream on every machine and in every
    process; different purposes give independent ones. A purpose is named in words: a plain 0
    would not count, since SeedSequence pads short keys with zeros.
    """
    keys = [crc32(part.encode()) for part in purpose]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *keys])))
