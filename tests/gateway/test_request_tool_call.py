"""POST /api/v1/tool-calls: one call in; answer, rows, audit and the business system's ledger out."""

from typing import Any

import pytest

from apps.audit.models import AuditEntry
from apps.core.models import OutboxEvent
from apps.gateway.models import CallState, ToolCall
from apps.runs.models import Run, RunState, Span
from tests.conftest import Robot, credit, parked
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db


def test_a_small_credit_memo_is_allowed_executed_and_explained(writer: Robot, erp: FakeErp) -> None:
    answer = writer.call("180.00", key="INV-1042/credit", rationale="Price list says so")

    body = answer.json()
    assert answer.status_code == 200, body
    assert body["state"] == "succeeded"
    assert body["result"] == {"id": "CM-1"}
    assert body["decision"]["outcome"] == "allow"
    assert [policy["id"] for policy in body["decision"]["policies"]] == ["credit-alone"]
    assert body["replayed"] is False
    assert [entry["amount"] for entry in erp.ledger] == ["180.00"]
    assert erp.requests[0]["token"] == "Bearer erp-secret"
    call = ToolCall.objects.get(id=body["id"])
    assert (call.money_minor, call.currency, call.entity_id) == (18000, "EUR", "INV-1042")
    assert list(AuditEntry.objects.filter(run_id=call.run_id).order_by("seq").values_list("code", flat=True)) == [
        "tool_call.decided",
        "tool_call.succeeded",
    ]
    assert [span.kind for span in Span.objects.filter(run=call.run).order_by("started_at")] == ["decision", "tool"]
    assert Run.objects.get(id=call.run_id).state == RunState.SUCCEEDED


def test_a_larger_one_waits_for_people_and_nothing_is_sent(writer: Robot, erp: FakeErp) -> None:
    answer = writer.call("1280.00")

    body = answer.json()
    assert answer.status_code == 202
    assert body["state"] == "awaiting_approval"
    assert body["approval"]["state"] == "pending"
    assert body["approval"]["url"].endswith(f"/inbox/{body['approval']['id']}/")
    assert erp.requests == []


def test_the_key_may_come_in_the_header(writer: Robot, erp: FakeErp) -> None:
    body = {"tool": "erp.issue_credit_memo", "arguments": credit()}
    answer = writer.api().post("/api/v1/tool-calls", body, format="json", HTTP_IDEMPOTENCY_KEY="from-the-header")

    assert answer.status_code == 200
    assert answer.json()["idempotency_key"] == "from-the-header"


def test_the_same_key_and_arguments_are_the_same_call(writer: Robot, erp: FakeErp) -> None:
    first = writer.call("180.00").json()
    again = writer.call("180.00")

    assert again.status_code == 200
    assert again.json()["id"] == first["id"]
    assert again.json()["replayed"] is True
    assert again.json()["result"] == first["result"]
    assert len(erp.ledger) == 1


def test_the_same_key_with_other_arguments_conflicts(writer: Robot, erp: FakeErp) -> None:
    writer.call("180.00")
    answer = writer.call("190.00")

    assert answer.status_code == 409
    assert answer.json()["code"] == "idempotency_conflict"
    assert answer["Content-Type"] == "application/problem+json"
    assert len(erp.ledger) == 1


def test_two_keys_are_two_payments(writer: Robot, erp: FakeErp) -> None:
    assert writer.call("180.00", key="a").status_code == writer.call("180.00", key="b").status_code == 200
    assert len(erp.ledger) == 2


def test_two_agents_may_choose_the_same_key(writer: Robot, triage: Robot, erp: FakeErp) -> None:
    assert writer.call("180.00", key="a").status_code == triage.call("180.00", key="a").status_code == 200
    assert len(erp.ledger) == 2


def test_a_waiting_call_is_found_again_under_its_key(writer: Robot) -> None:
    call, approval = parked(writer)
    again = writer.call("1280.00")

    assert again.status_code == 202
    assert again.json()["id"] == str(call.id)
    assert again.json()["approval"]["id"] == str(approval.id)


def test_calls_of_one_piece_of_work_share_its_run(writer: Robot, erp: FakeErp) -> None:
    run = (
        writer.api()
        .post("/api/v1/runs", {"title": "Dispute INV-1042", "business_key": "INV-1042"}, format="json")
        .json()
    )
    writer.call("10.00", key="a", run_id=run["id"])
    writer.call("11.00", key="b", run_id=run["id"])
    shown = writer.api().get(f"/api/v1/runs/{run['id']}").json()
    ended = writer.api().patch(f"/api/v1/runs/{run['id']}", {"state": "succeeded"}, format="json")

    assert shown["call_count"] == 2
    assert shown["state"] == "open"
    assert len(shown["spans"]) == 4
    assert ended.json()["state"] == "succeeded"
    assert writer.call("12.00", key="c", run_id=run["id"]).json()["code"] == "run.ended"


