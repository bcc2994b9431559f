"""The pages of unknown outcomes as axe, a phone and a dark room see them: empty, full, refused, settled; by keyboard."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.gateway.models import ToolCall
from tests.accessibility.looking import Looker
from tests.conftest import robot_named
from tests.fakes.erp import FakeErp
from tests.gateway.unknowns import make_unknown

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def looker(live_server: Any, page: Page) -> Looker:
    return Looker(page, live_server.url)


def test_the_queue_of_unknown_outcomes(looker: Looker, world: FakeErp) -> None:
    looker.sign_in("omar")
    looker.at("/unknown/", name="nothing unknown")
    writer = robot_named("writer")
    calls = [make_unknown(writer, f"unknown-{number}") for number in range(3)]
    looker.at("/unknown/", name="unknown outcomes")
    _settle_by_keyboard(looker, calls[0])
    looker.at(f"/unknown/{calls[0].id}/", name="a settled call")
    looker.at("/unknown/", name="unknown outcomes and settled ones")
    looker.sign_in("chen")
    looker.at(f"/unknown/{calls[1].id}/", name="an unknown outcome somebody else settles")

    assert "\n".join(looker.found) == ""


def _settle_by_keyboard(looker: Looker, call: ToolCall) -> None:
    page = looker.page
    looker.at(f"/unknown/{call.id}/", name="an unknown outcome")
    page.get_by_label("It happened", exact=True).focus()
    page.keyboard.press("Space")
    page.get_by_label("How you know").focus()
    page.keyboard.type("In the ledger of today")
    looker.expect_refusal(422)
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Name the record that proves it")).to_be_visible()
    looker.look("a finding without its proof")
    page.get_by_label("Record in the business system").focus()
    page.keyboard.type("CM-17")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Noted: it happened.")).to_be_visible()
