"""Between approval and execution everything is checked again; what changed is shown and never executed."""

from collections.abc import Callable
from uuid import UUID

import pytest
from rest_framework.test import APIClient

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.audit.models import AuditEntry
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from apps.policies.models import PolicyRelease
from apps.policies.services import publish_release
from apps.registry.models import ConnectorEndpoint, Grant, Process, Tool
from apps.vault.models import Payload
from tests.conftest import Robot, actor, parked, settle_news
from tests.fakes.erp import FakeErp
from tests.world import PARAMETERS, POLICY

pytestmark = pytest.mark.django_db


def approve(approval_id: UUID, username: str = "dana") -> None:
    approval = Approval.objects.get(id=approval_id)
    approvals.cast_vote(actor=actor(username), approval_id=approval.id, verdict="approve", digest=approval.digest)


def ended(call: ToolCall) -> ToolCall:
    call.refresh_from_db()
    return call


def release_policy(text: str, parameters: dict[str, dict[str, str]] = PARAMETERS) -> PolicyRelease:
    return publish_release(
        policy_set="order-to-cash",
        process=Process.objects.get(slug="order-to-cash"),
        text=text,
        parameters=parameters,
        environments=["production"],
        actor=actor("priya"),
    )


def test_a_newer_release_with_the_same_answer_proceeds_and_is_recorded(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    newer = release_policy(POLICY + "\n// a comment\n")
    approve(approval.id)
    settle_news()

    assert ended(call).state == CallState.SUCCEEDED
    versions = [decision.releases for decision in call.decisions.all()]
    assert [release["version"] for release in versions[1] if release["set"] == "order-to-cash"] == [newer.version]
    assert versions[0] != versions[1]


def test_a_release_that_wants_more_people_invalidates(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    lower = {**PARAMETERS, "credit_cfo": {**PARAMETERS["credit_cfo"], "value": "1000.00"}}
    release_policy(POLICY, lower)
    approve(approval.id)
    settle_news()

    assert ended(call).state == CallState.INVALIDATED
    assert call.error_code == "decision_changed"
    entry = AuditEntry.objects.get(code="tool_call.invalidated")
    assert entry.data["before"]["obligations"] != entry.data["after"]["obligations"]
    assert erp.requests == []


def test_a_release_that_now_forbids_invalidates(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    release_policy(
        POLICY + '\n@id("stop") @says("None") forbid (principal, action == Action::"erp.issue_credit_memo", resource);'
    )
    approve(approval.id)
    settle_news()

    assert ended(call).state == CallState.INVALIDATED
    assert erp.requests == []


def test_a_grant_taken_away_meanwhile_invalidates(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    Grant.objects.filter(agent=writer.agent, tool=call.tool).update(revoked_at=call.requested_at)
    approve(approval.id)
    settle_news()

    assert (ended(call).state, call.error_code) == (CallState.INVALIDATED, "grant_gone")
    assert erp.requests == []


def test_a_tool_that_changed_meanwhile_invalidates(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    Tool.objects.filter(id=call.tool_id).update(version=call.tool_version + 1)
    approve(approval.id)
    settle_news()

    assert (ended(call).state, call.error_code) == (CallState.INVALIDATED, "tool_changed")
    assert erp.requests == []


def test_stored_arguments_that_were_tampered_with_never_run(writer: Robot, erp: FakeErp) -> None:
    call, approval = parked(writer)
    payload = Payload.objects.get(id=call.request_id)
    payload.body = bytes(payload.body or b"").replace(b"1280.00", b"1281.00")
    payload.save()
    approve(approval.id)
    settle_news()

    assert (ended(call).state, call.error_code) == (CallState.INVALIDATED, "digest_differs")
    assert erp.requests == []


def test_an_unreachable_system_is_tried_again_after_an_approval(
    writer: Robot, erp: FakeErp, time_passes: Callable[..., None]
) -> None:
    call, approval = parked(writer)
    ConnectorEndpoint.objects.update(base_url="http://127.0.0.1:9")
    approve(approval.id)
    settle_news()
    assert ended(call).state == CallState.EXECUTING

    ConnectorEndpoint.objects.update(base_url=erp.url)
    time_passes(seconds=30)
    assert services.overdue_calls() == [call.id]
    services.recover_tool_call(call.id)
    assert ended(call).state == CallState.SUCCEEDED
    assert len(erp.ledger) == 1


def test_an_agent_takes_its_request_back(writer: Robot, erp: FakeErp, api: Callable[[str], APIClient]) -> None:
    call, approval = parked(writer)
    answer = writer.api().post(f"/api/v1/tool-calls/{call.id}/cancel")
    late = api("dana").post(
        f"/api/v1/approvals/{approval.id}/votes", {"verdict": "approve", "digest": approval.digest}, format="json"
    )
    settle_news()

    assert answer.json()["state"] == "cancelled"
    assert answer.json()["approval"]["state"] == "cancelled"
    assert late.json()["code"] == "approval.already_decided"
    assert writer.api().post(f"/api/v1/tool-calls/{call.id}/cancel").json()["code"] == "tool_call.not_cancellable"
    assert erp.requests == []
