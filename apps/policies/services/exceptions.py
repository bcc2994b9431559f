"""Exceptions for a time: asked for, agreed to by a second person, ended by anybody responsible or by themselves."""

import datetime as dt
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction

from apps.accounts.requests import actor_for
from apps.approvals import services as approvals
from apps.approvals.models import ApprovalState
from apps.audit import services as audit
from apps.core import clock, outbox
from apps.core.actor import Actor, system_actor
from apps.core.errors import Conflict, Invalid, NotAllowed, NotFound
from apps.core.ids import uuid7
from apps.core.money import Money
from apps.policies.events import PolicyExceptionChanged
from apps.policies.exception_consent import exception_digest, exception_request, second_person_for_exception
from apps.policies.exception_queries import EXCEPTION_PARTS, exception_for, may_end
from apps.policies.history import spoken
from apps.policies.models import (
    LONGEST_EXCEPTION,
    ExceptionState,
    PolicyException,
    PolicyRelease,
    PolicySet,
)
from apps.policies.queries import content_of, ground_of, live_releases, may_write, require_writer, set_for
from apps.policies.reading import read_set
from apps.policies.services.requests import require_reason
from apps.registry.models import Agent, Environment, Process, Tool
from apps.registry.queries import agents_visible_to, processes_visible_to, tools_visible_to

GRANTING = system_actor("policy-exception")
OPEN = (ExceptionState.WAITING, ExceptionState.ACTIVE)
MOST_RULES = 10


def request_exception(
    *,
    actor: Actor,
    policy_set: str,
    environment: str,
    rules: Sequence[str],
    tool: str,
    expires_at: dt.datetime,
    reason: str,
    agent: str = "",
    process: str = "",
    cap: str = "",
    currency: str = "",
) -> PolicyException:
    """Ask that these rules, of what decides there now, do not hold up this tool for an agent, or for every agent of the
    process where none is named, until then and up to this amount a call. A second person decides.

    `process` is for the global set, whose exceptions are for one process like any other; `cap` is decimal text.
    """
    words = require_reason(reason, "Say why an exception is needed.")
    with transaction.atomic():
        found = set_for(actor, policy_set, lock=True)
        require_writer(actor, found.process)
        release = _live(found, environment)
        about = _agent(actor, agent, environment) if agent else None
        subject = _tool(actor, tool)
        asked = PolicyException(
            id=uuid7(),
            release=release,
            environment=environment,
            rules=_checked_rules(release, rules, subject),
            process=_process(actor, found, about, process),
            agent=about,
            tool=subject,
            reason=words,
            requester_id=actor.known_id,
            requested_at=clock.now(),
            expires_at=_checked_end(expires_at),
        )
        if limit := _checked_cap(subject, cap, currency):
            asked.cap_minor, asked.currency = limit.minor, limit.currency
        second = second_person_for_exception(asked)
        asked.save(force_insert=True)
        said = {name: sentence for name, sentence, _ in spoken(content_of(release), ground_of(found).setting)}
        asked.approval = approvals.request_consent(exception_request(asked, second, said), actor=actor)
        asked.save(update_fields=["approval"])
        _record(actor, "policy.exception_requested", asked, reason=words, data={"team": second.team.slug})
        outbox.add(PolicyExceptionChanged(str(asked.id), asked.state))
    return asked


def answer_exception(exception_id: UUID) -> None:
    """Put it in force when it was agreed to, or write down why not. Repeatable; what can have changed is checked
    again.
    """
    with transaction.atomic():
        rows = PolicyException.objects.select_for_update(of=("self",)).select_related(*EXCEPTION_PARTS)
        asked = rows.filter(id=exception_id, state=ExceptionState.WAITING).first()
        if asked is None or asked.approval is None or asked.approval.resolved_at is None:
            return
        refusal = _refusal(asked)
        if refusal:
            _end(asked, ExceptionState.REFUSED, GRANTING, reason=refusal)
            return
        asked.state = ExceptionState.ACTIVE
        asked.save(update_fields=["state"])
        _record(GRANTING, "policy.exception_granted", asked, reason=asked.reason)
        outbox.add(PolicyExceptionChanged(str(asked.id), asked.state))


