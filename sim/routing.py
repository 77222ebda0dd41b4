"""Where customers may be sent, and how many fit in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sim.errors import InvalidSystem

DispatchRule = Literal["shortest", "round_robin", "decision"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatcher:
    """Sends each customer to one of several classes; nobody waits here.

    `shortest` joins the class with the fewest customers, waiting and in service, the first
    listed on ties; `round_robin` takes turns; `decision` is a lever whose level is the position
    of the class.
    """

    name: str
    to: tuple[str, ...]
    rule: DispatchRule = "shortest"
    lever: str | None = None

    def __post_init__(self) -> None:
        if len(self.to) < 2 or len(set(self.to)) < len(self.to):
            raise InvalidSystem(f"dispatcher {self.name!r} sends to {self.to}: two or more classes")
        if self.rule not in ("shortest", "round_robin", "decision"):
            raise InvalidSystem(
                f"dispatcher {self.name!r}: rule {self.rule!r}: shortest, round_robin or decision"
            )
        if (self.rule == "decision") != (self.lever is not None):
            raise InvalidSystem(
                f"dispatcher {self.name!r}: the rule `decision` and a lever go together"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """A finite number of places that some classes share, waiting and in service alike.

    When it is full, customers from outside are turned away. Those from another class are turned
    away too (`lose`), or keep their server until there is a place (`block`).
    """

    name: str
    places: int
    classes: tuple[str, ...]
    when_full: Literal["lose", "block"] = "lose"

    def __post_init__(self) -> None:
        if self.places < 1:
            raise InvalidSystem(f"room {self.name!r} has {self.places} places: at least 1")
        if self.when_full not in ("lose", "block"):
            raise InvalidSystem(f"room {self.name!r}: when full {self.when_full!r}: lose or block")
