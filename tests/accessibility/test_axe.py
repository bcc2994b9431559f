"""Every page, full, empty and refused: no violation of axe's rules, no console error, nothing too wide for a phone."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.approvals import services as approvals
from apps.approvals.models import Approval, ApprovalState
from apps.core import clock
from apps.core.actor import system_actor
from apps.halts import services as halts
from tests.accessibility.looking import DESK, HEIGHT, Looker
from tests.conftest import Robot, actor, parked, settle_news
from tests.fakes.erp import FakeErp

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# An old form: sent without the token that pages carry.
SEND_AN_OLD_FORM = """path => {
    const form = document.createElement("form");
    form.method = "post";
    form.action = path;
    document.body.append(form);
    form.submit();
}"""


@pytest.fixture
def looker(live_server: Any, page: Page) -> Looker:
    return Looker(page, live_server.url)


def test_pages_of_a_stranger_and_of_a_quiet_day(looker: Looker, world: FakeErp) -> None:
    looker.at("/accounts/login/")
    looker.page.get_by_label("Username or email").fill("dana")
    looker.page.get_by_label("Password").fill("not the password")
    looker.page.get_by_role("button", name="Sign in", exact=True).click()
    looker.look("sign-in refused")
    looker.at("/nowhere/", status=404, name="404 of a stranger")

    looker.sign_in("dana")
    for path in ("/inbox/", "/inbox/?view=all", "/runs/", "/agents/", "/connectors/", "/halts/", "/audit/"):
        looker.at(path, name=f"{path} empty")
    for view in ("team", "delegated", "snoozed", "decided"):
        looker.at(f"/inbox/?view={view}", name=f"{view} empty")
    looker.at("/inbox/?q=nothing", name="a search without result")
    looker.at("/nowhere/", status=404)
    looker.expect_refusal(403)
    looker.page.evaluate(SEND_AN_OLD_FORM, "/halts/")
    expect(looker.page.get_by_text("csrf.failed")).to_be_visible()
    looker.look("403")

    assert "\n".join(looker.found) == ""


def test_pages_of_a_busy_day(looker: Looker, writer: Robot, erp: FakeErp) -> None:
    done = _a_busy_day(writer, erp)
    page = looker.page
    looker.sign_in("dana")
    for path in ("/inbox/", "/inbox/?view=team", "/inbox/?view=decided", "/runs/", f"/runs/{done.run_id}/", "/agents/"):
        looker.at(path)
    looker.at("/audit/")
    looker.at(f"/inbox/{done.approval_id}/?view=decided", name="a decided card")

    calm = _card_with(risk="medium", is_reversible=True)
    looker.go(calm)
    card = page.get_by_role("region", name="Approval")
    card.get_by_text("Agent's statement").click()
    card.get_by_role("button", name="Reject", exact=True).click()
    looker.expect_refusal(422)
    card.get_by_role("button", name="Reject", exact=True).click()
    expect(card.get_by_text("Say why")).to_be_visible()
    looker.look("a rejection without a reason")

    looker.go(calm)
    looker.expect_refusal(409)
    page.evaluate("() => document.querySelector('#card input[name=digest]').value = '0'.repeat(64)")
    card.get_by_role("button", name="Approve", exact=True).click()
    expect(card.get_by_role("alert")).to_be_visible()
    looker.look("a stale vote")

    looker.go(calm)
    card.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("status").first).to_contain_text("Approved")
    looker.look("after a vote, with its toast")

    assert "\n".join(looker.found) == ""


def test_the_inbox_at_work(looker: Looker, writer: Robot, erp: FakeErp) -> None:
    """Each form behind a verb, the sheets, the selection, what is new, what was decided elsewhere, the result."""
    _a_busy_day(writer, erp)
    page = looker.page
    looker.sign_in("dana")
    card = page.get_by_role("region", name="Approval")
    calm = _card_with(risk="medium", is_reversible=True)
    for verb in ("Ask for changes", "Delegate", "Snooze", "Escalate", "More time"):
        looker.go(calm)
        card.get_by_role("button", name=verb, exact=True).click()
        expect(card.get_by_role("link", name="Cancel")).to_be_visible()
        looker.look(f"the form behind {verb}")

    looker.go("/inbox/")
    card.get_by_role("button", name="Approve", exact=True).click()
    expect(page.get_by_role("dialog")).to_be_visible()
    looker.look("the sheet that restates")
    looker.at(f"{_card_with(risk='high')}confirm/", name="the restatement as a page")
    for name in ("Filter", "Save this view"):
        looker.go("/inbox/?risk=medium&sort=amount")
        if name == "Save this view":
            page.locator("summary", has_text="Saved views").click()
            # on a phone an open menu hides half a button, which is what menus do and axe counts
            looker.look("the menu of saved views", widths=(DESK,))
        page.get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("dialog")).to_be_visible()
        looker.look(f"the sheet {name}")
    looker.at("/inbox/filter/?risk=high")
    looker.at("/inbox/views/?risk=high")

    looker.go("/inbox/")
    page.get_by_role("checkbox", name="Select this page").check()
    expect(page.locator("#selection")).to_contain_text("left out")
    looker.look("a selection")
    page.get_by_role("button", name="Reject selected").click()
    expect(page.get_by_label("Reason")).to_be_visible()
    looker.look("a selection about to be rejected")
    page.get_by_role("button", name="Back", exact=True).click()
    expect(page.get_by_role("button", name="Approve selected")).to_be_visible()
    _others_work(writer)
    looker.page.mouse.move(200, 200)
    expect(page.get_by_text("Rejected by Felix Braun")).to_be_visible(timeout=10_000)
    expect(page.get_by_role("button", name="1 new")).to_be_visible()
    looker.look("what others did meanwhile")
    page.set_viewport_size({"width": DESK, "height": HEIGHT})
    page.get_by_role("button", name="All columns").click()
    looker.look("all columns")
    page.get_by_role("button", name="Approve selected").click()
    expect(page.get_by_role("region", name="Result")).to_be_visible()
    looker.look("the result of a selection")

    assert "\n".join(looker.found) == ""


def _card_with(**conditions: Any) -> str:
    """The address of the first card like this."""
    found = Approval.objects.filter(state=ApprovalState.PENDING, **conditions).earliest("id")
    return f"/inbox/{found.id}/"


def _others_work(writer: Robot) -> None:
    gone = Approval.objects.filter(state=ApprovalState.PENDING, risk="medium", settles_at=None).latest("id")
    approvals.cast_vote(
        actor=actor("felix"), approval_id=gone.id, verdict="reject", digest=gone.digest, reason_code="duplicate"
    )
    parked(writer, "820.00", key="late")


def test_pages_with_halts_in_force(looker: Looker, writer: Robot, erp: FakeErp) -> None:
    _a_busy_day(writer, erp)
    looker.sign_in("omar")
    looker.go("/runs/")
    looker.page.get_by_role("link", name="Stop").click()
    expect(looker.page.get_by_role("dialog")).to_be_visible()
    looker.look("the halt panel as a sheet")
    looker.at("/halts/new/?scope=agent:writer", name="the halt panel as a page")
    looker.at("/halts/new/?scope=counterparty&reference=planet:mars", name="a counterparty that is not there")
    for what in ("agents", "runs", "executing", "waiting"):
        looker.at(f"/halts/touched/?scope=process:order-to-cash&what={what}")
    looker.at("/halts/touched/?scope=tool:erp.open_ticket&what=executing", name="nothing behind a number")
    looker.at("/halts/rules/", name="rules of who may not set any")
    looker.at("/halts/drills/", name="no drill yet")
    halts.schedule_drill(actor=actor("omar"), agent="writer", planned_for=clock.now(), every_days=7)
    looker.at("/halts/drills/")
    looker.sign_in("priya")
    looker.at("/halts/rules/")
    text = halts.RuleText(
        scope_type="agent",
        scope_reference="writer",
        environment="production",
        condition="error_rate",
        threshold=30,
        window_seconds=300,
    )
    halts.set_rule(actor=actor("priya"), slug="failing-writer", text=text)
    looker.at("/halts/rules/", name="a rule")
    looker.sign_in("omar")
    wide = _halt("process", "order-to-cash")
    looker.at(f"/halts/{wide.id}/", name="a wide halt")
    halts.lift_halt(actor=actor("priya"), halt_id=wide.id, reason="Found and fixed")
    looker.at(f"/halts/{wide.id}/", name="a wide halt that somebody wants lifted")
    wish = wide.lift_requests.get()
    looker.sign_in("dana")
    looker.at(f"/inbox/{wish.approval_id}/", name="the card of a lift")
    approvals.cast_vote(
        actor=actor("dana"), approval_id=wish.approval_id, verdict="approve", digest=wish.approval.digest
    )
    halts.answer_lift_request(wish.id)
    looker.sign_in("omar")
    looker.at(f"/halts/{wide.id}/", name="a ramp")
    halts.hold_again(actor=actor("omar"), halt_id=wide.id)
    halts.lift_halt(actor=system_actor("tests"), halt_id=wide.id, reason="Over")

    placed = [_halt(scope, reference) for scope, reference in (("mesh", ""), ("agent", "writer"), ("tool", "erp.find"))]
    halts.lift_halt(actor=actor("omar"), halt_id=placed[1].id, reason="Found and fixed")
    writer.call("12.00", key="halted")
    for path in ("/halts/", f"/halts/{placed[2].id}/", f"/halts/{placed[1].id}/", "/inbox/", "/agents/"):
        looker.at(path, name=f"{path} with halts")
    looker.page.context.clear_cookies()
    looker.at("/accounts/login/", name="sign-in with halts")

    assert "\n".join(looker.found) == ""


def _a_busy_day(writer: Robot, erp: FakeErp) -> Any:
    """Calls in every state, with all that a card can show. Returns the call that people approved and the ERP did."""
    run = (
        writer.api()
        .post("/api/v1/runs", {"title": "Dispute INV-1042", "business_key": "INV-1042"}, format="json")
        .json()
    )
    more: dict[str, Any] = {
        "rationale": "Billed 80.00 a unit, agreed were 64.00.",
        "confidence": 0.93,
        "evidence": [{"title": "Price list 2026-09", "uri": "urn:erp:price-list:2026-09", "sha256": "a" * 64}],
    }
    done, approval = parked(writer, key="done", run_id=run["id"], **more)
    approvals.cast_vote(
        actor=actor("dana"), approval_id=approval.id, verdict="approve", digest=approval.digest, comment="As agreed"
    )
    settle_news()
    done.refresh_from_db()
    writer.call("180.00", key="alone", run_id=run["id"])
    writer.call("0.00", key="denied")
    erp.faults = ["400"]
    writer.call("190.00", key="failed")
    erp.faults = ["500"]
    writer.call("200.00", key="executing")
    for number, amount in enumerate(("1280.00", "6000.00", "700.50", "999.99")):
        parked(writer, amount, key=f"waiting-{number}", **more)
    return done


def _halt(scope_type: str, reference: str) -> Any:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type=scope_type,
        scope_reference=reference,
        environment="production",
        mode="hold",
        reason_code="malfunction",
        reason="It credits the wrong customers",
    )
