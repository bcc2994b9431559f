"""POST /api/v1/tool-calls/{id}/versions: the agent's answer when a person asked for changes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from apps.approvals import services as approvals
from apps.approvals.cards import cards_of
from apps.approvals.models import Approval, ApprovalState
from apps.gateway.models import CallState, ToolCall
from apps.halts import services as halts
from apps.registry import tokens
from apps.runs.models import Span
from tests.conftest import Robot, actor, credit, parked, person, settle_news
from tests.contract.database import contents
from tests.fakes.erp import FakeErp
from tests.gateway.test_edit_tool_call import edit, reread, vote

pytestmark = pytest.mark.django_db


def asked_to_change(
    robot: Robot, amount: str = "1280.00", *, by: str = "dana", **more: Any
) -> tuple[ToolCall, Approval]:
    call, approval = parked(robot, amount, **more)
    approvals.cast_vote(
        actor=actor(by),
        approval_id=approval.id,
        verdict="request_changes",
        digest=approval.digest,
        reason_code="wrong_amount",
        comment="Freight is not part of it",
    )
    approval.refresh_from_db()
    return call, approval


def answer(robot: Robot, call: ToolCall, amount: str = "900.00", **more: Any) -> Any:
    body = {"arguments": {**credit(amount), **more.pop("arguments", {})}, **more}
    return robot.api().post(f"/api/v1/tool-calls/{call.id}/versions", body, format="json")


def test_the_agent_answers_with_a_new_version_and_people_decide_on_it(writer: Robot, erp: FakeErp) -> None:
    call, approval = asked_to_change(writer, rationale="Billed by mistake")
    told = answer(writer, call, rationale="Without the freight", confidence=0.8)

    body = told.json()
    assert told.status_code == 202, body
    assert (body["id"], body["version"], body["state"]) == (str(call.id), 2, "awaiting_approval")
    assert (body["approval"]["state"], body["arguments"]["amount"]) == ("pending", "900.00")
    approval.refresh_from_db()
    assert approval.state == ApprovalState.SUPERSEDED
    renewed = reread(call).approval
    assert renewed is not None
    card = cards_of([renewed], None)[renewed.id]
    assert (card["statement"], card["confidence"]) == ("Without the freight", 0.8)
    assert card["changes"] == [{"label": "Amount", "before": "1280.00", "after": "900.00"}]
    assert card["changed_by"] == "Order-to-cash writer"

    vote(renewed, "dana")  # who asked for changes may approve the answer
    settle_news()
    assert reread(call).state == CallState.SUCCEEDED
    assert [entry["amount"] for entry in erp.ledger] == ["900.00"]
    second = call.versions.get(number=2)
    assert (second.made_by, second.made_by_kind) == ("agent:writer", "agent")
    assert Span.objects.filter(run=call.run, name__startswith="Changed by Order-to-cash writer").exists()


def test_better_reasons_for_the_same_arguments_are_an_answer(writer: Robot, erp: FakeErp) -> None:
    call, approval = asked_to_change(writer, rationale="Billed by mistake")
    told = answer(writer, call, "1280.00", evidence=[{"title": "Delivery note"}])

    renewed = reread(call).approval
    assert told.status_code == 202, told.json()
    assert renewed is not None
    card = cards_of([renewed], None)[renewed.id]
    assert (card["statement"], card["changes"]) == ("Billed by mistake", [])
    assert card["evidence"] == [{"title": "Delivery note"}]
    assert renewed.digest != approval.digest


def test_the_same_again_is_no_answer(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    before = contents()
    told = answer(writer, call, "1280.00")

    assert (told.status_code, told.json()["code"]) == (422, "edit.nothing_changed")
    assert contents() == before


def test_the_same_answer_twice_is_one_version(writer: Robot, erp: FakeErp) -> None:
    call, _ = asked_to_change(writer)
    first = answer(writer, call).json()
    before = contents()
    again = answer(writer, call)

    assert (again.status_code, again.json()["replayed"], again.json()["version"]) == (202, True, 2)
    assert again.json()["approval"]["id"] == first["approval"]["id"]
    assert contents() == before
    vote(reread(call).approval, "dana")  # type: ignore[arg-type]
    settle_news()
    assert answer(writer, call).json()["state"] == "succeeded"
    assert len(erp.ledger) == 1


@pytest.mark.parametrize("verdict", [None, "approve", "reject"])
def test_without_being_asked_there_is_no_answer(writer: Robot, erp: FakeErp, verdict: str | None) -> None:
    call, approval = parked(writer)
    if verdict:
        vote(approval, "dana", verdict)
    before = contents()
    told = answer(writer, call)

    assert (told.status_code, told.json()["code"]) == (409, "tool_call.not_asked_to_change")
    assert contents() == before


def test_another_answer_after_the_first_is_refused(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    answer(writer, call)
    assert answer(writer, call, "800.00").json()["code"] == "tool_call.not_asked_to_change"


def test_a_persons_edit_is_no_answer_of_the_agents(writer: Robot) -> None:
    call, approval = parked(writer)
    edit(approval, "1400.00")
    assert answer(writer, call, "1400.00").json()["code"] == "tool_call.not_asked_to_change"


def test_where_policy_would_allow_it_the_person_who_asked_still_gets_the_answer(writer: Robot, erp: FakeErp) -> None:
    call, _ = asked_to_change(writer)
    told = answer(writer, call, "400.00").json()

    assert (told["state"], told["decision"]["outcome"]) == ("awaiting_approval", "allow")
    renewed = reread(call).approval
    assert renewed is not None
    assert [stage.team.slug for stage in renewed.stages.all()] == ["finance-approvers"]
    assert erp.requests == []
    vote(renewed, "felix")
    settle_news()
    assert [entry["amount"] for entry in erp.ledger] == ["400.00"]


def test_a_larger_answer_asks_more_people(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    answer(writer, call, "6000.00")
    renewed = reread(call).approval

    assert renewed is not None
    assert [stage.team.slug for stage in renewed.stages.all()] == ["finance-approvers", "cfo-office"]


def test_an_answer_that_policy_denies_ends_the_call(writer: Robot, erp: FakeErp) -> None:
    call, approval = asked_to_change(writer)
    told = answer(writer, call, arguments={"currency": "USD"})
    again = answer(writer, call, arguments={"currency": "USD"})

    assert (told.status_code, told.json()["code"], told.json()["state"]) == (403, "denied", "denied")
    assert told.json()["decision"]["outcome"] == "deny"
    assert (again.status_code, again.json()["replayed"]) == (403, True)
    approval.refresh_from_db()
    assert approval.state == ApprovalState.CANCELLED
    version = call.versions.get(number=2)
    assert (version.approval_id, version.decision.outcome) == (None, "deny")
    settle_news()
    assert reread(call).state == CallState.DENIED
    assert erp.requests == []


def test_what_misses_the_schema_leaves_it_the_agents_turn(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    before = contents()
    told = answer(writer, call, "1.5")

    assert (told.status_code, told.json()["code"]) == (422, "arguments_invalid")
    assert contents() == before
    assert answer(writer, call).status_code == 202


def test_an_answer_that_comes_too_late_is_refused(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    call, _ = asked_to_change(writer)
    time_passes(hours=9)
    writer = replace(writer, token=tokens.issue(writer.credential)[0])
    assert answer(writer, call).json()["code"] == "approval.expired"
    approvals.expire_due()
    settle_news()
    assert reread(call).state == CallState.EXPIRED


def test_under_a_halt_the_answer_waits(writer: Robot) -> None:
    call, _ = asked_to_change(writer)
    halts.place_halt(
        actor=actor("omar"),
        scope_type="mesh",
        scope_reference="",
        environment="production",
        mode="hold",
        reason_code="drill",
    )
    told = answer(writer, call)
    assert (told.status_code, told.json()["code"]) == (423, "halted")
    assert reread(call).version == 1


def test_the_agent_may_take_it_back_instead(writer: Robot, erp: FakeErp) -> None:
    call, _ = asked_to_change(writer)
    told = writer.api().post(f"/api/v1/tool-calls/{call.id}/cancel")
    settle_news()

    assert (told.status_code, told.json()["state"], told.json()["approval"]["state"]) == (200, "cancelled", "cancelled")
    assert answer(writer, call).json()["code"] == "tool_call.not_asked_to_change"


def test_who_edited_before_is_still_barred_after_the_answer(writer: Robot) -> None:
    call, approval = parked(writer)
    edited = edit(approval, "1400.00")
    vote(edited.approval, "felix", "request_changes")
    answer(writer, call, "1300.00")
    renewed = reread(call).approval

    assert renewed is not None
    assert renewed.barred_people == [person("dana").id]


def test_another_agent_sees_nothing_of_it(writer: Robot, triage: Robot) -> None:
    call, _ = asked_to_change(writer)
    told = answer(triage, call)
    assert (told.status_code, told.json()["code"]) == (404, "tool_call.not_found")
