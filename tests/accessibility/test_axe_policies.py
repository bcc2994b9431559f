"""The pages of policies, in every state, as axe, a phone and a dark room see them."""

import datetime as dt
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.accounts.models import Team
from apps.accounts.services import add_member
from apps.core import clock
from apps.core.actor import system_actor
from apps.gateway.models import ToolCall
from apps.policies import services
from apps.policies.models import EmergencyRelease
from apps.registry.models import Grant
from tests.accessibility.looking import DESK, Looker
from tests.conftest import Robot, actor, person
from tests.fakes.erp import FakeErp
from tests.policies.recovering import active, spoil
from tests.policies.reviewing import SET, limit, raised, released, sent, voted
from tests.policies.test_exceptions import granted
from tests.world import POLICY

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_policies(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("otto")
    looker.at("/policies/", name="no set is theirs to see")
    looker.sign_in("priya")
    looker.at("/policies/")
    looker.at(f"/policies/{SET}/", name="a set that was only set up")
    writer.call("180.00")
    draft = raised()
    looker.at(f"/policies/drafts/{draft.id}/", name="a draft by its owner")
    _refused_amount(looker)
    looker.at(f"/policies/{SET}/diff/?from=1&to=draft:{draft.id}", name="a difference")
    _over_each_other(looker, draft)
    review = sent(raised("800.00"), environment="staging", message="Try it")
    looker.at(f"/policies/reviews/{review.id}/", name="a review that waits")
    looker.sign_in("dana")
    looker.at(f"/inbox/{review.approval_id}/", name="the card of a release")
    looker.at(f"/policies/drafts/{draft.id}/", name="a draft of others")
    voted(review)
    voted(sent(raised("850.00")), verdict="reject", reason_code="other", comment="No")
    released("900.00")
    looker.sign_in("alex")
    _with_mistakes(looker)
    looker.at(f"/policies/drafts/{draft.id}/", name="a draft that is behind")
    looker.expect_refusal(409)
    page.get_by_role("button", name="Bring it up to date").click()
    looker.look("a clash")
    looker.at(f"/policies/{SET}/", name="a history")
    looker.at(f"/policies/{SET}/versions/1/", name="a version to go back to")
    looker.at(f"/policies/{SET}/versions/2/", name="a version to promote")
    looker.at(f"/policies/{SET}/versions/1/decisions/")
    looker.at(f"/policies/{SET}/versions/2/decisions/", name="no decisions")

    assert "\n".join(looker.found) == ""


def test_policies_that_cannot_be_read(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    released()
    spoil(active())
    looker.at("/accounts/login/", name="a stranger while policies cannot be read")
    looker.sign_in("omar")
    looker.at("/inbox/", name="policies cannot be read")
    looker.at(f"/policies/{SET}/", name="a way back")
    page.get_by_label("Why").fill("The disk")
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.get_by_text("Version 3 decides in production.")).to_be_visible()
    for release in active("global"), active():
        spoil(release)
    looker.at(f"/policies/{SET}/versions/3/", name="a version that cannot be read")
    looker.sign_in("dana")
    looker.at("/policies/global/", name="no way back")
    looker.at(f"/policies/{SET}/", name="a way back for others")


def _refused_amount(looker: Looker) -> None:
    page = looker.page
    page.set_viewport_size({"width": DESK, "height": 900})
    page.get_by_label("Credit memos an agent may post alone (EUR)").fill("much")
    looker.expect_refusal(422)
    page.get_by_role("button", name="Save").click()
    looker.look("an amount that is none")


def _over_each_other(looker: Looker, draft: Any) -> None:
    page = looker.page
    looker.go(f"/policies/drafts/{draft.id}/")
    services.save_draft(
        actor=actor("alex"), draft_id=draft.id, version=2, text=POLICY + "// by Alex\n", parameters=limit("780.00")
    )
    page.get_by_label("Credit memos an agent may post alone (EUR)").fill("790.00")
    looker.expect_refusal(409)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("alert").first).to_contain_text("Alex Novak has saved this draft")
    looker.look("two who saved")


