"""What agents reported, in a browser: the timeline of both, a step of it by keys, and what is revealed of it."""

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.runs.models import Run
from apps.telemetry.models import ToolReport
from apps.telemetry.ungoverned import PATIENCE, find_ungoverned_actions
from tests.accessibility.looking import Looker
from tests.conftest import Robot
from tests.runs.test_timeline_in_browser import READY
from tests.telemetry.exporting import now_ns, span, tell, tool_span
from tests.telemetry.prices import make_price
from tests.telemetry.test_joined_rows import chat
from tests.telemetry.test_ungoverned import call_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
SECOND = 10**9
SAID = "Freight was billed twice on INV-1042; credit the second one."


def told_run(writer: Robot) -> Run:
    """A turn that asked a model, made a governed call, sent a mail by itself and handed over."""
    make_price()
    end = now_ns()
    whole: dict[str, Any] = {"attributes": {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "triage"}}
    turn = span("invoke_agent triage", started_ns=end - 9 * SECOND, ended_ns=end, **whole)

    def at(second: int, length: int = 1) -> dict[str, Any]:
        begun = turn["started_ns"] + second * SECOND
        return {
            "trace": turn["trace"],
            "parent": turn["span"],
            "started_ns": begun,
            "ended_ns": begun + length * SECOND,
        }

    governed = tool_span("issue_credit_memo", **at(3, 6))
    asked = chat(given=4200, made=180, attributes={"gen_ai.prompt": SAID}, **at(1, 2))
    mail = tool_span("mail.send_reminder", **at(5))
    over = span("transfer", attributes={"gen_ai.operation.name": "handoff"}, **at(7))
    unpriced = chat(given=900, made=40, model="house-model", status=2, attributes={"error.type": "rate_limit"}, **at(6))
    tell(writer, turn, asked, governed, mail, unpriced, over)
    call_in(writer, governed)
    ToolReport.objects.update(received_at=Run.objects.get().started_at - 2 * PATIENCE)
    find_ungoverned_actions()
    return Run.objects.get()


def test_a_reported_step_is_read_by_keys_and_by_axe(live_server: Any, page: Page, writer: Robot) -> None:
    run = told_run(writer)
    looker = Looker(page, live_server.url)
    looker.sign_in("chen")
    looker.at(f"/runs/{run.id}/", name="story with reports")
    looker.go(f"/runs/{run.id}/?view=timeline")
    page.wait_for_function(READY)
    grid = page.get_by_role("treegrid", name="Timeline")
    looker.look("timeline with reports")
    page.get_by_label("Cut idle stretches").check()
    page.wait_for_url("**idle=1**")
    looker.look("idle stretches cut")
    expect(grid.get_by_role("row", name="mail.send_reminder")).to_contain_text("ungoverned")
    call = grid.get_by_role("row", name="Decision: allowed")
    expect(call).to_have_attribute("aria-level", "3")
    grid.get_by_role("row").nth(1).focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    step = page.get_by_role("region", name="Step")
    expect(step).to_contain_text("4,200")
    expect(step).to_contain_text("$0.0123")
    looker.look("a reported step")
    expect(step).not_to_contain_text(SAID)
    step.get_by_label("Why you need to see what is masked").fill("Complaint 17")
    step.get_by_role("button", name="Reveal").click()
    expect(page.get_by_role("main")).to_contain_text(SAID)
    looker.look("a revealed step")

    assert "\n".join(looker.found) == ""
