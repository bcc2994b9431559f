"""Tools of the world that undo each other, and what the workers do."""

from typing import Any

from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.core import outbox
from apps.core.actor import system_actor
from apps.gateway import services
from apps.gateway.models import ToolCall, Unwind
from apps.registry.definitions import definition_of
from apps.registry.models import Tool
from apps.registry.services import register_tool
from tests.conftest import Robot, actor, credit, settle_news

SETUP = system_actor("tests")
BY_TICKET = {"tool": "erp.open_ticket", "arguments": {"reference": "/result/id"}}
BY_WRITE_OFF = {
    "tool": "erp.write_off",
    "arguments": {name: f"/arguments/{name}" for name in credit()},
}


def undone_by(compensation: dict[str, Any] | None, tool: str = "erp.issue_credit_memo") -> None:
    """From now on this undoes it: a ticket needs nobody, a write-off one finance approver."""
    like = definition_of(Tool.objects.select_related("connector").get(name=tool))
    register_tool(definition={**like, "compensation": compensation}, actor=SETUP)


def run_of(writer: Robot, *amounts: str, tag: str = "k") -> str:
    """A run with a credit memo for each amount, the last one completed last."""
    run_id: str = writer.api().post("/api/v1/runs", {"title": "Dispute INV-1042"}, format="json").json()["id"]
    for number, amount in enumerate(amounts):
        answer = writer.call(amount, key=f"{tag}-{number}", run_id=run_id)
        assert answer.status_code == 200, answer.content
    return run_id


def work() -> None:
    """What the workers do until nothing is left to do."""
    for _ in range(10):
        settle_news()
        for unwind_id in Unwind.objects.filter(state="running").values_list("id", flat=True):
            services.advance_unwind(unwind_id)
        if not outbox.drain():
            return


def states(run_id: str) -> list[str]:
    """Of the run's own calls, in the order they were asked for."""
    return list(ToolCall.objects.filter(run_id=run_id).order_by("id").values_list("state", flat=True))


def approve(call: ToolCall, username: str) -> None:
    """The person's vote and what follows from it."""
    approval = Approval.objects.get(id=call.approval_id)
    approvals.cast_vote(actor=actor(username), approval_id=approval.id, verdict="approve", digest=approval.digest)
    approvals.settle_due()
    work()


def reject(call: ToolCall) -> None:
    approval = Approval.objects.get(id=call.approval_id)
    approvals.cast_vote(
        actor=actor("dana"), approval_id=approval.id, verdict="reject", digest=approval.digest, reason_code="other"
    )
    work()
