"""Whether the service lives, whether it is of use, and what it counts."""

from __future__ import annotations

import os
import shutil
from tempfile import TemporaryFile

from anyio.to_thread import run_sync
from fastapi import APIRouter, Request, Response
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service.platform import Platform, Resource
from service.settings import Settings

router = APIRouter(tags=["health"])


class Alive(BaseModel):
    """The process answers."""

    status: str = "alive"


class Ready(BaseModel):
    """Whether requests are of use now."""

    status: str
    missing: list[str]
    """What is lacking, a phrase each."""


@router.get("/livez")
async def livez() -> Alive:
    """Whether the process answers at all; restart it where it does not."""
    return Alive()


@router.get("/readyz", responses={503: {"model": Ready, "description": "Not ready; says why"}})
async def readyz(request: Request, response: Response) -> Ready:
    """Whether it can do its work; send it no requests while it cannot."""
    missing = await find_missing(request.app.state.platform, request.app.state.resources)
    response.status_code = 503 if missing else 200
    return Ready(status="not ready" if missing else "ready", missing=missing)


@router.get("/metrics", response_class=Response)
async def metrics(request: Request) -> Response:
    """Counts and times for Prometheus."""
    told = generate_latest(request.app.state.platform.metrics)
    return Response(told, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def find_missing(platform: Platform, resources: list[Resource]) -> list[str]:
    """What keeps a service from being ready."""
    found = [phrase for resource in resources for phrase in resource.missing()]
    if platform.stopping.is_set():
        found.append("it is stopping")
    try:
        await run_sync(_ask, platform)
    except SQLAlchemyError:
        found.append("the database does not answer")
    return found + await run_sync(_lacking_room, platform.settings)


def _lacking_room(settings: Settings) -> list[str]:
    try:
        free = shutil.disk_usage(settings.data).free
        # Only writing tells of quotas, and of a file system that went read-only.
        with TemporaryFile(dir=settings.data) as file:
            file.write(b".")
    except OSError as error:
        return [f"the data folder cannot be written to: {os.strerror(error.errno or 0)}"]
    if free < settings.free_disk_bytes:
        return [f"the data folder has {free >> 20} MiB left of {settings.free_disk_bytes >> 20}"]
    return []


def _ask(platform: Platform) -> None:
    with platform.database.read() as session:
        session.execute(text("SELECT 1"))
