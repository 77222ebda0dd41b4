"""What every closed form refuses: rates that are none, and more work than can be served."""

from __future__ import annotations

from math import inf

from sim.errors import InvalidSystem, UnstableSystem


def refuse_unless_positive(**values: float | int) -> None:
    """Raise InvalidSystem for the first value that is not above 0 and finite, by its name."""
    for name, value in values.items():
        if not 0 < value < inf:
            raise InvalidSystem(f"{name} is {value}: give a number above 0")


def refuse_if_negative(**values: float | int) -> None:
    """Raise InvalidSystem for the first value that is below 0 or not finite, by its name."""
    for name, value in values.items():
        if not 0 <= value < inf:
            raise InvalidSystem(f"{name} is {value}: 0 or more")


def refuse_unless_probability(**values: float) -> None:
    """Raise InvalidSystem for the first value that is not above 0 and below 1, by its name."""
    for name, value in values.items():
        if not 0 < value < 1:
            raise InvalidSystem(f"{name} is {value}: above 0 and below 1")


def refuse_overload(utilisation: float, where: str = "one agent") -> None:
    """Raise UnstableSystem for a utilisation of 1 or more, where no steady state exists."""
    if utilisation >= 1:
        raise UnstableSystem(
            f"utilisation {utilisation:g} of {where}: lower the rate or the mean service"
        )
