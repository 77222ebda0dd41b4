"""Templates, and how numbers and times are said in them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from service.pages.charts import draw

_PLACES = (
    ("/", "Overview"),
    ("/jobs", "Jobs"),
    ("/monitors", "Monitors"),
    ("/models", "Models"),
    ("/by-hand", "By hand"),
)


def render(request: Request, template: str, **content: Any) -> HTMLResponse:
    """A page."""
    clock = request.app.state.platform.clock
    told = _environment.get_template(template).render(
        places=_PLACES,
        here=request.url.path,
        visitor=getattr(request.state, "visitor", None),
        now=clock.now(),
        **content,
    )
    return HTMLResponse(told, headers={"Cache-Control": "no-store"})


def live_at(path: str, cursor: str | None) -> str:
    """Where the part of a list that changes is loaded from, on that page of it."""
    return path if cursor is None else f"{path}?cursor={cursor}"


def moment(at: datetime | None) -> Markup:
    """A time of day in UTC; scripts turn it into the reader's own."""
    if at is None:
        return Markup("–")
    at = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        at.isoformat(timespec="seconds"), f"{at:%Y-%m-%d %H:%M} UTC"
    )


def span(seconds: float | None) -> str:
    """A length of time in the two largest units that say something."""
    if seconds is None:
        return "–"
    whole = max(0, round(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3600)
    minutes, last = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (last, "s")]
    said = [f"{count} {unit}" for count, unit in parts if count][:2]
    return " ".join(said) or "0 s"


def number(value: float | None, places: int = 4) -> str:
    """A number as people read it."""
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 10_000:
        return f"{value:,.0f}"
    return f"{value:.{places}g}"


def percent(value: float | None) -> str:
    """A change, with its sign."""
    return "–" if value is None else f"{value:+.1%}"


_environment = Environment(
    loader=PackageLoader("service.pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_environment.filters |= {
    "moment": moment,
    "span": span,
    "number": number,
    "percent": percent,
    "chart": draw,
    "plain": lambda name: str(name).replace("_", " "),
}
