"""A service with something on each page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service.app import create_app
from service.clock import HandClock
from service.settings import Settings
from tests.service.clinic import Clinic, settle, watch
from tests.service.conftest import KEY, InProcess


@contextmanager
def alarmed_clinic(
    data: Path, clinic: Clinic, calibrations: Path
) -> Iterator[tuple[InProcess, str]]:
    """A service whose monitor of the clinic has raised an alarm; its place on the pages."""
    data.mkdir()
    (data / "calibrations").symlink_to(calibrations)
    settings, clock = Settings(data=data, key=SecretStr(KEY)), HandClock()
    app = create_app(settings, clock)
    with TestClient(app, headers={"Authorization": f"Bearer {KEY}"}) as client:
        service = InProcess(app=app, client=client, settings=settings, clock=clock)
        place = watch(service, clinic)
        quiet, loud = clinic.days(6), clinic.days(10, first=6, arrival_scale=1.35)
        for day in [*quiet, *loud[:2], loud[2][:5], *loud[3:]]:
            client.post(f"{place}/epochs", json={"epochs": day})
        clock.advance(7200)
        settle(app.state.monitors)
        assert client.get(place).json()["state"] == "alarm"
        yield service, place.removeprefix("/v1")


@pytest.fixture
def alarmed(
    clinic: Clinic, calibrations: Path, tmp_path: Path
) -> Iterator[Callable[[], tuple[InProcess, str]]]:
    """Starts one."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(alarmed_clinic(tmp_path / "data", clinic, calibrations))
