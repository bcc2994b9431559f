"""A tool call as programs see it (design §6.2)."""

from typing import Any

from django.conf import settings

from apps.approvals.models import Approval, Vote
from apps.core.clock import rfc3339
from apps.core.errors import ConnectorError, Halted, MeshError, NotAllowed
from apps.gateway.models import CallState, Decision, ToolCall
from apps.halts.models import Halt
from apps.policies.verdicts import Verdict
from apps.vault import services as vault


def call_resource(call: ToolCall, decision: Decision | None, *, replayed: bool = False) -> dict[str, Any]:
    """The resource of one call; `decision` is its first."""
    return {
        "id": str(call.id),
        "state": call.state,
        "tool": call.tool.name,
        "run_id": str(call.run_id),
        "idempotency_key": call.idempotency_key,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
        "decision": _decision(decision),
        "approval": _approval(call.approval),
        "result": vault.body_of(call.result) if call.state in (CallState.SUCCEEDED, CallState.COMPENSATED) else None,
        "error": _error(call),
        "replayed": replayed,
        "requested_at": rfc3339(call.requested_at),
        "finished_at": rfc3339(call.finished_at),
    }


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {"outcome": decision.outcome, "policies": decision.policies, "obligations": decision.obligations}


def verdict_resource(verdict: Verdict) -> dict[str, Any]:
    """The decision of a dry run: the same shape, no call."""
    return {
        "outcome": verdict.outcome,
        "policies": [policy.as_json() for policy in verdict.policies],
        "obligations": verdict.obligations.as_json(),
        "errors": list(verdict.errors),
    }


def _approval(approval: Approval | None) -> dict[str, Any] | None:
    if approval is None:
        return None
    shown = {
        "id": str(approval.id),
        "url": f"{settings.BASE_URL}/inbox/{approval.id}/",
        "state": approval.state,
        "expires_at": rfc3339(approval.expires_at),
    }
    return shown | ({"feedback": _feedback(approval)} if approval.state == "rejected" else {})


def _feedback(approval: Approval) -> dict[str, str] | None:
    """Why a person said no: what the agent may learn from."""
    vote: Vote | None = next((vote for vote in approval.votes.all() if vote.verdict == "reject"), None)
    return None if vote is None else {"reason_code": vote.reason_code, "comment": vault.body_of(vote.comment) or ""}


def _error(call: ToolCall) -> dict[str, Any] | None:
    if not call.error_code:
        return None
    error = {"code": call.error_code, "sentence": call.error_sentence}
    if call.state == CallState.FAILED and call.result_id is not None:
        error |= vault.body_of(call.result) or {}
    return error


def refusal_for(call: ToolCall, resource: dict[str, Any], halt: Halt | None) -> MeshError | None:
    """The problem a caller gets for a call that ended badly at once; None when the resource itself is the answer."""
    if call.state == CallState.DENIED:
        return NotAllowed("denied", call.error_sentence, **resource)
    if call.state == CallState.HALTED:
        sentence = halt.sentence if halt else call.error_sentence or "A halt covers this call."
        return Halted("halted", sentence, **resource, halt=_halt(call, halt))
    if call.state in (CallState.FAILED, CallState.OUTCOME_UNKNOWN):
        sentence = call.error_sentence or "The business system did not do what it was asked."
        return ConnectorError(call.error_code or call.state, sentence, effect="", **resource)
    return None


def _halt(call: ToolCall, halt: Halt | None) -> dict[str, Any] | None:
    if halt is None:
        return {"id": str(call.halt_id)} if call.halt_id else None
    return {
        "id": str(halt.id),
        "mode": halt.mode,
        "reason_code": halt.reason_code,
        "reason": halt.get_reason_code_display(),
        "expires_at": rfc3339(halt.expires_at),
    }
