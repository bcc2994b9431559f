"""Unknown outcomes, systems and undoing as axe, a phone and a dark room see them: empty, full, refused and done."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.gateway.models import ToolCall
from apps.registry.models import ConnectorEndpoint
from tests.accessibility.looking import Looker
from tests.conftest import robot_named
from tests.fakes.erp import FakeErp
from tests.gateway.undoing import BY_WRITE_OFF, reject, run_of, undone_by, work
from tests.gateway.unknowns import make_unknown

NOWHERE = "http://127.0.0.1:9"
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


def test_the_systems(looker: Looker, world: FakeErp) -> None:
    ConnectorEndpoint.objects.update(breaker={"consecutive_failures": 1, "cooldown_seconds": 600}, base_url=NOWHERE)
    looker.sign_in("omar")
    looker.at("/connectors/", name="systems that answer")
    writer = robot_named("writer")
    for number in range(3):
        writer.call(key=f"waits-{number}")
    looker.at("/connectors/", name="a system that does not answer")
    looker.page.get_by_label("How you know that ERP is back").fill("The ERP team says so")
    looker.page.get_by_role("button", name="Reset ERP").press("Enter")
    expect(looker.page.get_by_text("The breaker is reset.")).to_be_visible()
    looker.at("/connectors/", name="a system that works off what waited")
    looker.sign_in("otto")
    looker.at("/connectors/", name="no system to see")

    assert "\n".join(looker.found) == ""


def test_undoing_a_run(looker: Looker, world: FakeErp) -> None:
    undone_by(BY_WRITE_OFF)
    writer = robot_named("writer")
    run_id = run_of(writer, "10.00", "20.00")
    writer.call(tool="erp.open_ticket", arguments={"reference": "T-1"}, key="stays", run_id=run_id)
    empty = run_of(writer)
    looker.sign_in("omar")
    looker.at(f"/runs/{empty}/unwind/", name="nothing to undo")
    looker.at(f"/runs/{run_id}/unwind/", name="what would be undone")
    looker.page.get_by_role("button", name="Undo 2 steps").press("Enter")
    expect(looker.page.get_by_text("Undoing has begun.")).to_be_visible()
    work()
    looker.at(f"/runs/{run_id}/unwind/", name="undoing under way")
    undoing = ToolCall.objects.get(compensates__run=run_id)
    reject(undoing)
    looker.at(f"/runs/{run_id}/unwind/", name="undoing stopped")
    looker.at(f"/runs/{run_id}/", name="the timeline of a run being undone")

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