def _with_mistakes(looker: Looker) -> None:
    """What is typed is checked while it is typed."""
    page = looker.page
    looker.go(f"/policies/{SET}/")
    page.get_by_role("button", name="Start a draft").click()
    page.wait_for_load_state()  # what is typed before the scripts are there is checked with the next key
    text = page.get_by_label("Cedar text")
    text.fill(POLICY.replace("money.minor >", "money.minro >").replace('"finance-approvers:1"', '"finance:1"'))
    expect(page.get_by_role("region", name="Checks").get_by_role("alert")).to_contain_text("line 14, column 22")
    looker.look("a text with mistakes")
    text.fill(POLICY.replace("context.money.minor > context.params.credit_alone.minor", "context.money.minor > 900000"))
    expect(page.get_by_role("region", name="Checks")).to_contain_text("This can never apply")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("button", name="Add test cases around each threshold").click()
    page.get_by_text("Parameters and test cases as JSON").click()
    looker.look("an engineer's draft")


def test_alone_at_a_time_and_excepted(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("priya")
    looker.at(f"/policies/{SET}/exceptions/", name="no exceptions")
    scheduled = voted(sent(raised("650.00"), environment="staging", release_at=clock.now() + dt.timedelta(days=2)))
    looker.at("/policies/", name="something scheduled")
    looker.at(f"/policies/reviews/{scheduled.id}/", name="a scheduled release")
    row = granted()
    writer.call("600.00")
    services.revoke_exception(actor=actor("omar"), exception_id=granted(agent="").id, reason="Finance is back")
    looker.at(f"/policies/{SET}/exceptions/", name="exceptions and the form")
    looker.at(f"/policies/exceptions/{row.id}/", name="an exception and its uses")
    draft = raised()
    looker.go(f"/policies/drafts/{draft.id}/")
    page.get_by_text("It cannot wait for a review").click()
    looker.look("a draft that cannot wait")
    page.get_by_label("Why it cannot wait").fill("Every refund fails since noon")
    page.get_by_role("button", name="Release it alone, now").click()
    expect(page.get_by_role("region", name="Emergency releases")).to_contain_text("Every refund fails since noon")
    looker.look("an emergency release")
    looker.at(f"/policies/{SET}/", name="a history with an emergency")
    emergency = EmergencyRelease.objects.get()
    looker.sign_in("dana")
    looker.at(f"/inbox/{emergency.request.approval_id}/", name="the card of an emergency release")
    voted(emergency.request, verdict="reject", reason_code="other", comment="The limit was right")
    looker.sign_in("omar")
    looker.at(f"/policies/reviews/{emergency.request_id}/", name="an emergency release that was rejected")
    assert "\n".join(looker.found) == ""


def test_who_can_do_what_and_who_can_agree(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("priya")
    looker.at(f"/policies/{SET}/access/", name="who can do what")
    looker.at("/agents/writer/access/", name="what an agent may do")
    writer.call("180.00")
    call = ToolCall.objects.get()
    looker.at(f"/calls/{call.id}/decisions/", name="how a call was decided")
    looker.at(f"/policies/{SET}/versions/1/decisions/?rule=credit-alone", name="what a rule decided")
    Grant.objects.filter(agent__slug="triage").delete()
    looker.at("/agents/triage/access/", name="an agent without a grant")
    draft = raised()
    page.set_viewport_size({"width": DESK, "height": 900})
    looker.go(f"/policies/drafts/{draft.id}/")
    expect(page.get_by_label("Who is asked")).to_have_value("finance-approvers")
    for who in ("dana", "felix", "carla"):
        add_member(team=Team.objects.get(slug="o2c-builders"), user=person(who), actor=system_actor("tests"))
    looker.at(f"/policies/drafts/{draft.id}/", name="a draft nobody could agree to")
    assert "\n".join(looker.found) == ""
