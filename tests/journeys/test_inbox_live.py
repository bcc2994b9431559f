"""The list while others work on it: nothing moves under the reader, nothing loses focus, nothing is hidden."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.approvals import services
from tests.approvals.asking import ask, ask_many, vote
from tests.conftest import Robot, actor
from tests.journeys.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SOON = 10_000  # ms; a poll comes every three seconds


def test_what_is_new_waits_until_it_is_asked_for(live_server: Any, page: Page, writer: Robot) -> None:
    ask_many(4)
    desk = Desk(page, live_server.url, "dana").open()
    before = desk.rows.all_inner_texts()
    desk.rows.nth(2).focus()
    for amount in ("500.00", "600.00"):
        ask(amount)
    page.mouse.move(300, 300)
    pill = page.get_by_role("button", name="2 new")
    expect(pill).to_be_visible(timeout=SOON)
    expect(desk.status).to_have_text("2 new approvals")
    assert desk.rows.all_inner_texts() == before
    expect(desk.rows.nth(2)).to_be_focused()

    page.keyboard.press(".")
    expect(desk.rows).to_have_count(6)
    expect(pill).to_have_count(0)
    expect(desk.rows.nth(4)).to_be_focused()
    expect(desk.status).to_have_text("6 results")
    assert desk.trouble == []


def test_what_others_decide_stays_struck_until_one_moves(live_server: Any, page: Page, writer: Robot) -> None:
    asked = ask_many(4)
    desk = Desk(page, live_server.url, "dana").open()
    order = desk.rows.all_inner_texts()
    gone = page.get_by_role("row", name=re.compile("Credit 3.00 EUR"))
    gone.get_by_role("link").focus()
    vote("felix", asked[2])
    page.mouse.move(300, 300)

    expect(gone).to_contain_text("Approved by Felix Braun, ", timeout=SOON)
    expect(gone.get_by_role("link")).to_be_focused()
    expect(gone.get_by_role("checkbox")).to_have_count(0)
    assert desk.rows.all_inner_texts() == order
    assert page.evaluate("() => getComputedStyle(document.activeElement).textDecorationLine") == "line-through"
    desk.verb("Approve").click()
    expect(desk.rows).to_have_count(2)
    assert desk.trouble == []


def test_the_open_card_says_that_it_was_decided(live_server: Any, page: Page, writer: Robot) -> None:
    asked = ask_many(2)
    desk = Desk(page, live_server.url, "dana").open(f"/inbox/{asked[0].id}/")
    vote("felix", asked[0], "reject", reason_code="duplicate")
    page.mouse.move(300, 300)
    expect(desk.card.get_by_role("note")).to_contain_text("Rejected by Felix Braun", timeout=SOON)
    desk.card.get_by_role("link", name="Show it as it is now").click()

    expect(desk.card).to_contain_text("Already done")
    expect(desk.verb("Approve")).to_have_count(0)
    assert desk.trouble == []


def test_searching_keeps_the_cursor_in_the_field_and_says_how_many(live_server: Any, page: Page, writer: Robot) -> None:
    ask_many(12)
    desk = Desk(page, live_server.url, "dana").open()
    page.keyboard.press("/")
    field = page.get_by_role("searchbox", name="Search approvals")
    expect(field).to_be_focused()
    page.keyboard.type("7.00", delay=40)
    expect(desk.rows).to_have_count(1)
    expect(desk.status).to_have_text("1 result")
    expect(field).to_be_focused()
    expect(field).to_have_value("7.00")
    expect(page).to_have_url(re.compile(r"q=7\.00"))
    page.reload()
    expect(desk.rows).to_have_count(1)
    page.get_by_role("link", name="Text 7.00 remove this filter").click()
    expect(desk.rows).to_have_count(12)
    assert desk.trouble == []


def test_every_act_on_the_card_leaves_focus_on_a_card(live_server: Any, page: Page, writer: Robot) -> None:
    """Delegate, escalate, put off and bring back, by keys alone."""
    ask_many(3)
    desk = Desk(page, live_server.url, "dana").open()

    desk.verb("Delegate").press("Enter")
    expect(desk.card.get_by_label("To whom")).to_be_focused()
    page.keyboard.type("Felix")
    page.keyboard.press("Control+Enter")
    expect(desk.status).to_have_text("Felix Braun may decide this for you now.")
    expect(desk.title).to_be_focused()
    expect(desk.rows).to_have_count(2)

    desk.verb("Escalate").press("Enter")
    expect(desk.card.get_by_label("Why others should look at this")).to_be_focused()
    page.keyboard.type("New customer")
    page.keyboard.press("Control+Enter")
    expect(desk.card).to_contain_text("Escalated to Order-to-cash on call by Dana Ruiz")
    expect(desk.title).to_be_focused()

    sentence = desk.title.inner_text()
    desk.verb("Snooze").press("Enter")
    expect(desk.verb("1 hour")).to_be_focused()
    page.keyboard.press("Enter")
    expect(desk.status).to_have_text(re.compile("Snoozed until "))
    expect(desk.rows).to_have_count(1)
    expect(desk.title).to_be_focused()
    page.get_by_role("region", name="Notices").get_by_role("button", name="Undo").press("Enter")
    expect(desk.title).to_have_text(sentence)
    expect(desk.title).to_be_focused()
    expect(desk.rows).to_have_count(2)

    desk.verb("Reject").press("Enter")
    expect(desk.card.get_by_label("Reason")).to_be_focused()
    desk.card.get_by_role("link", name="Cancel").press("Enter")
    expect(desk.verb("Reject")).to_be_focused()
    assert desk.trouble == []


def test_a_view_is_kept_under_a_name_and_reached_by_key(live_server: Any, page: Page, writer: Robot) -> None:
    ask_many(2)
    ask("77.00", risk="high", sentence="Credit 77.00 EUR to somebody new")
    desk = Desk(page, live_server.url, "dana").open("/inbox/?risk=high")
    page.locator("summary", has_text="Saved views").click()
    page.get_by_role("link", name="Save this view").click()
    sheet = page.get_by_role("dialog")
    sheet.get_by_label("Name").fill("High risk")
    sheet.get_by_role("button", name="Save").click()
    expect(page.locator("summary", has_text="High risk")).to_be_visible()
    page.get_by_role("link", name="Clear filters").click()
    expect(desk.rows).to_have_count(3)
    page.keyboard.press("]")
    expect(desk.rows).to_have_count(1)
    expect(page).to_have_url(re.compile(r"risk=high"))
    assert desk.trouble == []


def test_who_votes_for_a_colleague_is_named_with_them(live_server: Any, page: Page, writer: Robot) -> None:
    _delegated = ask("50.00", team="cfo-office")
    delegate_to_dana(_delegated)
    desk = Desk(page, live_server.url, "dana").open("/inbox/?view=delegated")
    desk.verb("Approve").click()
    expect(desk.status).to_have_text(re.compile("^Approved: "))
    desk.open(f"/inbox/{_delegated.id}/")

    expect(desk.card.get_by_role("listitem").filter(has_text="Dana Ruiz for Carla Meyer")).to_be_visible()
    assert desk.trouble == []


def delegate_to_dana(approval: Any) -> None:
    services.delegate(
        actor=actor("carla"),
        receiver="dana",
        starts_at=approval.requested_at,
        ends_at=approval.expires_at,
        approval_id=approval.id,
    )
