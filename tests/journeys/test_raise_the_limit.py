"""The owner of the process raises a limit in a form and sees what that would have changed. Nobody changes production
alone, the next call goes by it, and there is a way back.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.journeys.conftest import PATIENCE_MS, USUAL_PATIENCE_MS, Seat
from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole, until

pytestmark = [pytest.mark.browser, pytest.mark.mesh]

LIMIT = "Euro credit memos an agent may post alone, up to (EUR)"
# Of the three calls before it, the two above the old limit.
IMPACT = "2 decisions would no longer ask anyone (€300.00)."
BEFORE, AFTER = "up to €30.00 or up to $30.00", "up to €400.00 or up to $30.00"


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """An installation of its own: others count on the limits as they are."""
    console = LiveConsole(tmp_path_factory.mktemp("limits"))
    try:
        console.start_all()
        yield console
    finally:
        console.stop()


@pytest.fixture
def sit(own: LiveConsole, new_context: Callable[..., BrowserContext]) -> Iterator[Callable[[str], Seat]]:
    seats: list[Seat] = []

    def take(username: str) -> Seat:
        seats.append(Seat(new_context().new_page(), own, username))
        return seats[-1]

    expect.set_options(timeout=PATIENCE_MS)
    yield take
    expect.set_options(timeout=USUAL_PATIENCE_MS)
    assert [trouble for taken in seats for trouble in taken.trouble] == []


def asked(live: LiveConsole, amount: str = "180.00") -> tuple[str, int]:
    """What becomes of a credit now, and under which version of the policies."""
    [number] = live.bill_new()
    with live.agent("o2c-triage") as agent:
        call: dict[str, Any] = agent.post("/api/v1/tool-calls", json=credit(number, amount)).json()
    return call["decision"]["outcome"], call["decision"]["policies"][0]["version"]


def test_a_limit_is_raised_by_two_and_taken_back_by_two(own: LiveConsole, sit: Callable[[str], Seat]) -> None:
    assert asked(own) == ("require_approval", 1)
    assert asked(own, "120.00") == ("require_approval", 1)
    assert asked(own, "20.00") == ("allow", 1)
    priya, carla = sit("priya"), sit("carla")

    _raise(priya)
    review = priya.page.url.removeprefix(priya.url)
    approval = _cannot_approve(priya)
    assert asked(own) == ("require_approval", 1)

    expect(carla.open(review).page.get_by_role("region", name="Impact")).to_contain_text(IMPACT)
    _approve(carla, approval, "Release new policies “order-to-cash” to production")
    _is_released(priya, 2)
    assert asked(own) == ("allow", 2)

    approval = _roll_back(priya)
    assert asked(own) == ("allow", 2)
    _approve(carla, approval, "Roll the policies “order-to-cash” back to version 1 in production")
    _is_released(priya, 3)
    assert asked(own) == ("require_approval", 3)
    _history_tells_it(priya)


def _raise(priya: Seat) -> None:
    page = priya.open("/policies/").page
    page.get_by_role("table", name="Policies").get_by_role("link", name="order-to-cash").click()
    page.get_by_role("button", name="Start a draft").click()
    expect(page.get_by_label("Cedar text")).to_have_count(0)
    checks = page.get_by_role("region", name="Checks")

    # above the next limit no call could reach the rule between them; it is said while she types
    page.get_by_label(LIMIT).fill("6000.00")
    expect(checks.get_by_role("alert")).to_contain_text("One side of an “or” in it contradicts itself")
    page.get_by_label(LIMIT).fill("400.00")
    expect(checks.locator("del").filter(has_text=BEFORE)).to_have_count(1)
    expect(checks.locator("ins").filter(has_text=AFTER)).to_have_count(1)
    page.get_by_label("What it is for").fill("Small ones are never refused")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Add test cases around each threshold").click()
    expect(checks).to_contain_text("Ready to be reviewed")
    _replay(priya)
    page.get_by_role("button", name="Send for review").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Release new policies “order-to-cash” to production")


def _replay(priya: Seat) -> None:
    """What it would have made of the last thirty days, and the calls behind the number."""
    page = priya.page
    page.get_by_role("region", name="Impact").get_by_role("button", name="Replay").click()
    impact = page.get_by_role("region", name="Impact")
    expect(impact).to_contain_text("Done")
    impact.get_by_role("link", name=IMPACT).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(IMPACT)
    expect(page.get_by_role("table", name="Decisions").get_by_role("row")).to_have_count(3)
    page.go_back()


def _cannot_approve(priya: Seat) -> str:
    """She sees it and has no button for it."""
    expect(priya.page.get_by_role("main")).to_contain_text("In review")
    priya.page.get_by_role("link", name="Decide it in the inbox").click()
    expect(priya.title).to_be_visible()
    expect(priya.verb("Approve")).to_have_count(0)
    return priya.page.url.removeprefix(priya.url)


def _approve(carla: Seat, approval: str, title: str) -> None:
    carla.open(approval)
    expect(carla.title).to_have_text(title)
    expect(carla.card).to_contain_text(AFTER)
    carla.verb("Approve").click()
    carla.sheet.get_by_role("button", name=re.compile("^Approve")).click()
    expect(carla.sheet).to_have_count(0)


def _is_released(priya: Seat, version: int) -> None:
    tag = priya.page.get_by_role("row").filter(has=priya.page.get_by_role("link", name=f"Version {version}"))
    until(
        lambda: priya.open("/policies/order-to-cash/") and tag.filter(has_text="Live in production").count(),
        f"version {version} decides in production",
    )


def _roll_back(priya: Seat) -> str:
    page = priya.open("/policies/order-to-cash/versions/1/").page
    panel = page.get_by_role("region", name="Roll back")
    panel.get_by_label("Why").fill("Too many went wrong")
    panel.get_by_role("button", name="Ask for the rollback").click()
    return _cannot_approve(priya)


def _history_tells_it(priya: Seat) -> None:
    history = priya.page.get_by_role("table", name="History")
    expect(history).to_contain_text("production: version 2 → version 3")
    expect(history).to_contain_text("brings back version 1")
    expect(history.get_by_role("row").filter(has_text="Small ones are never refused")).to_contain_text("Carla Meyer")
    priya.open("/policies/order-to-cash/diff/?from=2&to=3")
    priya.press("n")
    expect(priya.page.locator("#rule-credit-alone")).to_be_focused()
    priya.press("n")
    expect(priya.page.locator("#rule-credit-finance")).to_be_focused()
    priya.press("p")
    expect(priya.page.locator("#rule-credit-alone")).to_be_focused()
