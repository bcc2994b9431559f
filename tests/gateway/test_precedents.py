"""What the card shows beside what is bound: how the last ones like it ended, and what waits on it."""

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.approvals.subjects import kind_of
from apps.gateway.models import ToolCall
from apps.runs.models import Span
from tests.conftest import Robot, actor, credit, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.gateway.test_edit_tool_call import vote

pytestmark = pytest.mark.django_db


def ended(robot: Robot, amount: str, verdict: str, key: str, **more: Any) -> None:
    _, approval = parked(robot, amount, key=key, **more)
    vote(approval, "felix", verdict)
    settle_news()


def context(robot: Robot, amount: str = "1280.00", **more: Any) -> dict[str, Any]:
    _, approval = parked(robot, amount, key="asked", **more)
    dana = actor("dana")
    with CaptureQueriesContext(connection) as captured:
        found = kind_of(approval).context(dana, approval)
    assert len(captured) <= 3
    return found


def test_the_last_ones_on_the_same_record(writer: Robot, erp: FakeErp) -> None:
    for number, (amount, verdict) in enumerate(
        [("600.00", "reject"), ("1000.00", "approve"), ("1180.00", "approve"), ("2000.00", "approve")]
    ):
        ended(writer, amount, verdict, f"ended-{number}")
    found = context(writer)["precedents"]

    assert found["sentence"] == "Last 4 for invoice INV-1042: 3 approved, 1 rejected, median €1,090.00"
    assert [(row["state"], row["minor"]) for row in found["rows"]] == [
        ("approved", 200000),
        ("approved", 118000),
        ("approved", 100000),
        ("rejected", 60000),
    ]
    assert found["rows"][0]["url"].startswith("/inbox/")


def test_five_at_most(writer: Robot, erp: FakeErp) -> None:
    for number in range(6):
        ended(writer, "700.00", "approve", f"ended-{number}")
    found = context(writer)["precedents"]
    assert found["sentence"].startswith("Last 5 for invoice INV-1042: 5 approved")
    assert len(found["rows"]) == 5


def test_where_the_record_has_none_the_agents_own_of_this_kind(writer: Robot, erp: FakeErp) -> None:
    ended(writer, "700.00", "approve", "ended", arguments=credit("700.00", invoice="INV-1"))
    ended(writer, "700.00", "approve", "other", tool="erp.write_off")
    found = context(writer)["precedents"]
    assert found["sentence"] == "The last one of this kind by Order-to-cash writer: 1 approved, median €700.00"


def test_what_needed_nobody_is_no_precedent(writer: Robot, erp: FakeErp) -> None:
    writer.call("180.00", key="alone")
    assert context(writer)["precedents"] is None


def test_amounts_of_two_currencies_are_never_put_together(writer: Robot, erp: FakeErp) -> None:
    ended(writer, "600.00", "approve", "eur")
    ended(writer, "800.00", "approve", "usd", tool="erp.write_off", arguments=credit("800.00", "USD"))
    ToolCall.objects.filter(idempotency_key="usd").update(tool=ToolCall.objects.get(idempotency_key="eur").tool)
    sentence = context(writer)["precedents"]["sentence"]
    assert sentence == "Last 2 for invoice INV-1042: 2 approved, median €600.00 and $800.00"


def test_what_waits_on_it(writer: Robot, erp: FakeErp) -> None:
    run = writer.api().post("/api/v1/runs", {"title": "Dispute INV-1042"}, format="json").json()["id"]
    parked(writer, "700.00", key="another", run_id=run)
    found = context(writer, run_id=run)
    assert found["waits"] == "The run “Dispute INV-1042” waits for this; 1 more call waits in it."
    step = Span.objects.get(tool_call_id=ToolCall.objects.get(idempotency_key="asked").id, kind="human_wait")
    assert found["span_url"] == f"/runs/{run}/?view=timeline#step-{step.id}"


def test_a_run_of_a_single_call_has_nothing_that_waits(writer: Robot) -> None:
    assert context(writer)["waits"] == ""