def revoke_exception(*, actor: Actor, exception_id: UUID, reason: str = "") -> PolicyException:
    """End it at once: the next call is decided without it. What is not agreed to yet is taken back, by who could have
    asked for it.
    """
    with transaction.atomic():
        _require_may_revoke(actor, exception_for(actor, exception_id))
        row = exception_for(actor, exception_id, lock=True)
        _require_may_revoke(actor, row)
        if row.state not in OPEN or row.expires_at <= clock.now():
            raise Conflict("policy.exception_over", "This exception is over.")
        if row.state == ExceptionState.ACTIVE:
            _end(row, ExceptionState.REVOKED, actor, reason=require_reason(reason, "Say why it is revoked."))
            return row
        _end(row, ExceptionState.WITHDRAWN, actor, reason=reason.strip()[:300])
        if row.approval_id is not None:
            approvals.cancel_approval(approval_id=row.approval_id, actor=actor)
    return row


def expire_exceptions() -> int:
    """Write down of those whose time is over that they ended; decisions have left them out since then."""
    due = PolicyException.objects.filter(state=ExceptionState.ACTIVE, expires_at__lte=clock.now())
    ended = 0
    for exception_id in list(due.values_list("id", flat=True)[:100]):
        with transaction.atomic():
            locked = due.filter(id=exception_id).select_for_update(of=("self",), skip_locked=True)
            row = locked.select_related(*EXCEPTION_PARTS).first()
            if row is not None:
                _end(row, ExceptionState.EXPIRED, GRANTING)
                ended += 1
    return ended


def _refusal(asked: PolicyException) -> str:
    """Why it is not put in force; "" when it is."""
    approval = asked.approval
    if approval is None or approval.state != ApprovalState.APPROVED:
        return f"The second person's answer: {approval.get_state_display().lower() if approval else 'none'}."
    if {approval.digest, *approval.votes.values_list("digest", flat=True)} != {exception_digest(asked)}:
        return "This is not what was agreed to."
    if asked.expires_at <= clock.now():
        return "Its time was over before it was agreed to."
    requester = asked.requester
    if not requester.is_active or not may_write(actor_for(requester, via=""), asked.release.policy_set.process):
        return "Whoever asked may not change these policies any more."
    live = live_releases(asked.release.policy_set).get(asked.environment)
    if live is None or live.content_hash != asked.release.content_hash:
        return "Other policies decide there by now, so this would be an exception to nothing."
    return ""


def _live(policy_set: PolicySet, environment: str) -> PolicyRelease:
    if environment not in Environment.values:
        raise Invalid("policy.unknown_environment", f"There is no environment “{environment}”.")
    live = live_releases(policy_set).get(environment)
    if live is None:
        raise Conflict("policy.nothing_live", f"Nothing of {policy_set} decides in {environment}.")
    return live


def _agent(actor: Actor, slug: str, environment: str) -> Agent:
    found = agents_visible_to(actor).filter(slug=slug, environment=environment).select_related("process").first()
    if found is None:
        raise NotFound("agent.not_found", f"There is no agent “{slug[:60]}” in {environment}.")
    return found


def _tool(actor: Actor, name: str) -> Tool:
    found = tools_visible_to(actor).select_related("connector").filter(name=name).first()
    if found is None:
        raise NotFound("tool_not_found", f"There is no tool “{name[:60]}”.")
    return found


def _process(actor: Actor, policy_set: PolicySet, agent: Agent | None, slug: str) -> Process:
    """The set's own; of the global set that of the agent, or the one named."""
    own = policy_set.process or (agent.process if agent else None)
    if own is None:
        own = processes_visible_to(actor).filter(slug=slug).first()
    if own is None:
        raise Invalid("policy.exception_for_whom", "Name an agent, or a process whose agents it is for.")
    if agent is not None and agent.process_id != own.id:
        raise Invalid(
            "policy.exception_for_whom", f"{agent.name} works in another process than these policies are for."
        )
    return own


