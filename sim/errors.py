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


class InvalidSettings(InvalidSystem):
    """A table of settings with one or more faults, each a sentence in `faults`."""

    @property
    def faults(self) -> tuple[str, ...]:
        """Every fault that was found."""
        return tuple(map(str, self.args))

    def __str__(self) -> str:
        return "; ".join(self.faults)


class UnstableSystem(InvalidSystem):
    """More work comes than can be served, so that no steady state exists."""


class InvalidSample(SurrogymError):
    """Numbers from which no interval can be made."""


class InvalidVolumes(SurrogymError):
    """A user's record (volumes, arrivals, durations) that cannot be used."""


class InvalidParameters(SurrogymError):
    """Parameters outside their box, or unknown."""


class InvalidDecision(SurrogymError):
    """A decision that the system does not offer."""


_LISTED = 20
"""Names in one message; time zones, for one, are far more."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when a known name is near, else the known names."""
    names = sorted(set(known))
    if not names:
        return "; there are none"
    near = get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]!r}?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"; known: {', '.join(names[:_LISTED])}{more}"
