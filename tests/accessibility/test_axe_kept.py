"""What a run keeps, and how long: full, masked, held, erased, as axe, a phone and a dark room see it."""

from typing import Any

import pytest
from playwright.sync_api import Page

from tests.accessibility.looking import Looker
from tests.artifacts.keeping import open_run, save, send_file
from tests.budgets.builders import make_budget
from tests.conftest import Robot
from tests.retention.building import end, full_run, make_rule

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

STATE = {
    "step": "waiting for the price list",
    "asked": ["INV-1042", "INV-1043"],
    "customer": {"name": "Acme GmbH & Co"},
}


def test_kept_held_and_erased(live_server: Any, page: Page, writer: Robot) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("chen")
    looker.at("/retention/", name="no rule and no hold")
    make_budget(cap=50, measure="steps", window="run")
    run = open_run(writer, "A dispute about an invoice with quite a long title, of a customer who is not amused")
    save(writer, run, STATE, data_class="internal")
    send_file(writer, run, name="prices-of-the-third-quarter-as-agreed-in-april.csv")
    send_file(writer, run, b"IBAN", name="account.txt", data_class="personal")
    looker.at(f"/runs/{run}/", name="a run with what it keeps")
    looker.at(f"/runs/{run}/state/", name="a state and its versions")
    masked = full_run(writer)
    looker.at(f"/runs/{masked.id}/", name="a run that is masked")
    looker.at(f"/runs/{masked.id}/state/reveal/", name="why a state is revealed")
    page.get_by_label("Why you need to see it").fill("Complaint 17")
    page.get_by_role("button", name="Reveal").click()
    looker.look("a revealed state")
    end(writer, run)
    looker.go(f"/runs/{run}/")
    page.get_by_text("Legal hold", exact=True).click()
    page.get_by_label("Why it must be kept").fill("Case 4711: the customer went to court, and everything is evidence")
    page.get_by_role("button", name="Hold this run").click()
    looker.look("a run under a legal hold")
    make_rule("calls", 90, data_class="personal", process="order-to-cash")
    make_rule("state", 30, process="order-to-cash")
    make_rule("spans", 14)
    looker.at("/retention/", name="rules and holds")
    looker.expect_refusal(422)
    page.get_by_label("What").select_option("spans")
    page.get_by_label("Days after").fill("7")
    page.get_by_role("button", name="Set the rule").click()
    looker.look("a rule that cannot be")
    looker.expect_refusal(200)
    looker.go(f"/runs/{masked.id}/")
    page.get_by_text("Erase what this run holds").click()
    page.get_by_label("Why", exact=True).fill("Request 17 of the customer")
    looker.look("about to erase")
    page.get_by_role("button", name="Erase for good").click()
    looker.look("a run whose content was erased")
    looker.at(f"/runs/{masked.id}/?view=timeline", name="the timeline of an erased run")

    assert "\n".join(looker.found) == ""