def rules_to_except(release: PolicyRelease) -> list[str]:
    """The rules of a release that stand in anybody's way: they forbid, or ask people."""
    read = read_set(release.text, dict(release.parameters))
    return [policy.id for policy in read.policies if policy.effect == "forbid" or policy.demand is not None]


def _checked_rules(release: PolicyRelease, rules: Sequence[str], tool: Tool) -> list[str]:
    """Rules there are, which forbid or ask people. What cannot be undone is never done without asking."""
    read = {policy.id: policy for policy in read_set(release.text, dict(release.parameters)).policies}
    named = list(dict.fromkeys(rules))
    if not 0 < len(named) <= MOST_RULES:
        raise Invalid("policy.exception_rules", f"Name the rules that stand in the way, at most {MOST_RULES}.")
    for name in named:
        if name not in read:
            raise Invalid("policy.exception_rules", f"{release} has no rule “{name[:60]}”.")
        if read[name].effect == "permit" and read[name].demand is None:
            raise Invalid("policy.exception_rules", f"“{name}” forbids nothing and asks nobody.")
        if read[name].effect == "permit" and tool.is_irreversible:
            raise Invalid(
                "policy.exception_irreversible",
                f"“{tool.title}” cannot be undone, so nothing excepts it from asking people.",
            )
    return named


def _checked_end(expires_at: dt.datetime) -> dt.datetime:
    now = clock.now()
    if not now < expires_at <= now + LONGEST_EXCEPTION:
        raise Invalid(
            "policy.bad_time",
            f"An exception ends in at most {LONGEST_EXCEPTION.days} days, and not before it begins.",
            errors=[{"pointer": "/expires_at", "sentence": "Not to come, or too far ahead."}],
        )
    return expires_at


def _checked_cap(tool: Tool, cap: str, currency: str) -> Money | None:
    if not cap.strip():
        return None
    if not tool.has_money:
        raise Invalid("policy.exception_cap", f"“{tool.title}” moves no money that could be limited.")
    limit = Money.parse(cap.replace(",", "").strip(), currency.strip().upper())
    if limit.minor <= 0:
        raise Invalid("policy.exception_cap", "Name an amount above nothing, or none.")
    return limit


def _require_may_revoke(actor: Actor, row: PolicyException) -> None:
    if row.state == ExceptionState.WAITING:
        require_writer(actor, row.release.policy_set.process)
    elif not may_end(actor, row.process):
        raise NotAllowed("permission.missing", "It is revoked by owners, engineers, approvers and who is on call.")


def _end(row: PolicyException, state: ExceptionState, actor: Actor, *, reason: str = "") -> None:
    """The caller holds the row's lock."""
    row.state, row.ended_at, row.end_reason = state, clock.now(), reason[:300]
    row.ended_by, row.ended_by_name = actor.key, actor.name
    row.save(update_fields=["state", "ended_at", "end_reason", "ended_by", "ended_by_name"])
    _record(actor, f"policy.exception_{state}", row, reason=reason)
    outbox.add(PolicyExceptionChanged(str(row.id), state))


def _record(
    actor: Actor, code: str, row: PolicyException, *, reason: str = "", data: dict[str, object] | None = None
) -> None:
    audit.record(
        actor,
        code,
        subject_type="policy_exception",
        subject_id=row.id,
        subject_name=str(row),
        process=row.process.slug,
        environment=row.environment,
        reason=reason,
        outcome=row.state,
        data={
            "set": row.release.policy_set.slug,
            "version": row.release.version,
            "rules": list(row.rules),
            "agent": row.agent.slug if row.agent else None,
            "tool": row.tool.name,
            "cap": {"minor": row.cap_minor, "currency": row.currency} if row.cap_minor is not None else None,
            "expires_at": clock.rfc3339(row.expires_at),
            "approval_id": str(row.approval_id or ""),
            **(data or {}),
        },
    )
