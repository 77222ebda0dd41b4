"""A service with something on each page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from service.clock import HandClock
from tests.service.clinic import Clinic, settle, watch
from tests.service.conftest import InProcess, StartInProcess


@pytest.fixture
def alarmed(
    in_process: StartInProcess, clinic: Clinic, calibrations: Path, tmp_path: Path
) -> Callable[..., tuple[InProcess, str]]:
    """Starts a service whose monitor of the clinic has raised an alarm; its place on the pages."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "calibrations").symlink_to(calibrations)

    def start() -> tuple[InProcess, str]:
        service = in_process(HandClock())
        place = watch(service, clinic)
        quiet, loud = clinic.days(6), clinic.days(10, first=6, arrival_scale=1.35)
        for day in [*quiet, *loud[:2], loud[2][:5], *loud[3:]]:
            service.client.post(f"{place}/epochs", json={"epochs": day})
        assert service.clock is not None
        service.clock.advance(7200)
        settle(service.app.state.monitors)
        assert service.client.get(place).json()["state"] == "alarm"
        return service, place.removeprefix("/v1")

    return start
