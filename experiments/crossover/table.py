"""The results as Markdown and as figures, from rows alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.crossover.settings import SURROGATE
from experiments.racing.arrivals import Arrival, arrivals, current
from experiments.racing.rows import Row
from experiments.rows import origin_of
from experiments.time_to_policy.direct import COMPILED, LEAN
from experiments.time_to_policy.settings import Setting
from experiments.time_to_policy.target import Target, target_of

_COLUMNS = (
    "system", "best rule", "best known", "wanted", "surrogate, s",
    "event simulator, s", "ratio", "compiled simulator, s", "ratio",
)  # fmt: skip
_NOTE = (
    "Medians over seeds; where not all got there, what they were given counts, and the share of "
    "seeds that did stands beside.\n"
)
_NAMES = {LEAN: "the event simulator", COMPILED: "the compiled simulator"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One size: when each way was there."""

    setting: Setting
    rows: Sequence[Row]
    target: Target
    ways: dict[str, Arrival]

    def ratio(self, arm: str) -> float | None:
        """How many times later a way was there than the surrogate; None where that was not."""
        surrogate, other = self.ways.get(SURROGATE), self.ways.get(arm)
        if surrogate is None or other is None or 2 * surrogate.reached <= len(surrogate.seconds):
            return None
        return other.at_least / surrogate.at_least

    def is_bound(self, arm: str) -> bool:
        """Whether the ratio is at least that."""
        return self.ways[arm].reached < len(self.ways[arm].seconds)


def sizes(rows: Sequence[Row], settings: Sequence[Setting]) -> list[Size]:
    """Every size of which enough is there, the smallest first."""
    found = []
    for setting in settings:
        mine = current(rows, setting.name, setting.digest)
        target = target_of(mine, setting.reaches)
        if target is not None:
            ways = {way.arm: way for way in arrivals(mine, target.cost)}
            found.append(Size(setting=setting, rows=mine, target=target, ways=ways))
    return found


def render(rows: Sequence[Row], settings: Sequence[Setting]) -> str:
    """One line a size, and from which on the surrogate was sooner."""
    found = sizes(rows, settings)
    if not found:
        return "# From which size on does a surrogate pay?\n\nNo rows yet.\n"
    used = [row for size in found for row in size.rows]
    return "\n".join(
        [
            "# From which size on does a surrogate pay?\n",
            *(f"{_crossing(found, arm)}\n" for arm in _NAMES),
            f"| {' | '.join(_COLUMNS)} |",
            "| --- |" + " ---: |" * (len(_COLUMNS) - 1),
            *(_line(size) for size in found),
            "",
            _NOTE,
            f"Measured at {origin_of(used)}.\n",
        ]
    )


def _crossing(found: Sequence[Size], arm: str) -> str:
    ratios = [(size, ratio) for size in found if (ratio := size.ratio(arm)) is not None]
    if not ratios:
        return f"Beside {_NAMES[arm]}: not measured."
    sooner = [size.setting.name for size, ratio in ratios if ratio > 1.0]
    open_ = [size.setting.name for size, ratio in ratios if ratio <= 1.0 and size.is_bound(arm)]
    later = [size.setting.name for size, ratio in ratios if ratio <= 1.0 and not size.is_bound(arm)]
    told = [
        f"{what} at {', '.join(names)}"
        for what, names in (("sooner", sooner), ("later", later), ("undecided", open_))
        if names
    ]
    return f"Beside {_NAMES[arm]} the surrogate was {', '.join(told)}."


def _line(size: Size) -> str:
    target = size.target
    cells = [
        size.setting.name,
        f"{target.rule_cost:,.0f} ({target.best_rule})",
        f"{target.best_known:,.0f}",
        f"{target.cost:,.0f}",
        _seconds(size.ways.get(SURROGATE)),
    ]
    for arm in _NAMES:
        cells += [_seconds(size.ways.get(arm)), _ratio(size, arm)]
    return "| " + " | ".join(cells) + " |"


def _seconds(way: Arrival | None) -> str:
    if way is None:
        return ""
    if way.reached == len(way.seconds):
        return f"{way.at_least:,.1f}"
    return f"more than {way.at_least:,.0f} ({way.reached} of {len(way.seconds)})"


def _ratio(size: Size, arm: str) -> str:
    ratio = size.ratio(arm)
    if ratio is None:
        return ""
    return f"more than {ratio:.1f}" if size.is_bound(arm) else f"{ratio:.2f}"


def summary(rows: Sequence[Row], settings: Sequence[Setting]) -> dict[str, Any] | None:
    """Ratios as figures; None without rows."""
    found = sizes(rows, settings)
    if not found:
        return None
    latest = found[-1].rows[-1]
    figures = [
        {
            "name": f"{size.setting.name}_{'compiled' if arm == COMPILED else 'simulator'}",
            "value": ratio,
            "is_bound": size.is_bound(arm),
            "n": len(size.ways[arm].seconds),
            "unit": f"ratio of wall-clock to {SURROGATE}",
        }
        for size in found
        for arm in _NAMES
        if (ratio := size.ratio(arm)) is not None
    ]
    return {
        "commit": latest.commit,
        "date": latest.date,
        "machine": latest.machine,
        "figures": figures,
    }
