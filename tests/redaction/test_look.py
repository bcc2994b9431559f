"""Masks and what is behind them, as axe, a phone and a dark room see them: masked, asked for, refused, revealed."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.accessibility.looking import Looker
from tests.conftest import parked, robot_named
from tests.fakes.erp import FakeErp
from tests.gateway.unknowns import make_unknown
from tests.redaction.marking import MARKER, mark

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def looker(live_server: Any, page: Page) -> Looker:
    return Looker(page, live_server.url)


def test_masked_content_and_revealing_it(looker: Looker, world: FakeErp) -> None:
    mark(customer_id="personal")
    quoted = f"Customer {MARKER} was billed too much."
    call, approval = parked(robot_named("writer"), rationale=quoted)
    unknown = make_unknown(robot_named("writer"), "unknown")
    looker.sign_in("chen")
    looker.at(f"/inbox/{approval.id}/", name="a card with a mask")
    looker.at(f"/unknown/{unknown.id}/", name="an unknown outcome with a mask")
    looker.at(f"/calls/{call.id}/reveal/", name="asking to see it")

    looker.page.get_by_label("Why you need to see it").fill("Complaint 4711")
    looker.page.get_by_role("button", name="Reveal").press("Enter")
    expect(looker.page.get_by_text(MARKER).first).to_be_visible()
    looker.look("revealed")
    looker.sign_in("priya")
    looker.at(f"/calls/{call.id}/reveal/", name="nothing is masked for the owner")

    assert "\n".join(looker.found) == ""


def test_the_card_leads_there_with_the_keyboard(looker: Looker, world: FakeErp) -> None:
    mark(customer_id="personal")
    _, approval = parked(robot_named("writer"))
    looker.sign_in("chen")
    looker.page.goto(f"{looker.url}/inbox/{approval.id}/")
    card = looker.page.get_by_role("region", name="Approval")
    expect(card.get_by_text("masked: personal").first).to_be_visible()
    card.get_by_label("Why you need to see what is masked").fill("Complaint 4711")
    card.get_by_role("button", name="Reveal").press("Enter")
    expect(looker.page.get_by_role("heading", level=1)).to_contain_text(MARKER)
    looker.page.go_back()
    expect(looker.page.get_by_text(MARKER)).to_have_count(0)
