"""The pages in a real browser: signed in, with the keyboard, on a phone, in the dark, live."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from service.client import Client
from tests.service.chaos.victim import Victim
from tests.service.chaos.zygote import Zygote
from tests.service.clinic import Clinic
from tests.service.conftest import KEY, Served
from tests.service.jobs.light import Plan
from tests.service.pages.conftest import alarmed_clinic
from tests.service.test_models import saved

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

pytestmark = pytest.mark.browser

PAGES = ("/", "/jobs", "/monitors", "/models", "/models/clinic-policy", "/by-hand")
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
    sign_in(browser, site[0].address)
    yield browser
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.fixture
def learning(tmp_path: Path) -> Iterator[Victim]:
    """A service whose jobs are light."""
    environment = {"SURROGYM_JOBS__CORES": "1", "SURROGYM_JOBS__POLL_SECONDS": "0.05"}
    with closing(Zygote()) as zygote:
        victim = Victim(zygote, tmp_path, environment)
        yield victim.start()
        victim.kill()


def sign_in(browser: Chrome, address: str) -> None:
    """By the keyboard alone."""
    from selenium.webdriver.common.keys import Keys

    browser.get(f"{address}/sign-in")
    browser.find_element("name", "key").send_keys(KEY, Keys.ENTER)
    until(browser, lambda: "Overview" in browser.title)


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


def press(browser: Chrome, key: str, where: str) -> None:
    """Go from link to field to button until one is meant, and press a key there."""
    from selenium.webdriver.common.keys import Keys

    is_there = f"return document.activeElement.matches({json.dumps(where)})"
    for _ in range(60):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.execute_script(is_there):
            assert browser.execute_script(OUTLINE) >= 2, f"{where} does not look reached"
            browser.switch_to.active_element.send_keys(key)
            return
    raise AssertionError(f"the keyboard does not reach {where}")


OUTLINE = "return parseFloat(getComputedStyle(document.activeElement).outlineWidth) || 0"


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
SHADE = """
const shade = (colour) => {
  const parts = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
    const share = part / 255;
    return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
};
const between = (one, other) => {
  const [dark, light] = [shade(one), shade(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
};
const ground = getComputedStyle(document.body).backgroundColor;
"""
CONTRAST = SHADE + "return between(getComputedStyle(document.body).color, ground);"
STROKE = (
    SHADE + "return between(getComputedStyle(document.querySelector('path.line')).stroke, ground);"
)


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


def test_a_model_tells_its_past_and_is_rolled_back_with_the_keyboard(
    page: Chrome, site: tuple[Served, str], tmp_path: Path
) -> None:
    """Whoever is asked why this policy is in charge finds it here, on a phone in the night too."""
    from selenium.webdriver.common.keys import Keys

    served, _ = site
    folder = saved(tmp_path / "policy", 2, data="days of March")
    with Client(served.address, KEY) as client:
        client.models.upload("clinic-policy", folder, kind="policy", system="clinic")
        seen = client.models.alias("clinic-policy", "champion")
        client.models.move("clinic-policy", "champion", 2, "fewer nurses at night", seen=seen)
    look_like(page, PHONE, "dark")
    page.get(f"{served.address}/models")
    press(page, Keys.ENTER, "a[href='/models/clinic-policy']")
    until(page, lambda: page.current_url.endswith("/models/clinic-policy"))
    assert "data\ndays of March" in said(page, "details:nth-of-type(1)")
    assert "uploaded by\noperator" in said(page, "details:nth-of-type(1)")
    press(page, Keys.SPACE, "details:nth-of-type(2) > summary")
    assert "in charge" in said(page, "details:nth-of-type(2)")
    (last, first) = rows(page, "Moves of aliases")
    assert last[1:] == ["champion", "1 → 2", "operator (operator)", "fewer nurses at night"]
    assert first[1:] == ["champion", "– → 1", "operator (operator)", "the first"]
    keep(page, "model-phone")
    page.get(page.current_url)
    press(page, "worse at noon", "#reason-champion")
    press(page, Keys.ENTER, "button.careful")
    until(page, lambda: "worse at noon" in said(page))
    assert rows(page, "Moves of aliases")[0][1:3] == ["champion", "2 → 1"]
    assert "version 1" in said(page, ".card")
    for size, scheme in ((WIDE, "light"), (PHONE, "dark")):
        look_like(page, size, scheme)
        assert page.execute_script(WIDTH) <= size[0]
        assert page.execute_script(CONTRAST) >= 7
    look_like(page, WIDE, "light")
    keep(page, "model-wide")


def rows(browser: Chrome, region: str) -> list[list[str]]:
    """What a table says."""
    found: list[list[str]] = browser.execute_script(ROWS, region)
    return found


ROWS = """
const cells = (row) => [...row.cells].map((cell) => cell.innerText.trim());
return [...document.querySelectorAll(`[aria-label='${arguments[0]}'] tbody tr`)].map(cells);
"""


def test_a_curve_grows_as_a_job_learns(browser: Chrome, learning: Victim) -> None:
    """Drawn further without loading the page anew, and kept when the job is cancelled by keys."""
    from selenium.webdriver.common.keys import Keys

    with learning.client() as client:
        title = Plan(steps=400, pause=0.1, learns=True).title()
        job = client.jobs.submit({"kind": "collect", "scenario": "clinic", "title": title}).id
    sign_in(browser, learning.address)
    look_like(browser, PHONE, "dark")
    browser.get(f"{learning.address}/jobs/{job}")
    browser.execute_script("window.sameDocument = true")
    begun = until(browser, lambda: len(corners(browser)) > 1 and corners(browser))
    until(browser, lambda: len(corners(browser)) >= len(begun) + 10)
    assert browser.execute_script("return window.sameDocument")
    assert all(low <= high for high, low in pairwise(corners(browser))), "it learns, upwards"
    assert browser.execute_script(WIDTH) <= PHONE[0]
    assert browser.execute_script(CONTRAST) >= 7
    assert browser.execute_script(STROKE) >= 3
    keep(browser, "curve-phone")
    look_like(browser, WIDE, "light")
    assert browser.execute_script(STROKE) >= 3
    keep(browser, "curve-wide")
    press(browser, Keys.ENTER, "button[value=cancel]")
    until(browser, lambda: said(browser, "[role=status]").startswith("cancelled"))
    assert len(corners(browser)) > len(begun)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def corners(browser: Chrome) -> list[float]:
    """Heights of the curve's points, from above, as they are drawn."""
    drawn = browser.execute_script(
        "return document.querySelector('path.line')?.getAttribute('d') || ''"
    )
    return [float(each.split()[1]) for each in re.findall(r"[ML]([-0-9.]+ [-0-9.]+)", drawn)]


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
