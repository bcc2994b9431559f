"""Picking many and deciding them at once: what is said before, what became of each row after."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.approvals.models import Approval, ApprovalState, Vote
from tests.approvals.asking import ask, ask_many, vote
from tests.conftest import Robot, person
from tests.journeys.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_all_that_match_are_approved_and_the_rest_explained(live_server: Any, page: Page, writer: Robot) -> None:
    asked = ask_many(60)
    ask("99.00", risk="high", sentence="Credit 99.00 EUR to somebody new")
    desk = Desk(page, live_server.url, "dana").open()
    page.get_by_role("button", name="Select all 61 matching").click()
    expect(desk.picked).to_contain_text("60 of 61 matching selected")
    expect(desk.picked).to_contain_text("€1,830.00")
    expect(page.locator("#selection")).to_contain_text("1 left out: of high risk or irreversible")
    # two are decided by a colleague, and one more is asked, before the button is pressed
    vote("felix", asked[3])
    vote("felix", asked[7], "reject", reason_code="duplicate")
    late = ask("5.00", sentence="Credit 5.00 EUR to one who came late")
    page.get_by_role("button", name="Approve selected").click()

    expect(page.get_by_role("heading", level=2)).to_have_text("58 done, 2 not")
    result = page.get_by_role("region", name="Result")
    expect(result.get_by_role("link", name="Credit 4.00 EUR to C-204")).to_be_visible()
    expect(result.get_by_role("link", name="Credit 8.00 EUR to C-204")).to_be_visible()
    assert Vote.objects.filter(voter=person("dana")).count() == 58
    late.refresh_from_db()
    assert (late.state, late.settles_at) == (ApprovalState.PENDING, None)

    result.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("58 votes were taken back.")).to_be_visible()
    assert Approval.objects.filter(settles_at__isnull=False).count() == 0
    assert desk.trouble == []


def test_by_keyboard_rows_are_picked_extended_and_rejected(live_server: Any, page: Page, writer: Robot) -> None:
    ask_many(6)
    desk = Desk(page, live_server.url, "dana").open()
    for key in ("j", "j", "x", "Shift+J", "Shift+J"):
        page.keyboard.press(key)
    expect(desk.picked).to_contain_text("3 selected")
    expect(desk.rows.nth(4)).to_be_focused()
    page.keyboard.press("x")
    expect(desk.picked).to_contain_text("2 selected")
    page.get_by_role("button", name="Reject selected").press("Enter")
    expect(page.get_by_label("Reason")).to_be_focused()
    page.keyboard.type("Already done")
    page.keyboard.press("Tab")
    page.keyboard.type("Paid on Monday")
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", level=2)).to_have_text("2 done")
    assert Approval.objects.filter(state=ApprovalState.REJECTED).count() == 2
    assert set(Vote.objects.values_list("reason_code", flat=True)) == {"duplicate"}
    assert desk.trouble == []


def test_these_rows_this_page_and_nothing(live_server: Any, page: Page, writer: Robot) -> None:
    ask_many(55)
    desk = Desk(page, live_server.url, "dana").open()
    expect(desk.rows).to_have_count(50)
    desk.box(0).check()
    desk.box(4).click(modifiers=["Shift"])
    expect(desk.picked).to_contain_text("5 selected")
    page.get_by_role("checkbox", name="Select this page").check()
    expect(desk.picked).to_contain_text("50 selected")
    desk.box(2).uncheck()
    expect(desk.picked).to_contain_text("49 selected")
    page.get_by_role("button", name="Select all 55 matching").click()
    expect(desk.picked).to_contain_text("All 55 matching selected")
    desk.box(1).uncheck()
    expect(desk.picked).to_contain_text("54 of 55 matching selected")
    page.get_by_role("button", name="Clear", exact=True).click()
    expect(desk.picked).to_contain_text("55 waiting")
    expect(page.locator("[name=pick]:checked")).to_have_count(0)
    assert desk.trouble == []


def test_a_row_that_changes_while_it_is_ticked_falls_out_of_the_selection(
    live_server: Any, page: Page, writer: Robot
) -> None:
    asked = ask_many(3)
    desk = Desk(page, live_server.url, "dana").open()
    page.get_by_role("checkbox", name="Select this page").check()
    expect(desk.picked).to_contain_text("3 selected")
    vote("felix", asked[1], "reject", reason_code="duplicate")
    page.mouse.move(300, 300)

    expect(page.get_by_text(re.compile("^Rejected by Felix Braun"))).to_be_visible(timeout=10_000)
    expect(desk.picked).to_contain_text("2 selected")
    expect(page.locator("[name=pick]:checked")).to_have_count(2)
    assert desk.trouble == []
