"""Two of finance and then the CFO office: three people in three browsers, and nothing runs before the last of them."""

import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.journeys.conftest import Seat
from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole

pytestmark = [pytest.mark.browser, pytest.mark.mesh]

# Longer than the sweeps of outbox and approvals, which come every second.
LONG_ENOUGH_SECONDS = 2.5


def asked(agent: httpx.Client, number: int) -> dict[str, Any]:
    call: dict[str, Any] = agent.post("/api/v1/tool-calls", json=credit(number, "6000.00")).json()
    assert call["decision"]["obligations"]["stages"] == [
        {"team": "finance-approvers", "quorum": 2},
        {"team": "cfo-office", "quorum": 1},
    ]
    return call


def test_after_two_of_finance_the_cfo_office_lets_it_run(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    [number] = finance.bill_new()
    with finance.agent("o2c-triage") as agent:
        call = asked(agent, number)
        dana, felix, carla = seat("dana").open(), seat("felix").open(), seat("carla").open()
        expect(carla.page.get_by_text("Nothing is waiting for you.")).to_be_visible()

        _approve_with_the_pointer(dana)
        expect(dana.status).to_contain_text("Approved by you, more votes needed")
        _approve_with_the_keyboard(felix)
        expect(felix.status).to_contain_text("Approved by you, more votes needed")

        time.sleep(LONG_ENOUGH_SECONDS)
        assert agent.get(f"/api/v1/tool-calls/{call['id']}").json()["state"] == "awaiting_approval"
        assert finance.posted(number) == []

        # it has come to her by itself; a page that nobody touched for a minute looks once a minute
        carla.page.mouse.move(300, 300)
        carla.page.mouse.move(320, 320)
        expect(carla.page.get_by_role("button", name="1 new")).to_be_visible()
        carla.press(".")
        expect(carla.rows).to_have_count(1)
        carla.rows.first.click()
        expect(carla.card.get_by_role("list", name="Who has to agree")).to_contain_text("Dana Ruiz, Felix Braun")
        _approve_with_the_pointer(carla)

        assert agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 30}).json()["state"] == "succeeded"
    assert finance.posted(number) == [(f"INV-{number}", "credit_memo", "6000.00")]


def test_one_no_outweighs_two_yes(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    [number] = finance.bill_new()
    with finance.agent("o2c-triage") as agent:
        call = asked(agent, number)
        for username in ("dana", "felix"):
            _approve_by_program(finance, username, call)
        carla = seat("carla").open()
        carla.press("3")
        expect(carla.card.get_by_label("Reason")).to_be_focused()
        carla.page.keyboard.type("Not justified")
        carla.press("Tab")
        carla.page.keyboard.type("Not before the auditors are through")
        carla.press("Control+Enter")
        expect(carla.page.get_by_text("Nothing is waiting for you.")).to_be_visible()

        time.sleep(LONG_ENOUGH_SECONDS)
        end = agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 20}).json()
    assert end["state"] == "rejected"
    assert end["approval"]["feedback"]["comment"] == "Not before the auditors are through"
    assert finance.posted(number) == []


def _approve_with_the_pointer(person: Seat) -> None:
    person.verb("Approve").click()
    expect(person.sheet).to_contain_text("€6,000.00")
    person.sheet.get_by_role("button", name="Approve €6,000.00").click()
    expect(person.sheet).to_have_count(0)


def _approve_with_the_keyboard(person: Seat) -> None:
    person.press("1")
    expect(person.verb("Approve")).to_be_focused()
    person.press("Control+Enter")
    expect(person.sheet.get_by_role("button", name="Approve €6,000.00")).to_be_focused()
    person.settled()
    person.press("Control+Enter")
    expect(person.sheet).to_have_count(0)


def _approve_by_program(live: LiveConsole, username: str, call: dict[str, Any]) -> None:
    approval = f"/api/v1/approvals/{call['approval']['id']}"
    with live.person(username) as person:
        vote = {"verdict": "approve", "digest": person.get(approval).json()["digest"]}
        assert person.post(f"{approval}/votes", json=vote).status_code == 201
