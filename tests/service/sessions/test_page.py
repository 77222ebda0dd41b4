"""What the service sees of a worker while it works."""

from __future__ import annotations

import multiprocessing
import time
from mmap import mmap
from multiprocessing.synchronize import Event

from service.sessions.page import SIZE, Page


def _play(page: Page, until: Event) -> None:
    while not until.is_set():
        for _ in range(1000):
            page.begin(7)
            page.end()


def test_no_look_shows_a_session_with_a_time_that_is_not_its_own() -> None:
    """A worker would be killed for a command that it had just begun."""
    page = Page(mmap(-1, SIZE))
    context = multiprocessing.get_context("fork")
    until = context.Event()
    worker = context.Process(target=_play, args=(page, until))
    worker.start()
    while page.look()[0] == 0:
        assert worker.is_alive()
    played, deadline = 0, time.monotonic() + 1.0
    try:
        while time.monotonic() < deadline:
            handle, since = page.look()
            if handle:
                played += 1
                assert handle == 7
                assert time.monotonic_ns() - since < 10_000_000_000
    finally:
        until.set()
        worker.join(10)
    assert played > 100
    page.close()
