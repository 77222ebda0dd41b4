"""The one family of errors that a user can mend.

Every package derives its own from `SurrogymError`; the command line turns them
into one message and exit code 2. A message has the value, the bound and the way out.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class SurrogymError(ValueError):
    """Something the caller gave is wrong, and the message says how to mend it."""


class InvalidSystem(SurrogymError):
    """A system or a scenario that cannot be simulated."""


class UnstableSystem(InvalidSystem):
    """More work comes than can be served, so that no steady state exists."""


class InvalidSample(SurrogymError):
    """Numbers from which no interval can be made."""


class InvalidVolumes(SurrogymError):
    """A series of call volumes that cannot be used."""


class InvalidParameters(SurrogymError):
    """Parameters outside their box, or unknown."""


class InvalidDecision(SurrogymError):
    """A decision that the system does not offer."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known name is near, else the known names."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}"
