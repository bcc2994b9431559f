"""Both pages as axe, a phone and a dark room see them, empty, full, failing and refused; and by keyboard."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.approvals import services as approvals
from apps.notifications import services
from apps.notifications.models import Channel
from tests.accessibility.looking import Looker
from tests.conftest import actor, parked, robot_named
from tests.fakes.erp import FakeErp
from tests.notifications.receiver import Receiver
from tests.notifications.telling import connected, prefer, sweep

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LIST, SETTINGS = "/notifications/", "/settings/notifications/"


@pytest.fixture
def looker(live_server: Any, page: Page) -> Looker:
    return Looker(page, live_server.url)


def a_busy_week(receiver: Receiver) -> Channel:
    """Channels that work, wait, fail and are off; notices of every kind that one person can have."""
    writer = robot_named("writer")
    channel = connected("dana", receiver, allows="summary")
    connected("dana", receiver, team="finance-approvers", name="#finance-approvals")
    off = connected("dana", receiver)
    services.switch_channel(actor=actor("dana"), channel_id=off.id, is_on=False)
    prefer("dana", channel, resolved="now")
    _, large = parked(writer, "6000.00", key="large")
    approvals.cast_vote(actor=actor("dana"), approval_id=large.id, verdict="approve", digest=large.digest)
    approvals.settle_due()
    approvals.cast_vote(
        actor=actor("carla"), approval_id=large.id, verdict="reject", digest=large.digest, reason_code="duplicate"
    )
    for number, amount in enumerate(("1280.00", "700.50", "999.99")):
        parked(writer, amount, key=f"waiting-{number}")
    receiver.always = 500
    sweep()
    services.add_channel(actor=actor("dana"), kind="slack", address="https://hooks.slack.com/services/T0/B0/X0")
    return channel


def test_the_pages_of_somebody_new(looker: Looker, world: FakeErp) -> None:
    looker.sign_in("dana")
    looker.at(LIST, name="no notices")
    looker.at(SETTINGS, name="no channels")

    assert "\n".join(looker.found) == ""


def test_the_pages_of_a_busy_week(looker: Looker, world: FakeErp, receiver: Receiver) -> None:
    a_busy_week(receiver)
    looker.sign_in("dana")
    looker.at(LIST)
    looker.at(SETTINGS)
    page = looker.page
    expect(page.get_by_text("127.0.0.1 answered 500.").first).to_be_visible()

    looker.expect_refusal(422)
    page.get_by_label("Through").select_option("teams")
    page.get_by_label("Its address").fill("https://teams.example.com/nothing")
    page.get_by_role("button", name="Add and test").click()
    expect(page.get_by_text("A workflow of Teams has an address at")).to_be_visible()
    expect(page.get_by_label("Its address")).to_have_value("")
    looker.look("a channel that was refused")

    looker.go(SETTINGS)
    looker.expect_refusal(422)
    page.get_by_label("Digest at").fill("noon")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Write full hours")).to_be_visible()
    looker.look("hours that were refused")

    assert "\n".join(looker.found) == ""


def test_by_keyboard_alone(looker: Looker, world: FakeErp, receiver: Receiver) -> None:
    """Read the notices, mark them as read, go to the settings, quiet the nights."""
    a_busy_week(receiver)
    looker.sign_in("dana")
    looker.go(LIST)
    page = looker.page
    page.get_by_role("button", name="Mark all as read").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Mark all as read")).to_have_count(0)
    page.locator("#main").get_by_role("link", name="Settings").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Notification settings")

    page.get_by_label("In the console: Half of the time is gone").select_option("never")
    page.get_by_label("From", exact=True).fill("20:00")
    page.keyboard.press("Tab")
    page.get_by_label("Until").fill("07:00")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved what you hear of, and when.")).to_be_visible()
    expect(page.get_by_label("Until")).to_have_value("07:00")
    expect(page.get_by_label("In the console: Half of the time is gone")).to_have_value("never")
    assert looker.found == []
