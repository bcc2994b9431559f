"""What protects a decision from haste: the way back, the sheet, and what happens when the request changes meanwhile."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.approvals import services
from apps.approvals.models import Approval, ApprovalState, Vote
from apps.gateway import services as gateway
from tests.conftest import Robot, actor, credit, parked, person, settle_news
from tests.fakes.erp import FakeErp
from tests.journeys.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_undo_stops_a_release_in_time_and_brings_the_card_back(
    live_server: Any, page: Page, writer: Robot, erp: FakeErp
) -> None:
    _, approval = parked(writer)
    parked(writer, "700.00", key="next")
    desk = Desk(page, live_server.url, "dana").open(f"/inbox/{approval.id}/")
    sentence = desk.title.inner_text()
    desk.verb("Approve").click()
    expect(desk.title).not_to_have_text(sentence)
    expect(desk.status).to_have_text(f"Approved: {sentence}")
    notice = page.get_by_role("region", name="Notices")
    expect(notice).to_contain_text(re.compile(r"released in \d+ s"))
    settle_news()
    assert erp.ledger == []

    notice.get_by_role("button", name="Undo").click()
    expect(desk.title).to_have_text(sentence)
    expect(desk.title).to_be_focused()
    expect(notice.get_by_role("button", name="Undo")).to_have_count(0)
    expect(desk.card).to_contain_text("Taken back")
    expect(desk.verb("Approve")).to_be_visible()
    services.settle_due()
    settle_news()
    approval.refresh_from_db()
    assert (approval.state, approval.settles_at, erp.ledger) == (ApprovalState.PENDING, None, [])
    assert desk.trouble == []


def test_after_a_reload_the_way_back_is_still_there(live_server: Any, page: Page, writer: Robot) -> None:
    _, approval = parked(writer)
    desk = Desk(page, live_server.url, "dana").open()
    desk.verb("Approve").click()
    expect(page.get_by_text("Nothing is waiting for you.")).to_be_visible()
    page.reload()
    queue = page.get_by_role("region", name="Queue")
    queue.get_by_role("button", name="Undo").click()

    expect(desk.card).to_contain_text("Taken back")
    approval.refresh_from_db()
    assert approval.settles_at is None


def test_the_sheet_restates_amount_and_payee_and_can_be_left(live_server: Any, page: Page, writer: Robot) -> None:
    _, approval = parked(writer, "12480.00", tool="erp.write_off")
    desk = Desk(page, live_server.url, "dana").open()
    desk.verb("Approve").click()
    sheet = page.get_by_role("dialog")
    expect(sheet).to_contain_text("€12,480.00")
    expect(sheet).to_contain_text("Write off €12,480.00 of invoice INV-1042")
    expect(sheet).to_contain_text("irreversible")
    sheet.get_by_role("link", name="Cancel").click()
    expect(sheet).to_have_count(0)
    expect(desk.verb("Approve")).to_be_focused()
    assert not Vote.objects.exists()

    desk.verb("Approve").click()
    page.get_by_role("button", name="Approve €12,480.00").click()
    expect(page.get_by_text("Nothing is waiting for you.")).to_be_visible()
    expect(page.get_by_role("button", name="Undo")).to_have_count(0)
    approval.refresh_from_db()
    assert (approval.state, approval.settles_at) == (ApprovalState.APPROVED, None)
    assert desk.trouble == []


def test_an_amount_that_needs_proof_says_where_to_give_it(live_server: Any, page: Page, writer: Robot) -> None:
    parked(writer)
    services.change_rules(actor=actor("priya"), process="order-to-cash", step_up={"EUR": 100_000})
    desk = Desk(page, live_server.url, "dana").open()
    desk.verb("Approve").click()
    proof = page.get_by_role("dialog").get_by_role("link", name="Confirm it is you")

    expect(proof).to_have_attribute("href", re.compile(r"^/accounts/reauthenticate/\?next=%2Finbox%2F"))
    assert not Vote.objects.exists()
    assert desk.trouble == []


def test_what_was_changed_meanwhile_comes_back_with_its_diff_and_the_draft(
    live_server: Any, page: Page, writer: Robot
) -> None:
    _, approval = parked(writer)
    desk = Desk(page, live_server.url, "dana").open()
    desk.verb("Reject").click()
    desk.card.get_by_label("Reason").select_option(label="Wrong amount")
    desk.card.get_by_label("Words to the agent").fill("The price list says 64.00")
    gateway.edit_tool_call(
        actor=actor("felix"), approval_id=approval.id, digest=approval.digest, arguments=credit("1300.00")
    )
    desk.verb("Reject").click()

    expect(desk.card.get_by_role("alert")).to_be_visible()
    expect(desk.card).to_contain_text("Version 2, changed by Felix Braun")
    expect(desk.card.locator("del")).to_have_text("1280.00")
    expect(desk.card.locator("ins")).to_have_text("1300.00")
    expect(desk.card.get_by_label("Words to the agent")).to_have_value("The price list says 64.00")
    assert not Vote.objects.filter(voter=person("dana")).exists()
    assert Approval.objects.filter(previous=approval).exists()
    assert desk.trouble == []
