"""All that is laid down at a stop shares one time, which begins when the stop is asked for."""

from __future__ import annotations

import stat
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from service import stopping
from service.app import create_app
from service.keys.vigil import Vigil
from service.settings import Settings
from service.stopping import Stopping, join_all
from tests.service.conftest import KEY


def test_time_runs_from_the_first_word(monkeypatch: pytest.MonkeyPatch) -> None:
    """Being told again gives no more of it."""
    now = 100.0
    monkeypatch.setattr(stopping, "time", SimpleNamespace(monotonic=lambda: now))
    end = Stopping(9.0)
    now = 200.0
    assert end.seconds_left == 9.0
    end.set()
    now = 204.0
    end.set()
    assert end.seconds_left == 5.0
    now = 300.0
    assert end.seconds_left == 0.0


def test_threads_that_do_not_end_share_one_time() -> None:
    """However many of them there are."""
    ends = threading.Event()
    threads = [threading.Thread(target=ends.wait, daemon=True) for _ in range(20)]
    for thread in threads:
        thread.start()
    began = time.monotonic()
    join_all(threads, 0.2)
    assert 0.15 < time.monotonic() - began < 2.0
    assert all(thread.is_alive() for thread in threads)
    ends.set()
    join_all(threads, 10.0)
    assert not any(thread.is_alive() for thread in threads)


def test_what_fails_to_stop_keeps_nothing_else_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told in the log; the rest is laid down."""

    async def fails(_: Vigil, seconds: float) -> None:
        raise RuntimeError(f"not within {seconds} seconds")

    monkeypatch.setattr(Vigil, "stop", fails)
    app = create_app(Settings(data=tmp_path / "data", key=SecretStr(KEY)))
    with TestClient(app):
        assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    state = app.state
    assert not state.schedules.scheduler.is_well
    assert not state.jobs.supervisor.is_well
    assert not state.monitors.supervisor.is_well
