"""POST /api/v1/halts: what a halt stops, what it leaves, who may place and lift it."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from apps.approvals.models import ApprovalState
from apps.audit.models import AuditEntry
from apps.core import clock
from apps.gateway import services as gateway
from apps.gateway.models import CallState, ToolCall
from apps.halts.models import Halt
from apps.registry.models import Grant, Tool
from apps.runs.models import Span
from tests.approvals.test_cast_vote import vote
from tests.conftest import Robot, credit, parked, settle_news
from tests.fakes.erp import FakeErp

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def halt(client: APIClient, scope: str = "agent", reference: str = "writer", mode: str = "hold", **more: Any) -> Any:
    body = {
        "scope": {"type": scope, "id": reference},
        "environment": "production",
        "mode": mode,
        "reason_code": "malfunction",
        "reason": "It credits the wrong customers",
        **more,
    }
    return client.post("/api/v1/halts", body, format="json")


def lift(client: APIClient, halt_id: str, reason: str = "Fixed and tested") -> Any:
    return client.post(f"/api/v1/halts/{halt_id}/lift", {"reason": reason}, format="json")


SCOPES = [("mesh", ""), ("process", "order-to-cash"), ("agent", "writer"), ("tool", "erp.issue_credit_memo")]


@pytest.mark.parametrize(("scope", "reference"), SCOPES, ids=[scope for scope, _ in SCOPES])
def test_the_next_call_in_scope_is_turned_away(
    writer: Robot, api: Api, erp: FakeErp, scope: str, reference: str
) -> None:
    placed = halt(api("omar"), scope, reference)
    assert placed.status_code == 201, placed.json()
    answer = writer.call("180.00")

    assert (answer.status_code, answer.json()["code"]) == (423, "halted")
    assert answer.json()["halt"]["id"] == placed.json()["id"]
    assert answer.json()["halt"]["reason"] == "Suspected malfunction"
    assert "wrong customers" not in str(answer.json())
    assert erp.requests == []
    assert ToolCall.objects.get().state == CallState.HALTED
    assert AuditEntry.objects.filter(code="tool_call.halted").exists()


def test_the_answer_names_the_calls_that_still_run(writer: Robot, api: Api, erp: FakeErp) -> None:
    erp.faults = ["500"]
    call_id = writer.call("180.00").json()["id"]
    placed = halt(api("omar")).json()

    assert [(call["id"], call["tool"], call["entity"]) for call in placed["executing"]] == [
        (call_id, "erp.issue_credit_memo", {"type": "invoice", "id": "INV-1042"})
    ]


def test_what_is_outside_the_scope_goes_on(writer: Robot, triage: Robot, api: Api, erp: FakeErp) -> None:
    halt(api("omar"))

    assert writer.call("180.00").status_code == 423
    assert triage.call("180.00").status_code == 200
    halt(api("omar"), "tool", "erp.write_off")
    assert triage.call("180.00", key="k-2").status_code == 200


def test_after_the_lift_the_same_key_may_be_used(writer: Robot, api: Api, erp: FakeErp) -> None:
    placed = halt(api("omar")).json()
    writer.call("180.00")
    lifted = lift(api("omar"), placed["id"])

    assert lifted.status_code == 200
    assert writer.call("180.00").status_code == 200
    assert len(erp.ledger) == 1
    assert list(AuditEntry.objects.filter(subject_type="halt").order_by("seq").values_list("code", flat=True)) == [
        "halt.placed",
        "halt.lifted",
    ]


def test_a_call_approved_under_a_hold_runs_when_it_is_lifted(writer: Robot, api: Api, erp: FakeErp) -> None:
    call, approval = parked(writer)
    placed = halt(api("omar")).json()
    vote(api("dana"), approval)
    settle_news()
    call.refresh_from_db()
    assert (call.state, erp.requests) == (CallState.QUEUED, [])
    assert gateway.resolved_but_parked_calls() == []

    lift(api("omar"), placed["id"])
    clock.shift(dt.timedelta(seconds=5))
    try:
        assert gateway.resolved_but_parked_calls() == [call.id]
        gateway.release_tool_call(call.id)
    finally:
        clock.shift(dt.timedelta(0))
    call.refresh_from_db()
    assert (call.state, len(erp.ledger)) == (CallState.SUCCEEDED, 1)


def test_a_stop_ends_what_waits(writer: Robot, api: Api, erp: FakeErp) -> None:
    call, approval = parked(writer)
    placed = halt(api("omar"), mode="stop").json()
    gateway.end_calls_under(Halt.objects.get(id=placed["id"]).id)

    call.refresh_from_db()
    approval.refresh_from_db()
    assert (call.state, str(call.halt_id)) == (CallState.HALTED, placed["id"])
    assert approval.state == ApprovalState.CANCELLED
    assert vote(api("dana"), approval).json()["code"] == "approval.already_decided"


def test_a_stop_whose_news_was_lost_is_carried_out_by_the_sweep_even_when_lifted(
    writer: Robot, api: Api, erp: FakeErp
) -> None:
    run = writer.api().post("/api/v1/runs", {"title": "Before"}, format="json").json()
    call, _approval = parked(writer)
    placed = halt(api("omar"), mode="stop").json()
    lift(api("omar"), placed["id"])
    assert [str(halt_id) for halt_id in gateway.stops_to_carry_out()] == [placed["id"]]
    gateway.end_calls_under(Halt.objects.get().id)

    call.refresh_from_db()
    assert call.state == CallState.HALTED
    assert writer.api().get(f"/api/v1/runs/{run['id']}").json()["state"] == "halted"
    assert gateway.stops_to_carry_out() == []


def test_an_expiry_is_carried_out_under_a_halt(
    writer: Robot, api: Api, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    call, approval = parked(writer)
    halt(api("omar"), expires_at=(clock.now() + dt.timedelta(days=2)).isoformat())
    vote(api("dana"), approval, "reject", reason_code="duplicate")
    time_passes(seconds=10)

    assert gateway.resolved_but_parked_calls() == [call.id]
    gateway.release_tool_call(call.id)
    call.refresh_from_db()
    assert call.state == CallState.REJECTED


def test_waiting_for_a_halt_leaves_no_trail_of_attempts(
    writer: Robot, api: Api, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    Tool.objects.filter(name="erp.issue_credit_memo").update(lookup=None)
    erp.faults = ["500"]
    writer.call("180.00")
    halt(api("omar"), expires_at=(clock.now() + dt.timedelta(days=2)).isoformat())
    for visit in range(1, 20):
        time_passes(minutes=visit)
        for call_id in gateway.overdue_calls():
            gateway.recover_tool_call(call_id)

    assert Span.objects.filter(kind="tool").count() == len(erp.requests) == 1


def test_a_preview_for_other_gateways_is_halted_too(writer: Robot, api: Api) -> None:
    halt(api("omar"))
    body = {"tool": "erp.issue_credit_memo", "arguments": credit()}

    assert writer.api().post("/api/v1/authorize", body, format="json").status_code == 423


def test_an_agent_does_not_learn_the_operators_words(writer: Robot, api: Api) -> None:
    halt(api("omar"))
    told = writer.api().get("/api/v1/halts").json()["items"][0]

    assert "reason" not in told
    assert "placed_by" not in told
    assert told["reason_code"] == "malfunction"


def test_a_halt_that_touches_nothing_any_more_is_not_anybodys_to_lift(writer: Robot, api: Api) -> None:
    placed = halt(api("omar"), "tool", "erp.issue_credit_memo").json()
    Grant.objects.all().update(revoked_at=clock.now())

    assert lift(api("dana"), placed["id"]).json()["code"] == "halt.lift_not_allowed"


def test_a_stop_that_expires_goes_on_as_a_hold(writer: Robot, api: Api) -> None:
    placed = halt(api("omar"), mode="stop").json()
    Halt.objects.filter(id=placed["id"]).update(expires_at=clock.now() - dt.timedelta(hours=1))

    assert writer.call("180.00").status_code == 423
    assert Halt.objects.get(id=placed["id"]).effective_mode(clock.now()) == "hold"


def test_a_hold_that_expires_ends(writer: Robot, api: Api, erp: FakeErp) -> None:
    placed = halt(api("omar")).json()
    Halt.objects.filter(id=placed["id"]).update(expires_at=clock.now() - dt.timedelta(hours=1))

    assert writer.call("180.00").status_code == 200


def test_a_drain_lets_open_runs_finish_and_starts_none(writer: Robot, api: Api, erp: FakeErp) -> None:
    run = writer.api().post("/api/v1/runs", {"title": "Before"}, format="json").json()
    halt(api("omar"), mode="drain")
    after = writer.api().post("/api/v1/runs", {"title": "After"}, format="json").json()

    assert writer.call("10.00", key="a", run_id=run["id"]).status_code == 200
    assert writer.call("10.00", key="b", run_id=after["id"]).status_code == 423
    assert writer.call("10.00", key="c").status_code == 423


def test_lifting_one_of_two_leaves_the_other(writer: Robot, api: Api) -> None:
    first = halt(api("omar")).json()
    halt(api("omar"), "mesh", "")
    lift(api("omar"), first["id"])

    assert writer.call("180.00").status_code == 423


def test_a_waiting_retry_is_not_sent_under_a_halt(
    writer: Robot, api: Api, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    erp.faults = ["500"]
    writer.call("180.00")
    halt(api("omar"))
    time_passes(minutes=1)
    for call_id in gateway.overdue_calls():
        gateway.recover_tool_call(call_id)

    assert [request["method"] for request in erp.requests] == ["POST", "GET"]
    assert erp.ledger == []


NOT_ALLOWED = [
    ("dana", 403, "halt.not_allowed"),
    ("chen", 403, "halt.not_allowed"),
    ("otto", 404, "halt.scope_not_found"),
]


@pytest.mark.parametrize(("username", "status", "code"), NOT_ALLOWED, ids=[row[0] for row in NOT_ALLOWED])
def test_who_may_not_halt_is_told_so(writer: Robot, api: Api, username: str, status: int, code: str) -> None:
    answer = halt(api(username))

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Halt.objects.exists()


def test_an_agent_places_no_halt(writer: Robot) -> None:
    assert halt(writer.api()).json()["code"] == "people.only"


def test_lifting_the_mesh_needs_an_operator_of_all_it_touches(writer: Robot, api: Api) -> None:
    placed = halt(api("omar"), "mesh", "").json()

    assert lift(api("omar"), placed["id"]).json()["code"] == "halt.lift_not_allowed"
    assert lift(api("dana"), placed["id"]).status_code == 403


def test_a_halt_is_lifted_once_and_for_a_reason(writer: Robot, api: Api) -> None:
    placed = halt(api("omar")).json()

    assert lift(api("omar"), placed["id"], reason=" ").status_code == 422
    assert lift(api("omar"), placed["id"]).status_code == 200
    assert lift(api("omar"), placed["id"]).json()["code"] == "halt.already_lifted"


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "pause"},
        {"environment": "moon"},
        {"reason_code": "because"},
        {"scope": {"type": "galaxy"}},
        {"expires_at": "2001-01-01T00:00:00Z"},
        {"expires_at": "soon"},
    ],
)
def test_an_unclear_halt_is_refused(writer: Robot, api: Api, change: dict[str, Any]) -> None:
    answer = halt(api("omar"), **change)

    assert answer.status_code == 422, answer.json()
    assert not Halt.objects.exists()
