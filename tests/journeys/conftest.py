"""One live installation for the journeys, the finance team that works in it, and their browsers."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import BrowserContext, Locator, Page, expect

from examples.order_to_cash.world import customers
from tests.journeys.desk import Desk
from tests.live import LiveConsole, until

FELIX = {
    "username": "felix",
    "email": "felix@example.com",
    "name": "Felix Braun",
    "password": None,
    "teams": ["finance-approvers"],
    "roles": [{"role": "approver", "process": "order-to-cash"}],
}
LARGE_CREDITS = '@id("credit-cfo")'
ONE_OF_FINANCE, TWO_OF_FINANCE = "finance-approvers:1, cfo-office:1", "finance-approvers:2, cfo-office:1"
# Counts what hands do on a page: single keys with their modifiers, and presses of a mouse or a finger.
COUNT_HANDS = """
  window.hands = {keys: 0, presses: 0};
  const isModifier = (key) => ["Control", "Shift", "Alt", "Meta"].includes(key);
  addEventListener("keydown", (event) => { if (event.isTrusted && !isModifier(event.key)) hands.keys += 1; }, true);
  addEventListener("pointerdown", (event) => { if (event.isTrusted) hands.presses += 1; }, true);
"""
# How long a browser is waited for: it shares the machine with a whole installation. The usual is Playwright's own.
PATIENCE_MS, USUAL_PATIENCE_MS = 15_000, 5_000
RULES = "/api/v1/processes/order-to-cash/approval-rules"


@pytest.fixture(scope="session")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveConsole]:
    """Web server, worker, beat and the example's ERP, with the order-to-cash world loaded."""
    console = LiveConsole(tmp_path_factory.mktemp("live"))
    try:
        console.start_all()
        yield console
    finally:
        console.stop()


@pytest.fixture(scope="session")
def finance_world(live: LiveConsole) -> LiveConsole:
    """The same with its CRM, a second finance approver, and large credits that need both of them before the CFO
    office.
    """
    world = json.loads((live.home / "world.json").read_text())
    world["people"].append(FELIX)
    for policy in world["policies"]:
        others, mark, large = policy["text"].partition(LARGE_CREDITS)
        policy["text"] = others + mark + large.replace(ONE_OF_FINANCE, TWO_OF_FINANCE, 1)
    live.load(world)
    live.start_crm()
    with live.crm() as crm:
        crm.post("/customers/import", json={"customers": customers()}).raise_for_status()
    return live


@pytest.fixture
def finance(finance_world: LiveConsole) -> Iterator[LiveConsole]:
    """The console a finance team works in. Nothing waits for anybody in it, before and after."""
    _take_back_what_waits(finance_world)
    yield finance_world
    _take_back_what_waits(finance_world)


def _take_back_what_waits(live: LiveConsole) -> None:
    agents = {slug: live.agent(slug) for slug in ("o2c-triage", "o2c-collections")}
    with live.person("chen") as chen:
        until(lambda: not _taken_back(chen, agents), "nothing waits any more")
    for agent in agents.values():
        agent.close()


def _taken_back(chen: httpx.Client, agents: dict[str, httpx.Client]) -> int:
    """How many waited, until their agents took them back."""
    shown: dict[str, Any] = {"view": "all", "state": ["pending", "changes_requested"], "limit": 200}
    waiting = chen.get("/api/v1/approvals", params=shown).json()["items"]
    for approval in waiting:
        agents[approval["agent"]].post(f"/api/v1/tool-calls/{approval['subject']['id']}/cancel")
    return len(waiting)


@pytest.fixture
def released_soon(finance: LiveConsole) -> Iterator[None]:
    """Votes are held back for one second in place of ten, for journeys in which nobody takes one back."""
    with finance.person("priya") as priya:
        usual = priya.get(RULES).json()["undo_seconds"]
        priya.patch(RULES, json={"undo_seconds": 1}).raise_for_status()
        yield
        priya.patch(RULES, json={"undo_seconds": usual}).raise_for_status()


class Seat(Desk):
    """A person at the inbox of the live console, signed in by name and password."""

    def __init__(self, page: Page, live: LiveConsole, username: str) -> None:
        self.page, self.url = page, live.url
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._hear)
        page.add_init_script(COUNT_HANDS)
        page.goto(f"{live.url}/accounts/login/")
        page.get_by_label("Username or email").fill(username)
        page.get_by_label("Password").fill(live.passwords[username])
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/inbox/"))

    @property
    def sheet(self) -> Locator:
        return self.page.get_by_role("dialog")

    def open(self, path: str = "/inbox/") -> "Seat":
        self.page.goto(self.url + path)
        return self

    def settled(self) -> None:
        """What was swapped in obeys htmx 20 ms after it is there. No person is faster; a test is."""
        expect(self.page.locator(".htmx-request, .htmx-swapping, .htmx-settling")).to_have_count(0)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def hands(self) -> dict[str, int]:
        """How often a key and the pointer were pressed since this was last asked, on this page."""
        counted: dict[str, int] = self.page.evaluate("() => Object.assign({}, hands)")
        self.page.evaluate("() => Object.assign(hands, {keys: 0, presses: 0})")
        return counted

    def tab_to(self, target: Locator, *, most: int) -> None:
        """Reach it with the Tab key, within so many presses."""
        expect(target).to_be_visible()
        for _press in range(most):
            self.press("Tab")
            if target.evaluate("element => element === document.activeElement"):
                return
        pytest.fail(f"{most} times Tab did not reach {target}")


@pytest.fixture
def seat(finance: LiveConsole, new_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Seat]]:
    """seat("dana") opens a browser of her own for her. At the end none of them may have complained."""
    seats: list[Seat] = []

    def take(username: str, **screen: Any) -> Seat:
        seats.append(Seat(new_context(**screen).new_page(), finance, username))
        return seats[-1]

    expect.set_options(timeout=PATIENCE_MS)
    yield take
    expect.set_options(timeout=USUAL_PATIENCE_MS)
    assert [trouble for taken in seats for trouble in taken.trouble] == []
