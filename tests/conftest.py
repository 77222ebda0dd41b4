"""Fixtures that several folders share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Generator, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.systems import unchecked

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

_CHECKED = ("sim", "envs", "surrogates", "training")
"""Folders whose tests run with every shape checked, but for those marked as long."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Check shapes in short tests: they double a long one's time and tell it nothing new."""
    folder = item.path.relative_to(Path(__file__).parent).parts[0]
    is_checked = folder in _CHECKED and item.get_closest_marker("long") is None
    with nullcontext() if is_checked else unchecked():
        return (yield)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """A real headless Chromium; skips where there is none, unless one is required."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        message = "chromium and chromedriver are needed: on Debian, apt install chromium-driver"
        if os.environ.get("SURROGYM_REQUIRE_BROWSER") == "1":
            pytest.fail(message)
        pytest.skip(message)
    from selenium.webdriver import Chrome, ChromeOptions
    from selenium.webdriver.chrome.service import Service

    options = ChromeOptions()
    options.binary_location = chromium
    profile = tmp_path_factory.mktemp("profile")
    for argument in (
        "headless", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", "window-size=1100,1400",
        f"user-data-dir={profile}",
    ):  # fmt: skip
        options.add_argument(f"--{argument}")
    window = Chrome(options=options, service=Service(executable_path=driver))
    yield window
    window.quit()
