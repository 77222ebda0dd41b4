"""Pages of models: what is in charge, since when and why."""

from __future__ import annotations

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.models import repository
from service.models.schemas import ALIAS, NAME
from service.pages.rendering import render
from service.pages.visitors import Visitor
from service.paging import Cursor, decode_cursor, paged
from service.platform import Platform
from service.problems import Problem
from service.security import demand

router = APIRouter(include_in_schema=False)

_SHOWN = 50
Name = Annotated[str, Path(pattern=NAME)]


@router.get("/models", response_class=HTMLResponse)
def models_page(request: Request, _: Visitor, cursor: Cursor = None) -> HTMLResponse:
    """All models."""
    after = str(decode_cursor(cursor, str)[0]) if cursor else ""
    platform: Platform = request.app.state.platform
    with platform.database.read() as session:
        found = repository.names(session, after, _SHOWN + 1)
        names, following = paged(found, _SHOWN, lambda name: (name,))
        models = [
            {
                "name": name,
                "latest": repository.versions(session, name, None, 1)[0],
                "aliases": {"champion": None, "challenger": None}
                | {row.alias: row.version for row in repository.aliases_of(session, name)},
            }
            for name in names
        ]
    return render(request, "models.html", models=models, cursor=following)


@router.get("/models/{name}", response_class=HTMLResponse)
def model_page(request: Request, name: Name, visitor: Visitor) -> HTMLResponse:
    """One model: its aliases, versions with their lineage, and history."""
    platform: Platform = request.app.state.platform
    with platform.database.read() as session:
        versions = repository.versions(session, name, None, _SHOWN)
        aliases = [
            {
                "alias": row.alias,
                "version": row.version,
                "has_before": repository.move_before(session, row) is not None,
            }
            for row in repository.aliases_of(session, name)
        ]
        history = repository.history(session, name, None, None, _SHOWN)
    if not versions:
        raise Problem("not_found", "no model of that name")
    return render(
        request,
        "model.html",
        name=name,
        versions=versions,
        aliases=aliases,
        history=history,
        may_promote=visitor.may("promote"),
    )


@router.post("/models/{name}/roll-back")
async def roll_back(
    request: Request,
    name: Name,
    visitor: Visitor,
    alias: Annotated[str, Form(pattern=ALIAS)],
    reason: Annotated[str, Form(min_length=1, max_length=500)],
) -> Response:
    """Let an alias stand for what it stood for before."""
    demand(visitor, "promote")
    models = request.app.state.models
    await run_sync(models.roll_back, name, alias, visitor.actor, reason)
    return RedirectResponse(f"/models/{name}", status_code=303)
