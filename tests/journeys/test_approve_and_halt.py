"""The two journeys the product stands on: a person approves what policy stopped; a person stops an agent. Real
everything.
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.live import LiveConsole, until

pytestmark = [pytest.mark.browser, pytest.mark.mesh]

# The picture in the README; RENEW_SCREENSHOT=1 takes it anew.
SCREENSHOT = Path(__file__).resolve().parents[2] / "docs" / "images" / "inbox.png"


def credit(number: int, amount: str) -> dict[str, Any]:
    arguments = {
        "invoice_id": f"INV-{number}",
        "customer_id": "C-1001",
        "amount": amount,
        "currency": "EUR",
        "reason_code": "price_mismatch",
    }
    evidence = [{"title": "Price list 2026-09", "uri": "urn:erp:price-list:2026-09"}]
    return {
        "tool": "erp.issue_credit_memo",
        "arguments": arguments,
        "idempotency_key": f"INV-{number}/credit",
        "rationale": "Billed 80.00 a unit, agreed were 64.00.",
        "confidence": 0.93,
        "evidence": evidence,
    }


def sign_in(page: Page, live: LiveConsole, label: str) -> None:
    page.goto(f"{live.url}/accounts/login/")
    page.get_by_role("button", name=f"Sign in as {label}").click()


def test_dana_approves_and_the_ledger_has_it_once(live: LiveConsole, page: Page) -> None:
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    live.bill(1042, 1043)
    with live.agent("o2c-triage") as agent:
        first = agent.post("/api/v1/tool-calls", json=credit(1042, "1280.00")).json()
        agent.post("/api/v1/tool-calls", json=credit(1043, "640.00"))
    assert first["state"] == "awaiting_approval"

    sign_in(page, live, "Dana (finance approver)")
    expect(page).to_have_url(re.compile("/inbox/"))
    rows = page.get_by_role("table", name="Approvals").get_by_role("link")
    expect(rows).to_have_count(2)
    rows.first.click()
    card = page.get_by_role("region", name="Approval")
    expect(card.get_by_role("heading", level=2)).to_have_text(re.compile("Credit €1,280.00 .* INV-1042"))
    expect(card).to_contain_text("Larger credit memos need")
    if os.environ.get("RENEW_SCREENSHOT"):
        page.screenshot(path=str(SCREENSHOT), caret="initial")
    card.get_by_role("button", name="Approve", exact=True).click()
    expect(rows).to_have_count(1)
    expect(card.get_by_role("heading", level=2)).to_contain_text("INV-1043")
    expect(page.get_by_role("status").first).to_contain_text("Approved")

    with live.agent("o2c-triage") as agent:
        done = agent.get(f"/api/v1/tool-calls/{first['id']}", params={"wait": 20}).json()
    assert done["state"] == "succeeded", done
    memos = [entry for entry in live.ledger() if entry["invoice_id"] == "INV-1042"]
    assert [(memo["kind"], memo["amount"]) for memo in memos] == [("credit_memo", "1280.00")]

    page.goto(f"{live.url}/runs/{first['run_id']}/?view=timeline")
    steps = page.get_by_role("treegrid", name="Timeline").get_by_role("rowheader")
    until(lambda: steps.count() == 4, "the vote is on the timeline", seconds=10)
    page.reload()
    expect(steps).to_contain_text(
        [
            re.compile("Decision: needs approval"),
            re.compile("Waiting for"),
            re.compile("Approved by Dana"),
            re.compile("erp"),
        ]
    )
    page.get_by_role("link", name="Audit log of this run").click()
    entries = page.get_by_role("table", name="Audit log").locator("tbody .mono")
    expect(entries).to_have_count(6)
    assert list(reversed(entries.all_inner_texts())) == [
        "tool_call.decided",
        "approval.requested",
        "approval.voted",
        "approval.resolved",
        "tool_call.released",
        "tool_call.succeeded",
    ]
    assert problems == []


def test_the_same_by_keyboard_alone(live: LiveConsole, page: Page) -> None:
    live.bill(1050)
    with live.agent("o2c-triage") as agent:
        call = agent.post("/api/v1/tool-calls", json=credit(1050, "700.00")).json()
    page.goto(f"{live.url}/accounts/login/")
    page.get_by_label("Username or email").fill("dana")
    page.get_by_label("Password").fill(live.passwords["dana"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/inbox/"))
    page.goto(call["approval"]["url"])
    page.keyboard.press("1")
    expect(page.get_by_role("button", name="Approve", exact=True)).to_be_focused()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("status").first).to_contain_text("INV-1050")

    with live.agent("o2c-triage") as agent:
        assert agent.get(f"/api/v1/tool-calls/{call['id']}", params={"wait": 20}).json()["state"] == "succeeded"


def test_omar_holds_an_agent_and_its_next_call_is_turned_away(live: LiveConsole, page: Page) -> None:
    live.bill(1060)
    sign_in(page, live, "Omar (on-call operator)")
    page.get_by_role("link", name="Agents", exact=True).click()
    page.get_by_role("row", name=re.compile("Exception triage")).get_by_role("link", name="Hold").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Suspected malfunction").check()
    sheet.get_by_role("button", name="Hold Exception triage").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Exception triage")
    expect(page.get_by_label("Halts in force")).to_contain_text("Exception triage is held in production by Omar Haddad")

    with live.agent("o2c-triage") as agent:
        refused = agent.post("/api/v1/tool-calls", json=credit(1060, "10.00"))
        assert (refused.status_code, refused.json()["code"]) == (423, "halted")
        page.get_by_label("Why it is safe to start again").fill("Fixed the price list")
        page.get_by_role("button", name="Lift").click()
        expect(page.get_by_label("Halts in force")).to_have_count(0)
        again = agent.post("/api/v1/tool-calls", json=credit(1060, "10.00"))
        assert again.status_code == 200, again.text
    assert [entry["amount"] for entry in live.ledger() if entry["invoice_id"] == "INV-1060"] == ["10.00"]
