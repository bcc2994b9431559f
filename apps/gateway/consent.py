"""A call as a request for human consent: the card people see and the chain its obligations demand."""

from typing import Any
from uuid import UUID

from apps.approvals.models import Risk
from apps.approvals.requests import ConsentRequest, StageRequest
from apps.core.money import Money
from apps.core.pointers import resolve
from apps.gateway.arguments import sentence_for
from apps.gateway.deciding import Granted
from apps.gateway.models import ToolCall
from apps.gateway.requests import CallRequest
from apps.policies.verdicts import Verdict
from apps.registry.models import Agent, Tool

SUBJECT_TYPE = "tool_call"


def consent_request(
    *, call: ToolCall, agent: Agent, granted: Granted, request: CallRequest, verdict: Verdict
) -> ConsentRequest:
    """Everything the approvals engine needs, so that it never has to look at the call."""
    money = Money(call.money_minor, call.currency) if call.money_minor is not None else None
    return ConsentRequest(
        subject_type=SUBJECT_TYPE,
        subject_id=call.id,
        digest=call.digest,
        card=_card(call, agent, granted.tool, request, verdict, money),
        process=agent.process,
        environment=call.environment,
        agent=agent,
        run_id=call.run_id,
        stages=tuple(StageRequest(team=stage.team, quorum=stage.quorum) for stage in verdict.obligations.stages),
        expires_seconds=verdict.obligations.expires_seconds,
        risk=risk_of(granted.tool, stages=len(verdict.obligations.stages)),
        money=money,
        policy_ref=", ".join(f"{policy.id}@{policy.version}" for policy in verdict.policies)[:200],
        barred_people=_barred(call),
    )


def risk_of(tool: Tool, *, stages: int) -> str:
    """High: cannot be undone, or policy wants more than one stage. Medium: moves money. Low: everything else."""
    if tool.is_irreversible or stages > 1:
        return Risk.HIGH
    return Risk.MEDIUM if tool.has_money else Risk.LOW


def _card(
    call: ToolCall, agent: Agent, tool: Tool, request: CallRequest, verdict: Verdict, money: Money | None
) -> dict[str, Any]:
    return {
        "sentence": sentence_for(tool, request.arguments, money),
        "tool": tool.name,
        "tool_title": tool.title,
        "tool_version": call.tool_version,
        "system": tool.connector.name,
        "agent": agent.slug,
        "agent_name": agent.name,
        "facts": [[_label(name), _shown(value)] for name, value in _ordered(tool, request.arguments)],
        "why": [
            {"says": policy.says, "ref": f"{policy.id}@{policy.version}", "set": policy.set}
            for policy in verdict.policies
        ],
        "evidence": list(request.evidence),
        "statement": request.rationale,
        "confidence": request.confidence,
        "reversible": tool.is_reversible,
        "compensation": resolve(tool.compensation, "/tool") if tool.compensation else None,
        "on_behalf_of": request.on_behalf_of,
    }


def _ordered(tool: Tool, arguments: dict[str, Any]) -> list[tuple[str, Any]]:
    """Arguments in the order the schema declares them, any others after."""
    declared = [name for name in tool.input_schema.get("properties", {}) if name in arguments]
    return [(name, arguments[name]) for name in [*declared, *(name for name in arguments if name not in declared)]]


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(_shown(item) for item in value)
    return "none" if value is None else str(value)


def _barred(call: ToolCall) -> tuple[UUID, ...]:
    """Whoever the agent acted for, and whoever made its credential and so could have been the agent (I5)."""
    barred = {call.on_behalf_of} if call.on_behalf_of else set()
    maker = call.credential.made_by if call.credential else ""
    if maker.startswith("person:"):
        barred.add(UUID(maker.removeprefix("person:")))
    return tuple(sorted(barred))
