"""What was approved can be taken back for ten seconds: then nothing has happened, and afterwards it happens once."""

import datetime as dt
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.conftest import Seat
from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole, until

pytestmark = [pytest.mark.browser, pytest.mark.mesh]

UNDO_SECONDS = 10.0
PAST_UNDO_SECONDS = 12.0
# Sweeps come every second; the rest is for a busy machine.
LATEST_SECONDS = 30.0


def extension(number: int) -> dict[str, Any]:
    """Reversible and of low risk: it moves no money."""
    return {
        "tool": "crm.extend_payment_term",
        "arguments": {"customer_id": "C-1001", "invoice_id": f"INV-{number}", "days": 14},
        "idempotency_key": f"INV-{number}/extension",
        "rationale": "Never late in two years.",
    }


def extended(live: LiveConsole, number: int) -> list[int]:
    """The days of each extension of this invoice that the CRM has granted."""
    return [grant["days"] for grant in live.extensions() if grant["invoice_id"] == f"INV-{number}"]


def test_an_undo_stops_the_release_and_no_undo_lets_it_through(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    """Dana with the pointer on more time to pay, Felix with the keyboard on a credit, at the same time."""
    time_to_pay, money = finance.bill_new(2)
    with finance.agent("o2c-collections") as collections, finance.agent("o2c-triage") as triage:
        gift = collections.post("/api/v1/tool-calls", json=extension(time_to_pay)).json()
        memo = triage.post("/api/v1/tool-calls", json=credit(money, "700.00")).json()
        dana = seat("dana").open(f"/inbox/{gift['approval']['id']}/")
        felix = seat("felix").open(f"/inbox/{memo['approval']['id']}/")

        dana.verb("Approve").click()
        _counts_down(dana)
        _way_back(dana).click()
        _is_back(dana, f"Give C-1001 14 more days to pay invoice INV-{time_to_pay}")

        _approve_with_the_keyboard(felix)
        _counts_down(felix)
        felix.tab_to(_way_back(felix), most=20)
        felix.press("Enter")
        _is_back(felix, f"Credit €700.00 to C-1001 on invoice INV-{money}")

        time.sleep(PAST_UNDO_SECONDS)
        for agent, call in ((collections, gift), (triage, memo)):
            assert agent.get(f"/api/v1/tool-calls/{call['id']}").json()["state"] == "awaiting_approval"
        assert (extended(finance, time_to_pay), finance.posted(money)) == ([], [])

        dana.verb("Approve").click()
        expect(_way_back(dana)).to_be_visible()
        _approve_with_the_keyboard(felix)
        expect(_way_back(felix)).to_be_visible()
        _goes_through_after_ten_seconds(finance, collections, gift)
        _goes_through_after_ten_seconds(finance, triage, memo)
    expect(_way_back(dana)).to_have_count(0)
    assert extended(finance, time_to_pay) == [14]
    assert finance.posted(money) == [(f"INV-{money}", "credit_memo", "700.00")]


def _approve_with_the_keyboard(person: Seat) -> None:
    person.press("1")
    expect(person.verb("Approve")).to_be_focused()
    person.press("Control+Enter")


def _way_back(person: Seat) -> Locator:
    return person.page.get_by_role("region", name="Notices").get_by_role("button", name="Undo")


def _counts_down(person: Seat) -> None:
    expect(_way_back(person)).to_be_visible()
    left = person.page.locator("[data-countdown]").first
    before = int(left.inner_text())
    assert 0 < before <= UNDO_SECONDS
    until(lambda: int(left.inner_text()) < before, "a second is over")


def _is_back(person: Seat, sentence: str) -> None:
    """The card again, with the taken back vote on it and the verbs to decide anew."""
    expect(person.title).to_have_text(sentence)
    expect(person.card).to_contain_text("Taken back")
    expect(person.verb("Approve")).to_be_visible()
    expect(person.rows.filter(has_text=sentence)).to_have_count(1)
    expect(_way_back(person)).to_have_count(0)


def _goes_through_after_ten_seconds(live: LiveConsole, agent: httpx.Client, call: dict[str, Any]) -> None:
    end = agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": LATEST_SECONDS}).json()
    assert end["state"] == "succeeded", end
    with live.person("chen") as chen:
        votes = chen.get(f"/api/v1/approvals/{call['approval']['id']}").json()["votes"]
    assert [vote["withdrawn_at"] is None for vote in votes] == [False, True]
    held = dt.datetime.fromisoformat(end["finished_at"]) - dt.datetime.fromisoformat(votes[-1]["cast_at"])
    assert UNDO_SECONDS <= held.total_seconds() < LATEST_SECONDS
