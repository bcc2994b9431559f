"""Every scope: what it turns away, what it leaves, and that the database's view of it is the same."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from apps.accounts.models import User
from apps.core import clock
from apps.gateway import services as gateway
from apps.gateway.covered import calls_covered, calls_held
from apps.gateway.models import CallState, ToolCall
from apps.gateway.reach import reach_of
from apps.halts import services as halts
from apps.halts.models import Halt, Scope
from apps.halts.queries import halts_over
from apps.registry.models import Agent, Process, Tool
from tests.approvals.test_cast_vote import vote
from tests.conftest import Robot, actor, credit, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.halts.test_place_halt import halt, lift

pytestmark = pytest.mark.django_db
Api = Callable[[str], APIClient]


def reference_of(scope: str, run_id: str) -> str:
    """What names the scope around a call of the writer on INV-1042 for Dana."""
    return {
        "mesh": "",
        "business_unit": "emea",
        "process": "order-to-cash",
        "agent": "writer",
        "connector": "erp",
        "tool": "erp.issue_credit_memo",
        "tool_agent": "erp.issue_credit_memo/writer",
        "run": run_id,
        "counterparty": "invoice:INV-1042",
        "principal": "dana",
    }[scope]


def open_run(robot: Robot) -> str:
    answer = robot.api().post("/api/v1/runs", {"title": "Before"}, format="json")
    assert answer.status_code == 201, answer.content
    return str(answer.json()["id"])


def placed_by_omar(scope: str, reference: str, mode: str = "hold") -> Halt:
    return halts.place_halt(
        actor=actor("omar"),
        scope_type=scope,
        scope_reference=reference,
        environment="production",
        mode=mode,
        reason_code="malfunction",
    )


scopes = pytest.mark.parametrize("scope", Scope.values)
NEAR: dict[str, dict[str, Any]] = {
    "agent": {"robot": "triage"},
    "tool": {"tool": "erp.find", "arguments": {"reference": "k"}},
    "tool_agent": {"robot": "triage"},
    "run": {"run": "another"},
    "counterparty": {"arguments": credit("10.00", invoice="INV-7")},
    "principal": {"on_behalf_of": "felix"},
}


@scopes
def test_a_call_in_the_scope_is_turned_away(writer: Robot, api: Api, erp: FakeErp, scope: str) -> None:
    run = open_run(writer)
    placed = halt(api("omar"), scope, reference_of(scope, run))
    assert placed.status_code == 201, placed.json()
    answer = writer.call("10.00", run_id=run, on_behalf_of="dana")

    assert (answer.status_code, answer.json()["code"]) == (423, "halted")
    assert answer.json()["halt"]["id"] == placed.json()["id"]
    assert erp.requests == []


@pytest.mark.parametrize("scope", list(NEAR))
def test_what_is_near_the_scope_goes_on(writer: Robot, triage: Robot, api: Api, erp: FakeErp, scope: str) -> None:
    run, near = open_run(writer), dict(NEAR[scope])
    halt(api("omar"), scope, reference_of(scope, run))
    robot = triage if near.pop("robot", "") == "triage" else writer
    if near.pop("run", ""):
        near["run_id"] = open_run(writer)
    answer = robot.call("10.00", **{"on_behalf_of": "dana", **near})

    assert answer.status_code == 200, answer.json()


@scopes
def test_an_approved_call_in_the_scope_waits_and_runs_after_the_lift(
    writer: Robot, api: Api, erp: FakeErp, time_passes: Callable[..., None], scope: str
) -> None:
    run = open_run(writer)
    call, approval = parked(writer, run_id=run, on_behalf_of="chen")
    placed = placed_by_omar(scope, "chen" if scope == "principal" else reference_of(scope, run))
    gateway.keep_clocks()
    approval.refresh_from_db()
    assert approval.paused_at is not None
    vote(api("dana"), approval)
    settle_news()
    call.refresh_from_db()
    assert (call.state, erp.requests) == (CallState.QUEUED, [])
    time_passes(seconds=5)
    assert gateway.resolved_but_parked_calls() == []

    Halt.objects.filter(id=placed.id).update(lifted_at=clock.now())
    assert gateway.resolved_but_parked_calls() == [call.id]
    gateway.release_tool_call(call.id)
    assert len(erp.ledger) == 1


@scopes
def test_a_stop_ends_what_waits_in_the_scope(writer: Robot, api: Api, erp: FakeErp, scope: str) -> None:
    run = open_run(writer)
    call, _ = parked(writer, run_id=run, on_behalf_of="chen")
    placed = placed_by_omar(scope, "chen" if scope == "principal" else reference_of(scope, run), mode="stop")
    gateway.end_calls_under(placed.id)

    call.refresh_from_db()
    assert (call.state, call.halt_id) == (CallState.HALTED, placed.id)


@scopes
def test_a_waiting_retry_in_the_scope_is_not_sent(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None], scope: str
) -> None:
    run = open_run(writer)
    erp.faults = ["500"]
    writer.call("10.00", run_id=run, on_behalf_of="dana")
    placed_by_omar(scope, reference_of(scope, run))
    time_passes(minutes=1)
    for call_id in gateway.overdue_calls():
        gateway.recover_tool_call(call_id)

    assert [request["method"] for request in erp.requests] == ["POST", "GET"]
    assert erp.ledger == []


@scopes
def test_the_database_and_the_door_mean_the_same_calls(writer: Robot, triage: Robot, erp: FakeErp, scope: str) -> None:
    run = open_run(writer)
    writer.call("10.00", key="a", run_id=run, on_behalf_of="dana")
    writer.call("10.00", key="b", on_behalf_of="felix", arguments=credit("10.00", invoice="INV-7"))
    writer.call("10.00", key="c", tool="erp.find", arguments={"reference": "x"})
    triage.call("10.00", key="d")
    placed = placed_by_omar(scope, reference_of(scope, run))
    calls = ToolCall.objects.select_related("agent", "process", "tool", "run")
    at_the_door = {call.id for call in calls if halts_over(reach_of(call))}

    assert at_the_door == set(calls.filter(calls_covered(placed)).values_list("id", flat=True))
    assert at_the_door == set(calls.filter(calls_held(Halt.objects.in_force())).values_list("id", flat=True))
    assert at_the_door


@scopes
def test_another_environment_goes_on(writer: Robot, api: Api, erp: FakeErp, scope: str) -> None:
    """Where the scope is not there at all, there is nothing to halt."""
    run = open_run(writer)
    placed = halt(api("omar"), scope, reference_of(scope, run), environment="staging")

    assert placed.status_code in (201, 403, 404)
    assert writer.call("10.00", run_id=run, on_behalf_of="dana").status_code == 200


UNKNOWN = [
    ("business_unit", "apac"),
    ("business_unit", ""),
    ("connector", "crm"),
    ("tool_agent", "erp.write_off"),
    ("tool_agent", "erp.write_off/nobody"),
    ("run", "not-an-id"),
    ("run", "0198c0de-0000-7000-8000-000000000000"),
    ("counterparty", "INV-1042"),
    ("counterparty", "planet:mars"),
    ("counterparty", "invoice:"),
    ("principal", "nobody"),
    ("agent", "with\0nul"),
]


@pytest.mark.parametrize(("scope", "reference"), UNKNOWN)
def test_what_is_not_there_cannot_be_halted(writer: Robot, api: Api, scope: str, reference: str) -> None:
    answer = halt(api("omar"), scope, reference)

    assert answer.status_code in (404, 422)
    assert not Halt.objects.exists()


@pytest.mark.parametrize("scope", [scope for scope in Scope.values if scope != "mesh"])
def test_who_sees_nothing_of_it_cannot_halt_or_see_it(writer: Robot, api: Api, scope: str) -> None:
    run = open_run(writer)
    reference = reference_of(scope, run)
    assert halt(api("otto"), scope, reference).json()["code"] == "halt.scope_not_found"
    placed = halt(api("omar"), scope, reference).json()
    assert api("otto").get(f"/api/v1/halts/{placed['id']}").status_code == 404
    assert api("dana").get(f"/api/v1/halts/{placed['id']}").status_code == 200


def test_an_edit_does_not_lead_out_of_a_halt(writer: Robot, api: Api, erp: FakeErp) -> None:
    """A call is in the scope of the record that it names when it would run."""
    call, approval = parked(writer)
    ToolCall.objects.filter(id=call.id).update(entity_id="INV-7")
    placed_by_omar("counterparty", "invoice:INV-7")
    vote(api("dana"), approval)
    settle_news()
    call.refresh_from_db()
    assert (call.state, erp.requests) == (CallState.QUEUED, [])


def test_the_database_refuses_a_scope_that_names_nothing(writer: Robot) -> None:
    from django.db import IntegrityError, transaction

    placed = placed_by_omar("counterparty", "invoice:INV-7")
    for change in ({"scope_text": ""}, {"scope_id": UUID(int=1)}, {"scope_type": "tool_agent"}, {"scope_type": "run"}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Halt.objects.filter(id=placed.id).update(**change)


def test_narrow_halts_are_lifted_at_once(writer: Robot, api: Api) -> None:
    for scope, reference in (("tool_agent", "erp.find/writer"), ("agent", "writer")):
        placed = halt(api("omar"), scope, reference).json()
        assert lift(api("omar"), placed["id"]).status_code == 200


def test_halts_cost_one_query_until_one_is_placed(writer: Robot, django_assert_num_queries: Any) -> None:
    call = parked(writer)[0]
    call = ToolCall.objects.select_related("agent", "process", "tool", "run").get(id=call.id)
    with django_assert_num_queries(1):
        halts_over(reach_of(call))
    placed_by_omar("connector", "erp")
    placed_by_omar("principal", "dana")
    with django_assert_num_queries(2):
        assert len(halts_over(reach_of(call))) == 1
    with django_assert_num_queries(1):
        assert len(halts_over(reach_of(call))) == 1


def test_the_models_the_scopes_name_have_ids_of_their_own() -> None:
    """One id never stands for two things, so a scope is told by its type and id alone."""
    ids = [*Agent.objects.values_list("id", flat=True), *Process.objects.values_list("id", flat=True)]
    ids += [*Tool.objects.values_list("id", flat=True), *User.objects.values_list("id", flat=True)]
    assert len(set(ids)) == len(ids)
