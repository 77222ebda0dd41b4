"""The service put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from importlib.metadata import version

import structlog
from anyio.to_thread import run_sync
from fastapi import APIRouter, FastAPI

from service.clock import Clock, SystemClock
from service.database import Database
from service.entrance import Entrance
from service.errors import install_handlers, problem_responses
from service.health import router as health
from service.jobs.routes import router as jobs
from service.jobs.runtime import Jobs
from service.keys.repository import Keyring, Scope
from service.keys.routes import router as keys
from service.keys.vigil import Vigil
from service.middleware import BodyLimits, Requests
from service.models.acting import Acting
from service.models.operations import Models
from service.models.routes import router as models
from service.monitors.operations import Monitors
from service.monitors.routes import router as monitors
from service.openenv.routes import router as openenv
from service.pages.routes import install_pages
from service.pages.visitors import turned_away
from service.platform import Platform, Resource
from service.scenarios.catalogue import Catalogue
from service.scenarios.routes import router as scenarios
from service.schedules.operations import Schedules
from service.schedules.routes import router as schedules
from service.security import Doorkeeper, cookie_secret
from service.sessions.commands import CommandDoor
from service.sessions.operations import Sessions
from service.sessions.routes import router as sessions
from service.sessions.sources import ModelSource
from service.settings import Settings
from service.stopping import Stopping
from service.webhooks.operations import Webhooks
from service.webhooks.routes import router as webhooks

_ROUTERS: tuple[APIRouter, ...] = (
    keys,
    scenarios,
    models,
    sessions,
    jobs,
    monitors,
    schedules,
    webhooks,
)
"""Under /v1."""

_log = structlog.get_logger("surrogym.app")
_ABOUT = """Step environments over true simulators and surrogates, run training jobs, and keep
policies good while the system changes. Send a key as `Authorization: Bearer sgk_...`."""


def create_app(settings: Settings, clock: Clock | None = None) -> FastAPI:
    """The whole service as an ASGI app; it starts and stops with the app's lifespan."""
    platform = Platform(
        settings=settings,
        database=Database(settings.database),
        clock=clock or SystemClock(),
    )
    app = FastAPI(
        title="Surrogym",
        version=version("surrogym"),
        description=_ABOUT,
        lifespan=_lifespan(platform),
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    app.state.platform = platform
    app.state.resources = []
    app.include_router(health)
    for router in _ROUTERS:
        app.include_router(router, prefix="/v1", responses=problem_responses())
    app.include_router(openenv)
    install_pages(app)
    install_handlers(app)
    # The last is the first that a request meets.
    app.add_middleware(CommandDoor)
    app.add_middleware(BodyLimits, limits=settings.limits, larger=_for_artefacts)
    app.add_middleware(Entrance, is_open=_is_open, turned_away=turned_away)
    app.add_middleware(Requests, metrics=platform.requests)
    return app


def _lifespan(platform: Platform) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        settings = platform.settings
        settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        await run_sync(platform.database.upgrade)
        keyring = Keyring(platform.database, platform.clock)
        if settings.key is not None:
            secret = settings.key.get_secret_value()
            await run_sync(lambda: keyring.adopt(secret, name="operator", owner="operator"))
        app.state.keyring = keyring
        app.state.doorkeeper = Doorkeeper(
            keyring, platform.clock, settings.limits, cookie_secret(settings.data)
        )
        parts = _parts(platform, keyring)
        resources = [part for part in parts.values() if isinstance(part, Resource)]
        for name, part in parts.items():
            setattr(app.state, name, part)
        async with AsyncExitStack() as stack:
            stack.callback(platform.database.close)
            started: list[Resource] = []
            stack.push_async_callback(_stop, started, platform.stopping)
            for resource in resources:
                await resource.start()
                started.append(resource)
            app.state.resources = resources
            yield
            platform.stopping.set()

    return lifespan


async def _stop(started: list[Resource], stopping: Stopping) -> None:
    """All at once: one that takes long takes no time from the others."""
    seconds = stopping.seconds_left
    ends = (resource.stop(seconds) for resource in started)
    for failure in await asyncio.gather(*ends, return_exceptions=True):
        if isinstance(failure, BaseException):
            _log.error("stopping failed", exc_info=failure)


def _parts(platform: Platform, keyring: Keyring) -> dict[str, object]:
    """By the names under which routes find them, each after what it stands on."""
    catalogue = Catalogue(platform.settings.data / "scenarios")
    models = Models(platform, catalogue)
    jobs = Jobs(platform, catalogue, models)
    webhooks = Webhooks(platform, models, jobs)
    monitors = Monitors(platform, catalogue, models)
    return {
        "vigil": Vigil(keyring),
        "catalogue": catalogue,
        "models": models,
        "acting": Acting(platform, models),
        "sessions": Sessions(platform, catalogue, [ModelSource(models)]),
        "jobs": jobs,
        "webhooks": webhooks,
        "monitors": monitors,
        "schedules": Schedules(platform, catalogue, models, jobs, monitors, webhooks),
    }


def _for_artefacts(path: str) -> Scope | None:
    """What a key must hold to send an artefact to a path; None where none is sent."""
    return "train" if path.startswith("/v1/models/") and path.endswith("/versions") else None


def _is_open(path: str) -> bool:
    """Where a body may come without a key: with one in it, or from OpenEnv's validator."""
    return path == "/sign-in" or (path.startswith("/openenv/") and path.endswith("/mcp"))
