"""All pages, and what they load."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.staticfiles import StaticFiles

from service.pages import by_hand, jobs, models, monitors, overview, visitors

_ROUTERS: tuple[APIRouter, ...] = (
    visitors.router,
    overview.router,
    jobs.router,
    monitors.router,
    models.router,
    by_hand.router,
)


def install_pages(app: FastAPI) -> None:
    """Add the pages to an app."""
    visitors.install_sign_in(app)
    for router in _ROUTERS:
        app.include_router(router)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"), name="static")
