"""A person lowers what an agent asked for, and exactly that is done; who raises it needs somebody else's yes."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.conftest import Seat
from tests.journeys.test_approve_and_halt import credit
from tests.live import LiveConsole, until

pytestmark = [pytest.mark.browser, pytest.mark.mesh, pytest.mark.usefixtures("released_soon")]

TOLD = "Changed by Dana Ruiz: amount €1,280.00 → €900.00"


def asked(live: LiveConsole, number: int, amount: str) -> dict[str, Any]:
    """The credit as its agent has it when it waits for people."""
    with live.agent("o2c-triage") as agent:
        call: dict[str, Any] = agent.post("/api/v1/tool-calls", json=credit(number, amount)).json()
    assert call["state"] == "awaiting_approval", call
    return call


def ended(live: LiveConsole, call: dict[str, Any]) -> dict[str, Any]:
    """The same call when it has come to its end."""
    with live.agent("o2c-triage") as agent:
        end: dict[str, Any] = agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 30}).json()
    return end


def test_a_lower_amount_is_what_is_credited(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    [number] = finance.bill_new()
    call = asked(finance, number, "1280.00")
    dana = seat("dana").open()

    dana.verb("Approve with edits").click()
    dana.card.get_by_label("Amount").fill("900.00")
    dana.card.get_by_label("Why").fill("The freight was billed twice")
    dana.verb("Approve with edits").click()

    _is_done_as_edited(finance, dana, call, number)


def test_a_lower_amount_by_keyboard_alone(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    [number] = finance.bill_new()
    call = asked(finance, number, "1280.00")
    dana = seat("dana").open()

    dana.press("2")
    expect(dana.title).to_have_text("Approve with edits")
    amount = dana.card.get_by_label("Amount")
    dana.tab_to(amount, most=2)
    dana.press("Control+a")
    dana.page.keyboard.type("900.00")
    dana.tab_to(dana.verb("Approve with edits"), most=8)
    dana.press("Enter")
    expect(dana.title).to_be_focused()

    _is_done_as_edited(finance, dana, call, number)


def _is_done_as_edited(live: LiveConsole, dana: Seat, call: dict[str, Any], number: int) -> None:
    """The new version is on the card and in the ledger, and the run tells of both."""
    expect(dana.title).to_have_text(f"Credit €900.00 to C-1001 on invoice INV-{number}")
    expect(dana.card).to_contain_text("Version 2, changed by Dana Ruiz")
    expect(dana.card.locator("del")).to_have_text("1280.00")
    expect(dana.card.locator("ins")).to_have_text("900.00")
    end = ended(live, call)
    assert (end["state"], end["version"], end["arguments"]["amount"]) == ("succeeded", 2, "900.00"), end
    assert live.posted(number) == [(f"INV-{number}", "credit_memo", "900.00")]
    expect(dana.page.get_by_text("The lower amount is approved.")).to_be_visible()
    _timeline_links_both_versions(dana, call, end)
    _audit_log_has_the_change(dana)


def _timeline_links_both_versions(dana: Seat, call: dict[str, Any], end: dict[str, Any]) -> None:
    before, after = call["approval"]["id"], end["approval"]["id"]
    dana.open(f"/runs/{call['run_id']}/?view=timeline")
    timeline = dana.page.get_by_role("treegrid", name="Timeline")
    until(lambda: _has_come(dana, timeline.get_by_text("Approved by Dana Ruiz")), "her vote is on the timeline")
    expect(timeline.get_by_role("row").filter(has_text=TOLD)).to_have_count(1)
    expect(timeline.locator(f"a[href*='/inbox/{after}/']").first).to_be_visible()
    timeline.locator(f"a[href*='/inbox/{before}/']").first.click()
    expect(dana.title).to_contain_text("Credit €1,280.00")
    expect(dana.card).to_contain_text("A newer version has taken its place.")
    expect(dana.card.get_by_role("link", name="Open the new version")).to_have_attribute(
        "href", re.compile(f"/inbox/{after}/")
    )


def _has_come(dana: Seat, news: Locator) -> bool:
    """The page of a run that has ended does not change by itself."""
    dana.page.reload()
    return news.count() > 0


def _audit_log_has_the_change(dana: Seat) -> None:
    dana.page.go_back()
    dana.page.get_by_role("link", name="Audit log of this run").click()
    entries = dana.page.get_by_role("table", name="Audit log").locator("tbody .mono")
    expect(entries.filter(has_text="tool_call.changed")).to_have_count(1)
    codes = entries.all_inner_texts()[::-1]
    assert codes.index("tool_call.changed") < codes.index("approval.voted") < codes.index("tool_call.succeeded")


def test_a_higher_amount_waits_for_somebody_else(finance: LiveConsole, seat: Callable[..., Seat]) -> None:
    [number] = finance.bill_new()
    call = asked(finance, number, "1280.00")
    dana, felix = seat("dana").open(), seat("felix").open()

    dana.verb("Approve with edits").click()
    dana.card.get_by_label("Amount").fill("1500.00")
    dana.verb("Approve with edits").click()
    expect(dana.title).to_contain_text("Credit €1,500.00")
    expect(dana.card).to_contain_text("May vote: Felix Braun")
    expect(dana.card).to_contain_text("You asked for this, so someone else has to decide it.")
    expect(dana.verb("Approve")).to_have_count(0)
    assert dana.open().rows.count() == 0

    # Felix still has the version before on his screen, and his vote on it is none
    felix.verb("Approve").click()
    expect(felix.card.get_by_role("alert")).to_contain_text("Below is the new version.")
    expect(felix.title).to_contain_text("Credit €1,500.00")
    expect(felix.card.locator("ins")).to_have_text("1500.00")
    assert finance.posted(number) == []
    felix.verb("Approve").click()

    assert ended(finance, call)["state"] == "succeeded"
    assert finance.posted(number) == [(f"INV-{number}", "credit_memo", "1500.00")]
