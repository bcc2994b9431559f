"""Rates: a call that comes too soon is turned away before anything is written, and counted."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEntry
from apps.budgets.models import Rate
from apps.gateway.models import ToolCall
from apps.runs.models import Run
from tests.budgets.builders import make_rate
from tests.conftest import Robot, at_once
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("scope", "reference"), [("agent", "writer"), ("tool", "erp.issue_credit_memo"), ("process", "order-to-cash")]
)
def test_beyond_the_rate_nothing_is_written(writer: Robot, erp: FakeErp, scope: str, reference: str) -> None:
    rate = make_rate(capacity=2, scope_type=scope, scope_reference=reference)
    codes = [writer.call("1.00", key=f"k{n}").status_code for n in range(2)]
    before = (ToolCall.objects.count(), Run.objects.count(), AuditEntry.objects.count())
    answer = writer.call("1.00", key="k2")

    assert codes == [200, 200]
    assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
    assert 90 <= int(answer["Retry-After"]) <= 101
    assert answer.json()["rate"]["id"] == str(rate.id)
    assert (ToolCall.objects.count(), Run.objects.count(), AuditEntry.objects.count()) == before
    assert Rate.objects.get(id=rate.id).refused_count == 1


def test_the_bucket_fills_by_time(writer: Robot, erp: FakeErp) -> None:
    rate = make_rate(capacity=1, refill_per_second=0.1)
    assert [writer.call("1.00", key=f"k{n}").status_code for n in range(2)] == [200, 429]

    with connection.cursor() as cursor:
        cursor.execute("UPDATE budgets_rate SET filled_at = filled_at - interval '11 seconds' WHERE id = %s", [rate.id])

    assert [writer.call("1.00", key=f"l{n}").status_code for n in range(2)] == [200, 429]


def test_an_ended_rate_lets_everything_through(
    writer: Robot, erp: FakeErp, api: Callable[..., Any], sign_in: Callable[[str], Client]
) -> None:
    rate = make_rate(capacity=1)
    writer.call("1.00", key="a"), writer.call("1.00", key="b")
    page = sign_in("omar").get("/budgets/").content.decode()
    ended = api("priya").post(f"/api/v1/rates/{rate.id}/end", {"reason": "The ERP is faster now"}, format="json")

    assert "0.01 calls a second for Order-to-cash writer" in page
    assert (ended.status_code, ended.json()["refused_count"]) == (200, 1)
    assert writer.call("1.00", key="c").status_code == 200
    assert AuditEntry.objects.filter(code__in=["rate.set", "rate.ended"]).count() == 2


def test_a_refusal_costs_one_statement_more_than_finding_the_tool(writer: Robot, erp: FakeErp) -> None:
    make_rate(capacity=1)
    writer.call("1.00", key="a")
    with CaptureQueriesContext(
        connection,
    ) as asked:
        assert writer.call("1.00", key="b").status_code == 429

    assert len(asked) <= 5


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"capacity": 0}, "/capacity"),
        ({"refill_per_second": 0}, "/refill_per_second"),
        ({"environment": "x"}, "/environment"),
    ],
)
def test_a_rate_that_says_nothing_clearly_is_refused(
    api: Callable[..., Any], change: dict[str, Any], pointer: str
) -> None:
    body = {"scope": {"type": "agent", "id": "writer"}, "environment": "production", "capacity": 5}
    answer = api("priya").post("/api/v1/rates", body | {"refill_per_second": 1.0} | change, format="json")

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


@pytest.mark.django_db(transaction=True)
def test_many_at_once_draw_from_one_bucket(writer: Robot, erp: FakeErp) -> None:
    make_rate(capacity=5, refill_per_second=0.001)
    answers = at_once([partial(writer.call, "1.00", key=f"k{n}") for n in range(16)])

    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [429] * 11
