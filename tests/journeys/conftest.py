"""One live installation for the journeys, and the browsers that look at it."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from examples.order_to_cash.world import customers
from tests.journeys.desk import Desk
from tests.live import LiveConsole

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
    """The same with its CRM, a second finance approver, and a chain that wants both of them before the CFO office."""
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
    """The console in which a finance team works; nothing waits for anybody in it, before and after."""
    _withdraw_what_waits(finance_world)
    yield finance_world
    _withdraw_what_waits(finance_world)


def _withdraw_what_waits(live: LiveConsole) -> None:
    """The agents take back what they still ask for."""
    agents = {slug: live.agent(slug) for slug in ("o2c-triage", "o2c-collections")}
    with live.person("chen") as chen:
        shown = {"view": "all", "state": ["pending", "changes_requested"], "limit": 200}
        while waiting := chen.get("/api/v1/approvals", params=shown).json()["items"]:
            for approval in waiting:
                agents[approval["agent"]].post(f"/api/v1/tool-calls/{approval['subject']['id']}/cancel")
    for agent in agents.values():
        agent.close()


class Seat(Desk):
    """A person at the inbox of the live console, signed in with name and password."""

    def __init__(self, page: Page, live: LiveConsole, username: str) -> None:
        self.page, self.url = page, live.url
        self.trouble: list[str] = []
        page.on("pageerror", lambda error: self.trouble.append(str(error)))
        page.on("console", self._hear)
        page.goto(f"{live.url}/accounts/login/")
        page.get_by_label("Username or email").fill(username)
        page.get_by_label("Password").fill(live.passwords[username])
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("/inbox/"))


@pytest.fixture
def seat(finance: LiveConsole, new_context: Callable[..., BrowserContext]) -> Iterator[Callable[..., Seat]]:
    """seat("dana") opens a browser of her own for her; at the end none of them may have complained."""
    seats: list[Seat] = []

    def take(username: str, **screen: Any) -> Seat:
        seats.append(Seat(new_context(**screen).new_page(), finance, username))
        return seats[-1]

    yield take
    assert [trouble for taken in seats for trouble in taken.trouble] == []
