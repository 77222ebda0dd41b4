"""A page to step an environment by hand and watch its queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import orjson
from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from service.keys.repository import Principal
from service.models import repository
from service.pages.charts import Chart, Line
from service.pages.rendering import render
from service.pages.visitors import Visitor
from service.problems import Problem
from service.scenarios.catalogue import Known
from service.security import demand
from service.sessions.encoding import Form as Encoding
from service.sessions.frames import Kind
from service.sessions.operations import Sessions
from service.sessions.ordering import spec_of
from service.sessions.schemas import SessionOrder
from service.sessions.session import Session
from sim.description import Description
from sim.errors import SurrogymError

router = APIRouter(include_in_schema=False, prefix="/by-hand")

_MOST_CHOICES = 400
_LINES = 6
SessionId = Annotated[str, Path(max_length=40, pattern=r"^ses_[0-9a-f]+$")]


@dataclass(frozen=True, slots=True)
class Quantity:
    """One number of the state, as it is shown."""

    name: str
    unit: str
    value: float
    share: float
    """Of the greatest value of its unit, for the length of its bar."""


@router.get("", response_class=HTMLResponse)
async def begin_page(request: Request, visitor: Visitor) -> HTMLResponse:
    """Choose a system and a world, or go on with a session."""
    return await _begin_page(request, visitor)


@router.post("", response_class=HTMLResponse)
async def begin(
    request: Request,
    visitor: Visitor,
    env: Annotated[str, Form(max_length=200)],
    world: Annotated[str, Form(max_length=300)] = "simulator",
    seed: Annotated[int, Form(ge=0, le=2**31 - 1)] = 1,
) -> Response:
    """Begin a session and its first episode."""
    _refuse_readers(visitor)
    sessions = _sessions(request)
    order = SessionOrder(env=env, world=world, seed=seed, tell_state=True)
    try:
        known = await run_sync(sessions.catalogue.find, env)
        if len(known.description.decisions) > _MOST_CHOICES:
            raise Problem("refused_input", "more choices than one can choose among by hand")
        spec = await run_sync(spec_of, sessions, order)
        session = await sessions.create(visitor.owner, spec, None)
        await _told(sessions, session, Kind.RESET, {"step_id": 1})
    except (Problem, SurrogymError) as refusal:
        detail = refusal.detail if isinstance(refusal, Problem) else str(refusal)
        return await _begin_page(request, visitor, refusal=detail or "refused")
    return RedirectResponse(f"/by-hand/{session.id}", status_code=303)


@router.get("/{session_id}", response_class=HTMLResponse)
async def session_page(
    request: Request,
    session_id: SessionId,
    visitor: Visitor,
    chosen: Annotated[int, Query(ge=0)] = 0,
) -> HTMLResponse:
    """Where a session is, and what may be decided; `chosen` is what was decided last."""
    sessions = _sessions(request)
    session = await sessions.find(visitor.owner, session_id)
    known = await run_sync(sessions.catalogue.find, session.spec.env)
    replies = await _replies(sessions, session)
    if not replies or "state" not in replies[-1]["info"]:
        raise Problem("conflict", "this session was not begun to be stepped by hand")
    last, description = replies[-1], known.description
    return render(
        request,
        "session.html",
        session=session,
        world=session.spec.world.name or "simulator",
        last=last,
        is_over=bool(last.get("terminated") or last.get("truncated")),
        allowed=last["info"].get("action_mask"),
        quantities=_quantities(description, last["info"]["state"]),
        choices=_choices(known),
        chosen=chosen,
        chart=_chart(description, replies),
        costs=_costs(known, replies),
    )


@router.post("/{session_id}/step")
async def step(
    request: Request,
    session_id: SessionId,
    visitor: Visitor,
    action: Annotated[int, Form(ge=0)],
    step_id: Annotated[int, Form(ge=1)],
    times: Annotated[int, Form(ge=1, le=20)] = 1,
) -> Response:
    """Decide, once or several times alike; a form that is sent again decides nothing again."""
    _refuse_readers(visitor)
    sessions = _sessions(request)
    session = await sessions.find(visitor.owner, session_id)
    for number in range(step_id, step_id + times):
        told = await _told(sessions, session, Kind.STEP, {"step_id": number, "action": action})
        if told.get("terminated") or told.get("truncated"):
            break
    return RedirectResponse(f"/by-hand/{session_id}?chosen={action}", status_code=303)


@router.post("/{session_id}/reset")
async def reset(
    request: Request,
    session_id: SessionId,
    visitor: Visitor,
    step_id: Annotated[int, Form(ge=1)],
) -> Response:
    """Begin the next episode."""
    _refuse_readers(visitor)
    sessions = _sessions(request)
    session = await sessions.find(visitor.owner, session_id)
    await _told(sessions, session, Kind.RESET, {"step_id": step_id})
    return RedirectResponse(f"/by-hand/{session_id}", status_code=303)


@router.post("/{session_id}/end")
async def end(request: Request, session_id: SessionId, visitor: Visitor) -> Response:
    """End a session."""
    _refuse_readers(visitor)
    await _sessions(request).delete(visitor.owner, session_id, by=visitor.owner)
    return RedirectResponse("/by-hand", status_code=303)


async def _begin_page(
    request: Request, visitor: Principal, refusal: str | None = None
) -> HTMLResponse:
    sessions = _sessions(request)
    names = await run_sync(sessions.catalogue.names)
    worlds = await run_sync(_surrogates, request)
    rows = await run_sync(sessions.records.page, visitor.owner, 20, None)
    page = render(
        request,
        "by-hand.html",
        names=names,
        worlds=worlds,
        open=[row for row in rows if row.state == "open" and row.spec.get("tell_state")],
        refusal=refusal,
    )
    if refusal is not None:
        page.status_code = 422
    return page


def _surrogates(request: Request) -> list[str]:
    """Surrogates of the registry that have an alias, as worlds are asked for."""
    with request.app.state.platform.database.read() as session:
        return [
            f"{name}@{alias.alias}"
            for name in repository.names(session, "", 200)
            if repository.versions(session, name, None, 1)[0].kind == "surrogate"
            for alias in repository.aliases_of(session, name)
        ]


async def _told(
    sessions: Sessions, session: Session, kind: Kind, command: dict[str, Any]
) -> dict[str, Any]:
    frame = await sessions.ask(session, kind, Encoding.JSON, orjson.dumps(command))
    told: dict[str, Any] = orjson.loads(frame.content)
    return told


async def _replies(sessions: Sessions, session: Session) -> list[dict[str, Any]]:
    """The last replies of the running episode, the oldest first, as the session still has them."""
    last = session.number
    if last is None:
        last = (await sessions.ask(session, Kind.SNAPSHOT, 0, b"")).number
    found: list[dict[str, Any]] = []
    for number in range(last, max(0, last - sessions.settings.credit), -1):
        try:
            reply = await _told(sessions, session, Kind.STEP, {"step_id": number, "action": 0})
        except Problem:
            break
        found.append(reply)
        if reply.get("reward") is None:
            break
    return found[::-1]


def _quantities(description: Description, state: Sequence[float]) -> list[Quantity]:
    greatest: dict[str, float] = {}
    for component, value in zip(description.components, state, strict=True):
        greatest[component.unit] = max(greatest.get(component.unit, 1.0), abs(value))
    return [
        Quantity(component.name, component.unit, value, abs(value) / greatest[component.unit])
        for component, value in zip(description.components, state, strict=True)
    ]


def _choices(known: Known) -> list[str]:
    """What each joint choice means, in words."""
    levers = known.description.levers
    positions = {each["name"]: each["positions"] for each in known.explanation["levers"]}
    return [
        ", ".join(
            f"{lever.name.replace('_', ' ')}: {_level(level, positions[lever.name])}"
            for lever, level in zip(levers, row, strict=True)
        )
        for row in known.description.decisions.tolist()
    ]


def _level(level: float, positions: Sequence[str]) -> str:
    return positions[int(level)] if positions else f"{level:g}"


def _chart(description: Description, replies: Sequence[dict[str, Any]]) -> Chart:
    """The largest numbers of the last epochs, customers where the state counts them."""
    units = [component.unit for component in description.components]
    unit = "customers" if "customers" in units else units[0]
    states = [reply["info"]["state"] for reply in replies]
    of_unit = [k for k, each in enumerate(units) if each == unit]
    largest = sorted(of_unit, key=lambda k: -max(state[k] for state in states))[:_LINES]
    first = replies[0]["step_id"]
    return Chart(
        title="The system over the last epochs",
        x_label="epoch",
        y_label=unit,
        lines=[
            Line(
                name=description.components[k].name.replace("_", " "),
                xs=[reply["step_id"] - first for reply in replies],
                ys=[state[k] for state in states],
            )
            for k in sorted(largest)
        ],
    )


def _costs(known: Known, replies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    costs = [reply["info"].get("cost") for reply in replies if reply.get("reward") is not None]
    known_costs = [cost for cost in costs if cost is not None]
    return {
        "unit": known.explanation["costs"]["unit"],
        "last": known_costs[-1] if known_costs else None,
        "shown": sum(known_costs),
        "epochs": len(known_costs),
    }


def _refuse_readers(visitor: Principal) -> None:
    demand(visitor, "step")


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions
