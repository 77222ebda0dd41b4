"""Who looks at a page: signed in with a key, which a cookie stands for from then on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Form, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.types import Scope

from service.errors import respond
from service.keys.repository import Principal
from service.pages.rendering import render
from service.problems import Problem
from service.security import COOKIE, Doorkeeper

router = APIRouter(include_in_schema=False)


class NotSignedIn(Exception):
    """Nobody is signed in; the page to come back to."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


async def visitor(request: Request) -> Principal:
    """Who looks; sends those whom nobody knows to the page where one signs in."""
    try:
        principal = await _doorkeeper(request).principal(request)
    except Problem as problem:
        if problem.code != "unauthenticated":
            raise
        raise NotSignedIn(request.url.path) from problem
    request.state.visitor = principal
    return principal


Visitor = Annotated[Principal, Depends(visitor)]


def install_sign_in(app: FastAPI) -> None:
    """Send whoever is not signed in to do so."""

    async def send(_: Request, error: Exception) -> Response:
        assert isinstance(error, NotSignedIn)
        return _to_sign_in(error.path)

    app.add_exception_handler(NotSignedIn, send)


def turned_away(scope: Scope, problem: Problem) -> Response:
    """What somebody without a good key is answered who sends something: visitors may sign in."""
    path: str = scope["path"]
    if problem.code == "unauthenticated" and not path.startswith(("/v1/", "/openenv/")):
        return _to_sign_in("/", problem.headers)
    return respond(scope["state"]["request_id"], problem)


def _to_sign_in(after: str, headers: Mapping[str, str] | None = None) -> Response:
    return RedirectResponse(f"/sign-in?after={quote(after)}", status_code=303, headers=headers)


@router.get("/sign-in", response_class=HTMLResponse)
async def sign_in_page(request: Request, after: str = "/") -> HTMLResponse:
    """Ask for a key."""
    return render(request, "sign-in.html", after=_own(after), refusal=None)


@router.post("/sign-in", response_class=HTMLResponse)
async def sign_in(
    request: Request,
    key: Annotated[str, Form(max_length=200)],
    after: Annotated[str, Form(max_length=300)] = "/",
) -> Response:
    """Take a key, and give a cookie for it."""
    address = request.client.host if request.client else "unknown"
    try:
        principal = await _doorkeeper(request).holder(key.strip(), address)
    except Problem as problem:
        refusal = "No such key." if problem.code == "unauthenticated" else problem.detail
        page = render(request, "sign-in.html", after=_own(after), refusal=refusal)
        page.status_code = problem.status
        return page
    response = RedirectResponse(_own(after), status_code=303)
    response.set_cookie(
        COOKIE,
        _doorkeeper(request).cookie(principal),
        max_age=7 * 24 * 3600,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return response


@router.post("/sign-out")
async def sign_out(_: Visitor) -> Response:
    """Forget who looks."""
    response = RedirectResponse("/sign-in", status_code=303)
    response.delete_cookie(COOKIE)
    return response


def _own(path: str) -> str:
    """A page of ours to go to; nobody is sent elsewhere by a link to the sign-in page."""
    is_ours = path.startswith("/") and not path.startswith(("//", "/\\"))
    return path if is_ours and path.isprintable() else "/"


def _doorkeeper(request: Request) -> Doorkeeper:
    doorkeeper: Doorkeeper = request.app.state.doorkeeper
    return doorkeeper
