"""A tool call as programs see it (design §6.2)."""

from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.db.models import Prefetch, prefetch_related_objects

from apps.approvals.models import Approval, ApprovalState, Verdict, Vote
from apps.core.actor import Actor
from apps.core.clock import rfc3339
from apps.core.errors import ConnectorError, Halted, MeshError, NotAllowed, Unavailable
from apps.core.once import read_once
from apps.gateway.limits import why_withheld
from apps.gateway.models import CallState, Decision, DecisionMoment, Resolution, ToolCall
from apps.gateway.seen import arguments_for, result_for, words_for
from apps.halts.models import Halt
from apps.policies import verdicts
from apps.vault import services as vault

# What a call resource reads of an approval's votes, in one query for any number of them.
VOTES = Prefetch("votes", queryset=Vote.objects.select_related("voter", "on_behalf_of", "comment", "withdrawal"))
# The verdict that explains the state to the agent.
SAYING = {ApprovalState.REJECTED: Verdict.REJECT, ApprovalState.CHANGES_REQUESTED: Verdict.REQUEST_CHANGES}


@read_once()
def call_resources(calls: Sequence[ToolCall], actor: Actor) -> list[dict[str, Any]]:
    """Any number of calls, their decisions at hand, in a fixed number of queries. A call that was changed shows the
    arguments it has now.
    """
    explained = [call.approval for call in calls if call.approval and call.approval.state in SAYING]
    prefetch_related_objects(explained, VOTES)
    prefetch_related_objects([call for call in calls if call.resolution_id], "resolution")
    bodies = vault.read_many([call.request_id for call in calls if call.version > 1])
    return [
        call_resource(
            call, standing_decision(call), actor, arguments=(bodies.get(call.request_id) or {}).get("arguments")
        )
        for call in calls
    ]


def arguments_now(call: ToolCall) -> dict[str, Any] | None:
    """The arguments of a call that was changed, its payload at hand; None of one that stands as it was asked for."""
    return (vault.body_of(call.request) or {}).get("arguments") if call.version > 1 else None


def standing_decision(call: ToolCall) -> Decision | None:
    """The decision on what the call is now: that of its intake, or of its last change."""
    decided = [decision for decision in call.decisions.all() if decision.moment != DecisionMoment.RELEASE]
    return max(decided, key=lambda decision: decision.id, default=None)


def call_resource(
    call: ToolCall,
    decision: Decision | None,
    actor: Actor,
    *,
    replayed: bool = False,
    arguments: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """The resource of one call as this actor sees it; `decision` is the one on what it is now, `arguments` those of one
    that was changed.
    """
    return {
        "id": str(call.id),
        "state": call.state,
        "version": call.version,
        "tool": call.tool.name,
        "run_id": str(call.run_id),
        "idempotency_key": call.idempotency_key,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
        "arguments": arguments_for(actor, call, arguments) if arguments else arguments,
        "decision": _decision(decision),
        "approval": _approval(call.approval),
        "result": _result(call, actor, decision),
        "result_withheld": why_withheld(call.result.kind) if call.result_id and call.result else None,
        "error": _error(call, actor, decision),
        "resolution": resolution_resource(call.resolution) if call.resolution_id else None,
        "compensates": str(call.compensates_id) if call.compensates_id else None,
        "replayed": replayed,
        "requested_at": rfc3339(call.requested_at),
        "finished_at": rfc3339(call.finished_at),
    }


def _result(call: ToolCall, actor: Actor, decision: Decision | None) -> Any:
    if call.result_id is None or call.state not in (CallState.SUCCEEDED, CallState.COMPENSATED):
        return None
    return result_for(actor, call, vault.body_of(call.result), decision)


def _decision(decision: Decision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    return {"outcome": decision.outcome, "policies": decision.policies, "obligations": decision.obligations}


def verdict_resource(verdict: verdicts.Verdict) -> dict[str, Any]:
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
    return shown | ({"feedback": _feedback(approval)} if approval.state in SAYING else {})


def _feedback(approval: Approval) -> dict[str, str] | None:
    """Why a person did not approve: what the agent may learn from. A vote that was taken back says nothing."""
    prefetch_related_objects([approval], VOTES)
    said = [vote for vote in approval.votes.all() if vote.verdict == SAYING[ApprovalState(approval.state)]]
    vote = next((vote for vote in reversed(said) if not hasattr(vote, "withdrawal")), None)
    if vote is None:
        return None
    return {
        "verdict": vote.verdict,
        "reason_code": vote.reason_code,
        "comment": vault.body_of(vote.comment) or "",
        "by": name_of_voter(vote),
    }


def name_of_voter(vote: Vote) -> str:
    """Who voted, and for whom: both names stand on a delegated vote."""
    return f"{vote.voter} for {vote.on_behalf_of}" if vote.on_behalf_of else str(vote.voter)


def resolution_resource(resolution: Resolution | None) -> dict[str, Any] | None:
    """What a person found out; their own words are for the people who answer for it."""
    if resolution is None:
        return None
    return {
        "id": str(resolution.id),
        "finding": resolution.finding,
        "reference": resolution.reference,
        "link": resolution.link,
        "sha256": resolution.sha256,
        "by": resolution.made_by_name,
        "at": rfc3339(resolution.made_at),
    }


def _error(call: ToolCall, actor: Actor, decision: Decision | None) -> dict[str, Any] | None:
    if not call.error_code:
        return None
    error: dict[str, Any] = {"code": call.error_code, "sentence": call.error_sentence}
    if call.state == CallState.FAILED and call.result_id is not None:
        error |= words_for(actor, call, vault.body_of(call.result) or {}, decision)
    if call.state == CallState.REJECTED and call.approval is not None and call.approval.state in SAYING:
        error["feedback"] = _feedback(call.approval)
    return error


def edit_resource(call: ToolCall, approval: Approval, vote: Vote | None, sentence: str) -> dict[str, Any]:
    """The answer to an edit: the new version, its approval, and whether the editor's own vote is on it."""
    shown = _approval(approval) or {}
    return {
        "tool_call_id": str(call.id),
        "version": call.version,
        "money": {"minor": call.money_minor, "currency": call.currency} if call.currency else None,
        "approval": {**shown, "digest": approval.digest},
        "vote_id": str(vote.id) if vote else None,
        "sentence": sentence,
    }


def refusal_for(
    call: ToolCall, resource: dict[str, Any], halt: Halt | None, *, retry_after_seconds: int | None = None
) -> MeshError | None:
    """The problem a caller gets for a call that ended badly at once; None when the resource itself is the answer."""
    if call.state == CallState.DENIED:
        return NotAllowed("denied", call.error_sentence, **resource)
    if call.state == CallState.HALTED:
        sentence = halt.sentence if halt else call.error_sentence or "A halt covers this call."
        return Halted("halted", sentence, **resource, halt=_halt(call, halt))
    if retry_after_seconds is not None:
        return Unavailable(call.error_code, call.error_sentence, retry_after_seconds=retry_after_seconds, **resource)
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