def test_a_dry_run_decides_and_leaves_nothing_behind(writer: Robot, erp: FakeErp) -> None:
    answer = writer.call("1280.00", dry_run=True)
    authorized = writer.api().post(
        "/api/v1/authorize", {"tool": "erp.issue_credit_memo", "arguments": credit("180.00")}, format="json"
    )

    assert answer.json()["decision"]["outcome"] == "require_approval"
    assert authorized.json()["decision"]["outcome"] == "allow"
    assert not ToolCall.objects.exists()
    assert erp.requests == []


REFUSALS: list[tuple[str, dict[str, Any], int, str]] = [
    ("an unknown tool", {"tool": "erp.print_money"}, 404, "tool_not_found"),
    ("arguments that miss the schema", {"arguments": credit("1.5")}, 422, "arguments_invalid"),
    ("no arguments", {"arguments": {}}, 422, "arguments_invalid"),
    ("arguments that are no object", {"arguments": [1]}, 422, "input.invalid"),
    ("no key", {"idempotency_key": ""}, 422, "input.invalid"),
    ("a key with a line break", {"idempotency_key": "a\nb"}, 422, "input.invalid"),
    ("a key of 300 characters", {"idempotency_key": "k" * 300}, 422, "input.invalid"),
    ("an unknown run", {"run_id": "0198c0de-0000-7000-8000-000000000000"}, 404, "run.not_found"),
    ("a run that is no id", {"run_id": "seven"}, 422, "input.invalid"),
    ("an unknown principal", {"on_behalf_of": "nobody"}, 422, "on_behalf_of_unknown"),
]


@pytest.mark.parametrize(("what", "change", "status", "code"), REFUSALS, ids=[row[0] for row in REFUSALS])
def test_refused_with_a_code_and_nothing_half_done(
    writer: Robot, erp: FakeErp, what: str, change: dict[str, Any], status: int, code: str
) -> None:
    entries = AuditEntry.objects.count()
    body = {"tool": "erp.issue_credit_memo", "arguments": credit(), "idempotency_key": "k-1", **change}
    answer = writer.api().post("/api/v1/tool-calls", body, format="json")

    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.json()
    assert answer["Content-Type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 10
    assert not ToolCall.objects.exists()
    assert not Run.objects.exists()
    assert not OutboxEvent.objects.filter(delivered_at=None, name__startswith="ToolCall").exists()
    assert AuditEntry.objects.count() == entries
    assert erp.requests == []


def test_a_schema_refusal_points_at_each_error(writer: Robot) -> None:
    errors = (
        writer.api()
        .post(
            "/api/v1/tool-calls",
            {
                "tool": "erp.issue_credit_memo",
                "idempotency_key": "k",
                "arguments": {**credit("1.5"), "currency": "YEN"},
            },
            format="json",
        )
        .json()["errors"]
    )

    assert {error["pointer"] for error in errors} == {"/amount", "/currency"}


def test_without_a_grant_a_tool_does_not_exist(triage: Robot) -> None:
    unknown = triage.call(tool="erp.print_money").json()
    ungranted = triage.call(tool="erp.write_off").json()

    assert unknown["code"] == ungranted["code"] == "tool_not_found"
    assert unknown["detail"].replace("erp.print_money", "X") == ungranted["detail"].replace("erp.write_off", "X")


def test_a_currency_no_policy_speaks_of_is_denied(writer: Robot, erp: FakeErp) -> None:
    answer = writer.api().post(
        "/api/v1/tool-calls",
        {"tool": "erp.issue_credit_memo", "arguments": credit("1.00", "USD"), "idempotency_key": "usd"},
        format="json",
    )

    assert answer.status_code == 403
    assert answer.json()["code"] == "denied"
    assert answer.json()["decision"]["outcome"] == "deny"
    assert answer.json()["state"] == "denied"
    assert ToolCall.objects.get().state == CallState.DENIED
    assert AuditEntry.objects.filter(code="tool_call.decided", outcome="deny").exists()
    assert erp.requests == []


def test_a_denied_call_stays_denied_under_its_key(writer: Robot) -> None:
    body = {"tool": "erp.issue_credit_memo", "arguments": credit("1.00", "USD"), "idempotency_key": "usd"}
    first = writer.api().post("/api/v1/tool-calls", body, format="json").json()
    again = writer.api().post("/api/v1/tool-calls", body, format="json")

    assert (again.status_code, again.json()["id"], again.json()["replayed"]) == (403, first["id"], True)
