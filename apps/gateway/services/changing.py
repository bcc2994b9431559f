"""Another version of a call that waits for people: checked, decided and asked again, in one transaction with no network
in it. A person's edit and an agent's answer to "ask for changes" both come this way.

The order of locks is that of every act on a parked call: the shared halts lock, the call's row, the approval's row.
"""

from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from apps.accounts.models import User
from apps.approvals import services as approvals
from apps.approvals.models import Approval
from apps.core import clock
from apps.core.actor import Actor, agent_actor
from apps.core.errors import Conflict, Halted, Invalid, NotFound
from apps.core.rows import insert
from apps.gateway import arguments as args
from apps.gateway import spending
from apps.gateway.changes import Version, changes_between, told_in_plain
from apps.gateway.consent import Succession, consent_request
from apps.gateway.deciding import Granted, call_digest, granted_tool, record_decision, verdict_on
from apps.gateway.models import CallState, CallVersion, Decision, DecisionMoment, ToolCall
from apps.gateway.queries import decided_as
from apps.gateway.reach import halts_on_release
from apps.gateway.requests import CallRequest
from apps.gateway.stored import request_body, stored_request
from apps.gateway.telling import add_call_span, money_of, start_human_wait, tell_decision
from apps.policies.obligations import added_up
from apps.policies.verdicts import Obligations, Verdict
from apps.registry.shields import shield_of
from apps.runs import services as runs
from apps.runs.models import SpanKind, SpanStatus
from apps.vault import services as vault
from apps.vault.models import Payload

COLUMNS = (
    "version",
    "tool_version",
    "request",
    "arguments_digest",
    "digest",
    "money_minor",
    "currency",
    "entity_type",
    "entity_id",
    "approval",
)


@dataclass(frozen=True, slots=True)
class Change:
    """A new version, checked and decided and not yet written. `call` is as it was; both rows are locked.

    `owed` are the obligations in force for it: the verdict's, and those of the version before.
    """

    actor: Actor
    call: ToolCall
    approval: Approval
    granted: Granted
    before: Version
    after: Version
    request: CallRequest
    arguments_digest: str
    verdict: Verdict
    owed: Obligations


@dataclass(frozen=True, slots=True)
class Answer:
    """What a change says: new arguments, and what goes with them where an agent gives it anew."""

    arguments: dict[str, Any]
    statement: dict[str, Any] | None = None


def lock_call(call_id: UUID) -> ToolCall | None:
    """The call while it waits for people, locked, with all that deciding on it again needs.

    Locked first and read then: a row that another change was just writing is read as that change left it.
    """
    waiting = ToolCall.objects.filter(id=call_id, state=CallState.AWAITING_APPROVAL)
    if waiting.select_for_update().only("id").first() is None:
        return None
    related = ("tool__connector", "agent__process", "agent__owner_team", "process", "run", "request", "credential")
    return ToolCall.objects.select_related(*related).get(id=call_id)


def prepare_change(*, actor: Actor, call: ToolCall, approval: Approval, answer: Answer) -> Change:
    """Check and decide the new version under the releases of this moment. Raises a refusal; writes nothing.

    The caller holds the shared halts lock and the locks of both rows.
    """
    _check_halts(call)
    asked = stored_request(call)
    granted = _granted(call)
    # an agent sees what it asks for; a person may edit around what they do not see
    quotes = actor.is_agent or not shield_of(granted.tool).classes
    args.check_arguments(granted.tool, answer.arguments, quotes=quotes)
    request = replace(asked, arguments=answer.arguments, on_behalf_of=_username(call.on_behalf_of))
    request = replace(request, **(answer.statement or {}))
    arguments_digest = args.arguments_digest(answer.arguments)
    if arguments_digest == call.arguments_digest and request_body(request) == request_body(asked):
        raise Invalid("edit.nothing_changed", "Nothing is different from what is waiting already.")
    money = args.money_in(granted.tool, answer.arguments)
    verdict = verdict_on(agent=call.agent, tool=granted.tool, request=request, money=money, run=call.run)
    earlier = Obligations.from_json(decided_as(call).obligations)
    return Change(
        actor=actor,
        call=call,
        approval=approval,
        granted=granted,
        before=Version(asked.arguments, money_of(call)),
        after=Version(answer.arguments, money),
        request=request,
        arguments_digest=arguments_digest,
        verdict=verdict,
        owed=added_up(earlier, verdict.obligations),
    )


def _check_halts(call: ToolCall) -> None:
    """The halts under which the call could not be released now (I6)."""
    for halt in halts_on_release(call):
        raise Halted("halted", halt.sentence, halt={"id": str(halt.id), "mode": halt.mode})


def _granted(call: ToolCall) -> Granted:
    try:
        return granted_tool(call.agent, call.tool.name)
    except NotFound:
        raise Conflict("tool_call.grant_gone", "The agent no longer holds the grant for this tool.") from None


def _username(person_id: UUID | None) -> str:
    """The card names the person the agent acts for; what is stored of the request does not."""
    if person_id is None:
        return ""
    return User.objects.filter(id=person_id).values_list("username", flat=True).first() or ""


