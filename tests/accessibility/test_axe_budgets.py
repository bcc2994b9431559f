"""The pages of budgets, empty, full, used up and refused, as axe, a phone and a dark room see them."""

from typing import Any

import pytest
from playwright.sync_api import Page

from apps.budgets.services import end_budget
from tests.accessibility.looking import Looker
from tests.budgets.builders import TESTS, make_budget, make_rate
from tests.conftest import Robot, parked
from tests.fakes.erp import FakeErp

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_budgets(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("priya")
    looker.at("/budgets/", name="no budget")
    looker.at("/budgets/new/")
    budgets = _a_day_of_spending(writer)
    looker.at("/budgets/", name="budgets in every state")
    for budget in budgets:
        looker.at(f"/budgets/{budget.id}/", name=str(budget))
    looker.go(f"/budgets/{budgets[0].id}/")
    page.evaluate("() => document.querySelector('#end-reason').removeAttribute('required')")
    looker.expect_refusal(422)
    page.get_by_role("button", name="End this budget").click()
    looker.look("an end without a reason")
    looker.go("/budgets/new/")
    page.get_by_label("At most").fill("much")
    page.get_by_label("Why").fill("The board")
    looker.expect_refusal(422)
    page.get_by_role("button", name="Set the budget").click()
    looker.look("a budget that is refused")

    assert "\n".join(looker.found) == ""


def test_rates(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("priya")
    looker.at("/budgets/rates/new/")
    rate = make_rate(capacity=1)
    for number in range(3):
        writer.call("1.00", key=f"k{number}")
    looker.at("/budgets/", name="rates")
    looker.at(f"/budgets/rates/{rate.id}/")
    page.get_by_label("Calls").fill("many")
    page.get_by_label("Why", exact=True).fill("The ERP is slow")
    looker.expect_refusal(422)
    page.get_by_role("button", name="Set the rate").click()
    looker.look("a rate that is refused")
    looker.go(f"/budgets/rates/{rate.id}/")
    make_rate(capacity=7)
    page.get_by_label("Why", exact=True).fill("The ERP is slow")
    looker.expect_refusal(409)
    page.get_by_role("button", name="Set the rate").click()
    looker.look("a rate that somebody changed")
    looker.at(f"/budgets/rates/{rate.id}/", name="a rate that has ended")

    assert "\n".join(looker.found) == ""


def _a_day_of_spending(writer: Robot) -> list[Any]:
    """Budgets that are open, near their end, used up, overrun, kept per run and ended; and a held run."""
    wide = {"scope_type": "process", "scope_reference": "order-to-cash"}
    budgets = [
        make_budget(cap=500_000, reason="The board"),
        make_budget(cap=152_000, window="month", **wide),
        make_budget(cap=9_000_000, scope_type="mesh", scope_reference="", window="week"),
        make_budget(cap=3_00, measure="model_cost", estimate=1_00, **wide),
        make_budget(cap=2, measure="repeats", window="run"),
        make_budget(cap=10_000, measure="tokens", estimate=500, window="hour"),
    ]
    run = writer.api().post("/api/v1/runs", {"title": "Dispute INV-1042"}, format="json").json()["id"]
    for number in range(3):
        writer.call("80.00", key=f"again-{number}", run_id=run)
    parked(writer, "1280.00")
    usage = {"key": "m-1", "model": "large", "tokens": 6000, "cost": {"minor": 410, "currency": "EUR"}}
    writer.api().post("/api/v1/usage", usage, format="json")
    ended = make_budget(cap=1_000, window="total")
    end_budget(actor=TESTS, budget_id=ended.id, reason="The pilot is over")
    return [*budgets, ended]
