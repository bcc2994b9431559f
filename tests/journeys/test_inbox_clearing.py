"""Twenty mixed requests are cleared, once without a mouse and once without a keyboard."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.approvals.models import Approval, ApprovalState, Vote
from tests.conftest import Robot, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.journeys.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

COUNT = 20
WHY = {"rationale": "Billed 80.00 a unit, agreed were 64.00.", "confidence": 0.93}


@pytest.fixture
def twenty(writer: Robot) -> list[Approval]:
    """Credit memos, two of them for two stages, and two write-offs that nobody can take back."""
    asked = []
    for number in range(COUNT):
        amount = f"{6000 + number}.00" if number in (3, 4) else f"{600 + number}.00"
        more: dict[str, Any] = {"tool": "erp.write_off"} if number in (5, 6) else {}
        asked.append(parked(writer, amount, key=f"clear-{number}", **WHY, **more)[1])
    return asked


def verdict_for(number: int, card: str) -> str:
    """What is decided on the card that comes as this one: every kind of decision several times."""
    if "irreversible" in card or "High" in card:
        return "confirm"
    return {1: "reject", 2: "ask", 3: "reject"}.get(number % 6, "approve")


def test_by_keyboard_alone(live_server: Any, page: Page, twenty: list[Approval], erp: FakeErp) -> None:
    desk = Desk(page, live_server.url, "dana").open()
    decided = []
    for number in range(COUNT):
        sentence = desk.title.inner_text()
        verdict = verdict_for(number, desk.card.inner_text())
        decided.append(verdict)
        if verdict in ("approve", "confirm"):
            page.keyboard.press("1")
            expect(desk.verb("Approve")).to_be_focused()
            page.keyboard.press("Control+Enter")
            if verdict == "confirm":
                expect(page.get_by_role("dialog").get_by_role("button", name="Approve €")).to_be_focused()
                page.keyboard.press("Control+Enter")
        else:
            page.keyboard.press("3" if verdict == "reject" else "4")
            expect(desk.card.get_by_label("Reason")).to_be_focused()
            page.keyboard.type("Wrong amount")
            page.keyboard.press("Tab")
            page.keyboard.type("The price list says 64.00")
            page.keyboard.press("Control+Enter")
        desk.moves_on_from(sentence)
        if number < COUNT - 1:
            expect(desk.title).to_be_focused()

    expect(page.get_by_text("Nothing is waiting for you.")).to_be_visible()
    assert desk.trouble == []
    _check(decided, erp)


def test_by_pointer_alone(live_server: Any, page: Page, twenty: list[Approval], erp: FakeErp) -> None:
    desk = Desk(page, live_server.url, "dana").open()
    decided = []
    for number in range(COUNT):
        sentence = desk.title.inner_text()
        verdict = verdict_for(number, desk.card.inner_text())
        decided.append(verdict)
        if verdict == "approve":
            desk.verb("Approve").click()
        elif verdict == "confirm":
            desk.verb("Approve").click()
            sheet = page.get_by_role("dialog")
            expect(sheet).to_contain_text("€")
            sheet.get_by_role("button", name="Approve €").click()
        else:
            name = "Reject" if verdict == "reject" else "Ask for changes"
            desk.verb(name).click()
            desk.card.get_by_label("Reason").select_option(label="Wrong amount")
            if verdict == "ask":
                desk.card.get_by_label("What should be different").fill("Credit 600.00")
            desk.verb(name).click()
        desk.moves_on_from(sentence)

    expect(page.get_by_text("Nothing is waiting for you.")).to_be_visible()
    expect(page.get_by_text("last decision")).to_be_visible()
    assert desk.trouble == []
    _check(decided, erp)


def _check(decided: list[str], erp: FakeErp) -> None:
    """One vote each, with how long the card was seen; and nothing done that was not approved."""
    words = {"approve": "approve", "confirm": "approve", "reject": "reject", "ask": "request_changes"}
    votes = list(Vote.objects.order_by("id"))
    assert [vote.verdict for vote in votes] == [words[verdict] for verdict in decided]
    assert {"approve", "reject", "request_changes"} <= {vote.verdict for vote in votes}
    assert all(vote.dwell_seconds is not None and 0 <= vote.dwell_seconds < 60 for vote in votes)
    assert sum(vote.dwell_seconds or 0 for vote in votes) > 1
    settle_news()
    held = Approval.objects.filter(state=ApprovalState.PENDING, settles_at__isnull=False).count()
    approved = Approval.objects.filter(state=ApprovalState.APPROVED).count()
    assert (held + approved, len(erp.ledger)) == (decided.count("approve") + decided.count("confirm") - 2, approved)
