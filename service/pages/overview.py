"""The first page: what is running, what drifts, what was promoted."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from service.models import repository
from service.pages.rendering import render
from service.pages.visitors import Visitor

router = APIRouter(include_in_schema=False)

_SHOWN = 10


@router.get("/", response_class=HTMLResponse)
def overview_page(request: Request, _: Visitor) -> HTMLResponse:
    """What is going on."""
    with request.app.state.platform.database.read() as session:
        moves = repository.recent_moves(session, _SHOWN)
    return render(request, "overview.html", moves=moves)