def write_change(change: Change, *, words: str = "", maker: UUID | None = None) -> CallVersion:
    """Write the new version with its decision and its approval; the call then stands at it and reserves what it needs
    now. Every vote is cast anew.

    `maker` is the person whom the change bars from deciding on it.
    """
    call, previous = change.call, change.approval
    decision, reason = _store(change, words)
    call.digest = _digest(change, decision, change.owed.as_json())
    succession = Succession(
        previous=previous,
        before=change.before.arguments,
        obligations=change.owed,
        changes=changes_between(change.granted.tool, change.before.arguments, change.after.arguments),
        changed_by=change.actor.name,
        maker=maker,
    )
    asked = consent_request(
        call=call,
        agent=call.agent,
        granted=change.granted,
        request=change.request,
        verdict=change.verdict,
        succession=succession,
    )
    call.approval = approvals.supersede_approval(approval=previous, request=asked, actor=change.actor)
    call.save(update_fields=COLUMNS)
    version = _insert_version(change, decision, reason, approval=call.approval)
    _tell_change(change, decision)
    start_human_wait(call, call.approval)
    spending.reserve_again(call)
    return version


def write_denied_change(change: Change, *, words: str = "") -> CallVersion:
    """Write a version that policy denies: decided and recorded, and nobody is asked. The caller ends the call."""
    call = change.call
    decision, reason = _store(change, words)
    call.digest = _digest(change, decision, decision.obligations)
    call.save(update_fields=COLUMNS)
    version = _insert_version(change, decision, reason, approval=None)
    _tell_change(change, decision)
    return version


def _digest(change: Change, decision: Decision, obligations: dict[str, Any]) -> str:
    return call_digest(
        agent=change.call.agent,
        tool=change.granted.tool,
        tool_version=change.call.tool_version,
        arguments=change.after.arguments,
        money=change.after.money,
        decision={"policies": decision.policies, "obligations": obligations},
        version=change.call.version,
    )


def _store(change: Change, words: str) -> tuple[Decision, Payload | None]:
    """Payload and decision of the new version; `call` then carries its columns, all but digest and approval."""
    call = change.call
    documents = [
        vault.Document(kind="call.request", body=request_body(change.request)),
        vault.Document(kind="decision.input", body=change.verdict.input),
    ]
    if words:
        documents.append(vault.Document(kind="call.reason", body=words))
    stored_request, stored_input, *rest = vault.store(*documents)
    if call.version == 1:
        _insert_first_version(call)
    call.version += 1
    call.request = stored_request
    call.tool_version = change.granted.tool.version
    call.arguments_digest = change.arguments_digest
    call.money_minor = change.after.money.minor if change.after.money else None
    call.currency = change.after.money.currency if change.after.money else ""
    call.entity_type, call.entity_id = args.entity_in(change.granted.tool, change.after.arguments)
    decision = record_decision(call, change.verdict, moment=DecisionMoment.EDIT, stored_input=stored_input)
    return decision, next(iter(rest), None)


def _insert_first_version(call: ToolCall) -> None:
    """What the agent asked for, before the row is changed. Intake writes no version: most calls never have a second."""
    decision = decided_as(call).decision
    asker = agent_actor(agent_id=call.agent_id, slug=call.agent.slug, name=call.agent.name)
    _insert(call, decision, decision.obligations, asker, made_at=call.requested_at, approval=call.approval)


def _insert_version(
    change: Change, decision: Decision, reason: Payload | None, *, approval: Approval | None
) -> CallVersion:
    owed = change.owed.as_json() if approval else decision.obligations
    return _insert(
        change.call, decision, owed, change.actor, made_at=decision.decided_at, approval=approval, reason=reason
    )


def _insert(
    call: ToolCall,
    decision: Decision,
    obligations: dict[str, Any],
    maker: Actor,
    **rest: Any,
) -> CallVersion:
    version = CallVersion(
        tool_call=call,
        number=call.version,
        tool_version=call.tool_version,
        request=call.request,
        arguments_digest=call.arguments_digest,
        digest=call.digest,
        money_minor=call.money_minor,
        currency=call.currency,
        entity_id=call.entity_id,
        decision=decision,
        obligations=obligations,
        made_by=maker.key,
        made_by_name=maker.name,
        made_by_kind=maker.kind,
        **rest,
    )
    insert(version)
    return version


def _tell_change(change: Change, decision: Decision) -> None:
    """Audit entry, news, and the change on the timeline, naming both versions and both approvals."""
    call, previous = change.call, change.approval
    is_asked_again = call.approval_id != previous.id
    links = {
        "version": call.version,
        "previous_version": call.version - 1,
        "approval_id": str(call.approval_id) if is_asked_again else None,
        "previous_approval_id": str(previous.id),
        "digest": call.digest,
        "previous_digest": previous.digest,
    }
    tell_decision(call, decision, actor=change.actor, code="tool_call.changed", data=links)
    ended = SpanStatus.OK if is_asked_again else SpanStatus.REFUSED
    runs.end_span(tool_call_id=call.id, kind=SpanKind.HUMAN_WAIT, status=ended, ended_at=clock.now())
    told = told_in_plain(change.granted.tool, change.before, change.after)
    add_call_span(
        call,
        SpanKind.DECISION,
        SpanStatus.OK if is_asked_again else SpanStatus.REFUSED,
        name=f"Changed by {change.actor.name}: {told}" if told else f"Answered by {change.actor.name}",
        started_at=decision.decided_at,
        note=f"version {call.version}",
        actor_name=change.actor.name,
        attributes={"outcome": decision.outcome, "policies": decision.policies, **links},
    )
