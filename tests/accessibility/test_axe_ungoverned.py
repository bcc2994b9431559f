"""Ungoverned actions: none, some, one open, refused and acknowledged, as axe, a phone and a dark room see them."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.accessibility.looking import Looker
from tests.conftest import Robot
from tests.telemetry.exporting import tool_span
from tests.telemetry.test_ungoverned import call_in
from tests.telemetry.ungoverned import make_ungoverned

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_ungoverned_actions(live_server: Any, page: Page, writer: Robot) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("priya")
    looker.at("/ungoverned/", name="no ungoverned action")
    around = tool_span("issue_credit_memo")
    call_in(writer, around)
    make_ungoverned(writer, "crm.delete_customer_and_everything_that_belongs_to_them", count=2)
    action = make_ungoverned(writer, "mail.send", count=3)
    looker.at("/ungoverned/", name="ungoverned actions")
    looker.at(f"/ungoverned/{action.id}/", name="one ungoverned action")
    page.evaluate("() => document.querySelector('#acknowledge_reason').removeAttribute('required')")
    looker.expect_refusal(422)
    page.get_by_role("button", name="Acknowledge 3 executions").click()
    looker.look("an acknowledgement without a reason")
    looker.expect_refusal(200)
    page.get_by_label("What was it").fill("A mail to the team itself")
    page.get_by_role("button", name="Acknowledge 3 executions").click()
    looker.look("ungoverned actions after one was acknowledged")
    looker.at("/ungoverned/?state=acknowledged", name="acknowledged actions")
    looker.at(f"/ungoverned/{action.id}/", name="an acknowledged action")

    assert "\n".join(looker.found) == ""
