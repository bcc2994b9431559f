"""A run with a time, while it lasts and when it is over, as axe, a phone and a dark room see it."""

from typing import Any

import pytest
from playwright.sync_api import Page

from apps.core import clock
from apps.runs import deadlines
from apps.runs.models import Run
from tests.accessibility.looking import Looker
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_a_run_with_a_time(live_server: Any, page: Page, writer: Robot, erp: FakeErp) -> None:
    looker = Looker(page, live_server.url)
    looker.sign_in("priya")
    body = {"title": "Dispute INV-1042", "time_budget_seconds": 600}
    run = writer.api().post("/api/v1/runs", body, format="json").json()["id"]
    writer.call("2.00", run_id=run)
    looker.at(f"/runs/{run}/", name="a run that may take ten minutes")
    looker.at(f"/runs/{run}/?view=timeline", name="its timeline")
    Run.objects.update(deadline_at=clock.now())
    deadlines.time_out_runs()
    looker.at(f"/runs/{run}/", name="a run that is out of time")
    page.evaluate("() => document.querySelector('#extend_reason').removeAttribute('required')")
    looker.expect_refusal(422)
    page.get_by_role("button", name="Give it more time").click()
    looker.look("more time without a reason")

    assert "\n".join(looker.found) == ""
