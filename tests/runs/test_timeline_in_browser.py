"""The timeline in a browser: how soon ten and fifty thousand steps can be read, and by keys alone."""

from typing import Any

import pytest
from django.conf import settings
from playwright.sync_api import Page, expect

from apps.runs.models import Run
from tests.access.scene import Scene
from tests.accessibility.looking import Looker
from tests.conftest import Robot
from tests.runs.crowds import long_run

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_ROWS = 80
# From the click to the last row at hand, times three, so that a machine that is busy with other work does not fail.
MOST_MS = {10_000: 3_000, 50_000: 9_000}
READY = "() => performance.getEntriesByName('timeline-ready')[0]?.startTime"
ROWS = "() => document.querySelectorAll('#timeline-grid tbody tr:not(.timeline__spacer)').length"


def sign_in(page: Page, url: str) -> None:
    session = Scene().client_of("omar").cookies[settings.SESSION_COOKIE_NAME].value
    page.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": url}])


def opened(page: Page, url: str, run: Run, query: str = "") -> float:
    page.goto(f"{url}/runs/{run.id}/?view=timeline{query}")
    page.wait_for_function(READY, timeout=60_000)
    ready: float = page.evaluate(READY)
    return ready


def test_ten_and_fifty_thousand_steps(live_server: Any, page: Page, writer: Robot) -> None:
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    sign_in(page, live_server.url)
    for count, most in MOST_MS.items():
        Run.objects.all().delete()
        run = long_run(count)
        opened(page, live_server.url, run)
        ready = min(opened(page, live_server.url, run) for _ in range(2))
        print(f"\n{count:,} steps ready after {ready:.0f} ms, {page.evaluate(ROWS)} rows in the page")
        assert ready < most
        assert page.evaluate(ROWS) <= MOST_ROWS
        expect(page.locator("#timeline-count")).to_contain_text(f"{count:,}")
    _scroll_and_filter(page)
    assert wrong == []


def _scroll_and_filter(page: Page) -> None:
    grid = page.get_by_role("treegrid", name="Timeline")
    page.get_by_label("What kind").select_option("tool")
    page.get_by_label("Find in steps").fill("tool_37")
    expect(page.locator("#timeline-count")).to_contain_text("of 50,000")
    expect(grid.get_by_role("row").nth(1)).to_contain_text("tool_37")
    page.get_by_label("Find in steps").fill("")
    page.get_by_label("Only the path to the error").check()
    page.wait_for_url("**errors=1**")
    assert page.evaluate(ROWS) <= MOST_ROWS
    before = page.evaluate("() => performance.now()")
    page.evaluate("() => document.querySelector('#main').scrollTo(0, 1e9)")
    page.wait_for_timeout(50)
    print(f"scrolled to the end within {page.evaluate('() => performance.now()') - before:.0f} ms")
    assert page.evaluate(ROWS) <= MOST_ROWS


def test_it_is_read_by_keys_and_by_axe(live_server: Any, page: Page, writer: Robot) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("omar")
    run = long_run(400)
    looker.go(f"/runs/{run.id}/?view=timeline")
    page.wait_for_function(READY)
    grid = page.get_by_role("treegrid", name="Timeline")
    first = grid.get_by_role("row").nth(1)
    first.focus()
    expect(first).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowLeft")
    expect(first).to_have_attribute("aria-expanded", "false")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("() => document.activeElement.getAttribute('aria-level')") == "2"
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="Step")).to_contain_text("erp.tool_0")
    page.keyboard.press("End")
    page.wait_for_function("() => document.activeElement.closest('tr')?.getAttribute('aria-rowindex') > 60")
    looker.look("a timeline of 400 steps")
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_url("**to=**")
    looker.look("zoomed in")

    assert "\n".join(looker.found) == ""
