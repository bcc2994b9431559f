"""Calls whose outcome nobody knows, made as they come about."""

from collections.abc import Callable
from itertools import count
from typing import Any

from apps.core import clock
from apps.gateway import services
from apps.gateway.models import CallState, ToolCall
from apps.registry.models import Tool
from tests.conftest import Robot
from tests.fakes.erp import FakeErp

TOOL = "erp.open_ticket"


def maker_of_unknowns(writer: Robot, erp: FakeErp, time_passes: Callable[..., None]) -> Callable[..., ToolCall]:
    """Makes one after the other: no answer came back, and while the recovery looked the tool had no lookup."""
    minutes = count(1)

    def make(key: str = "k-1", **more: Any) -> ToolCall:
        lookup = Tool.objects.values_list("lookup", flat=True).get(name=TOOL)
        Tool.objects.filter(name=TOOL).update(lookup=None)
        erp.faults = ["lost"]
        answer = writer.call(tool=TOOL, arguments={"reference": f"T-{key}"}, key=key, **more)
        time_passes(minutes=next(minutes))
        recover_all()
        Tool.objects.filter(name=TOOL).update(lookup=lookup)
        call = ToolCall.objects.get(id=answer.json()["id"])
        assert call.state == CallState.OUTCOME_UNKNOWN
        return call

    return make


def recover_all() -> None:
    """What the recovery job does with everything that is overdue now."""
    for call_id in services.overdue_calls():
        services.recover_tool_call(call_id)


def make_unknown(writer: Robot, key: str, **more: Any) -> ToolCall:
    """A credit memo whose answer has another form than was agreed, for scenes that have no hand on the system."""
    tool = Tool.objects.get(name="erp.issue_credit_memo")
    receipt = {"type": "object", "required": ["receipt"]}
    Tool.objects.filter(pk=tool.pk).update(lookup=None, is_idempotent=False, output_schema=receipt)
    call = ToolCall.objects.get(id=writer.call("130.00", key=key, **more).json()["id"])
    ToolCall.objects.filter(id=call.id).update(deadline_at=clock.now())
    services.recover_tool_call(call.id)
    Tool.objects.filter(pk=tool.pk).update(
        lookup=tool.lookup, is_idempotent=tool.is_idempotent, output_schema=tool.output_schema
    )
    call.refresh_from_db()
    assert call.state == CallState.OUTCOME_UNKNOWN
    return call
