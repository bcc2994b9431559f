"""A call as a request for human consent: the card people see and the chain its obligations demand."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from apps.approvals.models import Approval, Risk
from apps.approvals.requests import ConsentRequest, EscalationRequest, StageRequest
from apps.core.money import Money
from apps.core.pointers import resolve
from apps.gateway.arguments import sentence_for
from apps.gateway.deciding import Granted
from apps.gateway.models import ToolCall, Unwind, UnwindState
from apps.gateway.requests import CallRequest
from apps.gateway.veiling import veiled
from apps.gateway.wording import label_of, names_in_order, shown
from apps.policies.verdicts import Obligations, Verdict
from apps.registry.models import Agent, Tool

SUBJECT_TYPE = "tool_call"
STILL_ASKED = "Changing a request never removes the people who were asked before"


@dataclass(frozen=True, slots=True)
class Succession:
    """What a later version of a call brings to its request for consent.

    `before` are the arguments that were asked about until now. `obligations` are those in force, the earlier ones
    included. `maker` is the person who made the change and so does
    not decide on it; None when nobody is barred by it.
    """

    previous: Approval
    before: dict[str, Any]
    obligations: Obligations
    changes: list[dict[str, str]]
    changed_by: str
    maker: UUID | None


def consent_request(
    *,
    call: ToolCall,
    agent: Agent,
    granted: Granted,
    request: CallRequest,
    verdict: Verdict,
    succession: Succession | None = None,
) -> ConsentRequest:
    """Everything the approvals engine needs, so that it never has to look at the call."""
    money = Money(call.money_minor, call.currency) if call.money_minor is not None else None
    owed = succession.obligations if succession else verdict.obligations
    return ConsentRequest(
        subject_type=SUBJECT_TYPE,
        subject_id=call.id,
        digest=call.digest,
        card=veiled(
            _card(call, agent, granted.tool, request, verdict, money) | _news(verdict, succession),
            granted.tool,
            request.arguments,
            money,
            before=succession.before if succession else None,
        ),
        process=agent.process,
        environment=call.environment,
        agent=agent,
        run_id=call.run_id,
        stages=tuple(StageRequest(team=stage.team, quorum=stage.quorum) for stage in owed.stages),
        expires_seconds=owed.expires_seconds,
        risk=risk_of(granted.tool, stages=len(owed.stages)),
        money=money,
        policy_ref=_policy_ref(verdict, succession),
        is_reversible=granted.tool.is_reversible,
        escalations=tuple(EscalationRequest(step.after_seconds, step.team) for step in owed.escalations),
        barred_people=_barred(call, succession),
    )


def _policy_ref(verdict: Verdict, succession: Succession | None) -> str:
    """The policies that stopped it: where the latest decision stops nothing, those of the version before."""
    if succession and not verdict.obligations.stages:
        return succession.previous.policy_ref
    return ", ".join(f"{policy.id}@{policy.version}" for policy in verdict.policies)[:200]


def _news(verdict: Verdict, succession: Succession | None) -> dict[str, Any]:
    """What the card of a later version says besides."""
    if succession is None:
        return {}
    news: dict[str, Any] = {"changes": succession.changes, "changed_by": succession.changed_by}
    if succession.obligations.stages != verdict.obligations.stages:
        kept = {"says": STILL_ASKED, "ref": succession.previous.policy_ref, "set": ""}
        news["why"] = [*_why(verdict), kept]
    return news


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
        "facts": [
            [label_of(name), shown(request.arguments[name])]
            for name in names_in_order(tool, request.arguments)
            if name in request.arguments
        ],
        "why": _why(verdict),
        "evidence": list(request.evidence),
        "statement": request.rationale,
        "confidence": request.confidence,
        "reversible": tool.is_reversible,
        "compensation": resolve(tool.compensation, "/tool") if tool.compensation else None,
        "on_behalf_of": request.on_behalf_of,
    }


def _why(verdict: Verdict) -> list[dict[str, str]]:
    return [
        {"says": policy.says, "ref": f"{policy.id}@{policy.version}", "set": policy.set} for policy in verdict.policies
    ]


def _unwinding(call: ToolCall) -> "QuerySet[Unwind]":
    """What is being unwound right now with this call."""
    return Unwind.objects.filter(state=UnwindState.RUNNING, steps__call=call.compensates_id)


def makers_of(call: ToolCall) -> frozenset[UUID]:
    """Everybody who counts as having asked for the call, whichever version of it: who does not approve it does not say
    how it ended either.
    """
    return frozenset((*_barred(call, None), *(call.approval.barred_people if call.approval else ())))


def _barred(call: ToolCall, succession: Succession | None) -> tuple[UUID, ...]:
    """Whoever the agent acted for, whoever made its credential and so could have been the agent, whoever wants a run
    unwound that this call is a step of, and whoever made one of the versions (I5).
    """
    barred = {call.on_behalf_of, call.credential.maker_id if call.credential else None}
    if call.compensates_id is not None:
        barred |= {person for people in _unwinding(call).values_list("people", flat=True) for person in people}
    if succession is not None:
        barred |= {*succession.previous.barred_people, succession.maker}
    return tuple(sorted(person for person in barred if person))
