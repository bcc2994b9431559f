"""What each use of an exception to policy leaves: a row and a line in the log, in the transaction of the decision."""

from uuid import UUID

from apps.audit import services as audit
from apps.core import clock
from apps.core.actor import system_actor
from apps.core.rows import insert
from apps.gateway.models import Decision, ExceptionUse, ToolCall
from apps.policies.exceptions import used_in

DECIDING = system_actor("policy-exception")


def note_uses(call: ToolCall, decision: Decision) -> None:
    """Nearly every decision names none."""
    for exception_id in used_in(decision.policies):
        insert(
            ExceptionUse(
                exception_id=UUID(exception_id), tool_call=call, decision=decision, used_at=decision.decided_at
            )
        )
        audit.record(
            DECIDING,
            "policy.exception_used",
            subject_type="policy_exception",
            subject_id=exception_id,
            process=call.process.slug,
            environment=call.environment,
            run_id=call.run_id,
            outcome=decision.outcome,
            data={
                "tool_call_id": str(call.id),
                "decision_id": str(decision.id),
                "moment": decision.moment,
                "agent": call.agent.slug,
                "tool": call.tool.name,
                "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
                "at": clock.rfc3339(decision.decided_at),
            },
        )
