"""Times spent: the customers, agents or servers whose number each of them adds up."""

from __future__ import annotations

from sim.description import SystemDescription


def counted_in(description: SystemDescription) -> dict[str, tuple[str, ...]]:
    """By the name of a time spent, the components whose number it is the integral of.

    A time that is not among the keys is of something that no name tells.
    """
    names = description.state_names
    found: dict[str, tuple[str, ...]] = {}
    for stock in description.stocks:
        if stock.team is None:
            name = stock.name.removesuffix("_waiting")
            served = [f"{t.name}_busy" for t in description.teams if t.queue == stock.name]
            found[f"{name}_wait"] = (stock.name,)
            found[f"{name}_present"] = (stock.name, *served)
        else:
            found[f"{stock.team}_busy_minutes"] = (stock.name,)
    for pool in {team.pool for team in description.teams}:
        on = (f"{pool}_up", f"{pool}_starting")
        found[_time_on(pool)] = tuple(name for name in on if name in names)
    return found


def teams_on(description: SystemDescription) -> dict[str, list[int]]:
    """By the name of a time that servers of a pool are on, the positions of its teams."""
    found: dict[str, list[int]] = {}
    for position, team in enumerate(description.teams):
        found.setdefault(_time_on(team.pool), []).append(position)
    return found


def _time_on(pool: str) -> str:
    return f"{pool}_on_minutes"
