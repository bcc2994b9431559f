"""The inbox on a telephone, 360 px wide: everything in reach of a thumb, nothing to scroll sideways."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.conftest import Robot, parked
from tests.journeys.desk import Desk

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
TOO_WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
THUMB = 44  # px, the least height of what a decision is made with


@pytest.fixture
def desk(live_server: Any, page: Page, writer: Robot) -> Desk:
    for number in range(3):
        parked(writer, f"{700 + number}.00", key=f"phone-{number}", rationale="Billed 80.00 a unit, agreed were 64.00.")
    parked(writer, "12480.00", key="phone-high", tool="erp.write_off")
    page.set_viewport_size({"width": 360, "height": 740})
    return Desk(page, live_server.url, "dana").open()


def test_one_decides_and_comes_back_to_the_list(page: Page, desk: Desk) -> None:
    expect(desk.rows).to_have_count(4)
    assert page.evaluate(TOO_WIDE) == 0
    asked = desk.rows.nth(1).inner_text()
    desk.rows.nth(1).click()
    expect(desk.title).to_be_visible()
    expect(desk.title).to_have_text(asked)
    expect(page.get_by_role("table", name="Approvals")).to_have_count(0)
    for name in ("Approve", "Approve with edits", "Reject", "Ask for changes"):
        box = desk.verb(name).bounding_box()
        assert box is not None
        assert box["height"] >= THUMB
        assert box["y"] + box["height"] <= 740
    assert page.evaluate(TOO_WIDE) == 0

    sentence = desk.title.inner_text()
    desk.verb("Approve").click()
    desk.moves_on_from(sentence)
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    desk.card.get_by_role("link", name="Inbox").click()
    expect(desk.rows).to_have_count(3)
    assert desk.trouble == []


def test_the_sheet_and_the_forms_fit(page: Page, desk: Desk) -> None:
    desk.rows.first.click()
    desk.verb("Approve").click()
    expect(page.get_by_role("button", name="Approve €12,480.00")).to_be_in_viewport()
    page.get_by_role("dialog").get_by_role("link", name="Cancel").click()
    for verb, field in (("Reject", "Reason"), ("Delegate", "To whom"), ("Snooze", "Another time")):
        desk.verb(verb).click()
        expect(desk.card.get_by_label(field)).to_be_in_viewport()
        assert page.evaluate(TOO_WIDE) == 0
        desk.card.get_by_role("link", name="Cancel").click()
        expect(desk.verb(verb)).to_be_visible()
    assert desk.trouble == []


def test_many_are_picked_with_the_thumb(page: Page, desk: Desk) -> None:
    for number in (1, 2):
        desk.box(number).check()
    expect(desk.picked).to_contain_text("2 selected")
    assert page.evaluate(TOO_WIDE) == 0
    page.get_by_role("button", name="Approve selected").click()
    expect(page.get_by_role("heading", level=2)).to_have_text("2 done")
    assert page.evaluate(TOO_WIDE) == 0
    page.get_by_role("link", name="Back to the list").click()
    expect(desk.rows).to_have_count(2)
    assert desk.trouble == []
