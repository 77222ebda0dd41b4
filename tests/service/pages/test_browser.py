"""The pages in a real browser: signed in, with the keyboard, on a phone, in the dark, live."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.service.clinic import Clinic
from tests.service.conftest import KEY, Served
from tests.service.pages.conftest import alarmed_clinic

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.browser

PAGES = ("/", "/jobs", "/monitors", "/models", "/by-hand")
WIDE, PHONE = (1100, 1400), (390, 844)
KEPT = os.environ.get("SURROGYM_SCREENSHOTS")
"""A folder for pictures of every page, for people to look at."""


@pytest.fixture(scope="module")
def site(
    clinic: Clinic, calibrations: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Served, str]]:
    """The service with an alarm, in a process of its own, and the monitor's place."""
    data = tmp_path_factory.mktemp("site") / "data"
    with alarmed_clinic(data, clinic, calibrations) as (_, place):
        pass
    served = Served(data=data, environment={"SURROGYM_KEY": KEY})
    with closing(served):
        yield served.start(), place


@pytest.fixture
def page(browser: Chrome, site: tuple[Served, str]) -> Iterator[Chrome]:
    """A browser that is signed in by the keyboard alone."""
    from selenium.webdriver.common.keys import Keys

    served, _ = site
    browser.get(f"{served.address}/sign-in")
    browser.find_element("name", "key").send_keys(KEY, Keys.ENTER)
    until(browser, lambda: "Overview" in browser.title)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def until(browser: Chrome, is_so: Callable[[], Any], seconds: float = 30.0) -> Any:
    from selenium.webdriver.support.wait import WebDriverWait

    return WebDriverWait(browser, seconds).until(lambda _: is_so())


def look_like(browser: Chrome, size: tuple[int, int], scheme: str) -> None:
    """A screen of that size, with a reader who likes it light or dark."""
    width, height = size
    screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    wish = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wish)


def said(browser: Chrome, where: str = "main") -> str:
    """What a part of the page says; asked in one go, as parts are replaced while one looks."""
    return str(browser.execute_script(f"return document.querySelector('{where}')?.innerText || ''"))


def keep(browser: Chrome, name: str) -> None:
    if KEPT:
        Path(KEPT).mkdir(parents=True, exist_ok=True)
        browser.save_screenshot(f"{KEPT}/{name}.png")


def complaints(browser: Chrome) -> list[str]:
    """What the browser's console says is wrong."""
    return [str(entry["message"]) for entry in browser.get_log("browser")]


def test_every_page_fits_a_phone_in_the_dark_and_loads_nothing_from_elsewhere(
    page: Chrome, site: tuple[Served, str]
) -> None:
    """Nobody scrolls sideways, the text stands out from its ground, and no other host is asked."""
    served, monitor = site
    page.get_log("browser")
    for path in (*PAGES, monitor):
        for size, scheme in ((WIDE, "light"), (PHONE, "dark")):
            look_like(page, size, scheme)
            page.get(served.address + path)
            kind = "phone" if size == PHONE else "wide"
            keep(page, f"{path.strip('/').replace('/', '-') or 'overview'}-{kind}")
            assert page.execute_script(WIDTH) <= size[0], path
            assert page.execute_script(CONTRAST) >= 7, path
            hosts = page.execute_script(HOSTS)
            assert {host for host in hosts if host} == {served.address.split("//")[1]}, path
    assert complaints(page) == []


WIDTH = "return document.documentElement.scrollWidth"
HOSTS = "return performance.getEntriesByType('resource').map(e => new URL(e.name).host)"
CONTRAST = """
const shade = (colour) => {
  const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const style = getComputedStyle(document.body);
const [dark, light] = [shade(style.color), shade(style.backgroundColor)].sort();
return (light + 0.05) / (dark + 0.05);
"""


def test_an_alarm_is_read_and_acknowledged(page: Chrome, site: tuple[Served, str]) -> None:
    """From the overview by its link, to the form, and it drifts no more."""
    served, monitor = site
    look_like(page, WIDE, "light")
    page.get(served.address)
    page.find_element("link text", "front desk").click()
    until(page, lambda: page.current_url.endswith(monitor))
    legend = page.find_element("css selector", "figure figcaption").text
    assert "arrivals: registration" in legend
    drawn = page.find_elements("css selector", "figure path.line")
    assert len(drawn) >= 2
    assert all(path.rect["width"] > 20 for path in drawn)
    page.find_element("id", "reason").send_keys("a street festival")
    page.find_element("css selector", "button[value=acknowledge]").click()
    until(page, lambda: "street festival" in said(page))
    page.get(served.address)
    assert "No monitor asks for anybody" in said(page)


def test_a_job_is_watched_as_it_goes(page: Chrome, site: tuple[Served, str]) -> None:
    """Its page turns from waiting to done by itself, and shows what was made."""
    served, _ = site
    spec = {"kind": "collect", "scenario": "clinic", "episodes": 4, "title": "a few days"}
    job = served.client().post("/v1/training-jobs", json=spec).json()["id"]
    look_like(page, WIDE, "light")
    page.get(f"{served.address}/jobs/{job}")
    page.execute_script("window.sameDocument = true")
    until(page, lambda: said(page, "[role=status]").strip() == "done", 60.0)
    assert "transitions" in said(page)
    assert page.execute_script("return window.sameDocument")
    keep(page, "job-wide")


def test_an_environment_is_stepped_with_the_keyboard(
    page: Chrome, site: tuple[Served, str]
) -> None:
    """Begun, stepped and read without a mouse."""
    from selenium.webdriver.common.keys import Keys

    served, _ = site
    look_like(page, PHONE, "dark")
    page.get(f"{served.address}/by-hand")
    page.find_element("css selector", "main form button").send_keys(Keys.ENTER)
    until(page, lambda: "/by-hand/ses_" in page.current_url)
    page.find_element("css selector", "main form button").send_keys(Keys.ENTER)
    until(page, lambda: "Last epoch" in said(page))
    assert page.execute_script(WIDTH) <= PHONE[0]
    keep(page, "session-phone")
