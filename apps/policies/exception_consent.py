"""An exception as a request for human consent: who is asked, what votes bind to, what the card says."""

import datetime as dt
from typing import Any
from uuid import UUID

from apps.accounts.models import Membership
from apps.approvals.models import Approval, Risk
from apps.approvals.requests import ConsentRequest, StageRequest
from apps.core import clock
from apps.core.actor import Actor
from apps.core.canonical import digest
from apps.core.clock import rfc3339
from apps.policies.consent import SecondPerson, second_person_for
from apps.policies.models import PolicyException
from apps.policies.wording import listed
from apps.registry.models import Agent, Environment

SUBJECT_TYPE = "policy_exception"


def second_person_for_exception(asked: PolicyException) -> SecondPerson:
    """As for a release; and whoever builds the agents that it is for is no second pair of eyes either (I5)."""
    agents = Agent.objects.filter(process=asked.process, environment=asked.environment)
    if asked.agent is not None:
        agents = agents.filter(id=asked.agent.id)
    builders = Membership.objects.filter(team__in=agents.values("built_by")).values_list("user", flat=True)
    makers: set[UUID] = {asked.requester_id, *builders}
    return second_person_for(asked.release.policy_set, makers)


def exception_digest(asked: PolicyException) -> str:
    """What a vote names (I4): all that the exception will ever say."""
    return digest(
        {
            "exception": str(asked.id),
            "set": asked.release.policy_set.slug,
            "content_hash": asked.release.content_hash,
            "environment": asked.environment,
            "rules": list(asked.rules),
            "process": asked.process.slug,
            "agent": asked.agent.slug if asked.agent else None,
            "tool": asked.tool.name,
            "cap": {"minor": asked.cap_minor, "currency": asked.currency} if asked.cap_minor is not None else None,
            "expires_at": rfc3339(asked.expires_at),
            "reason": asked.reason,
        }
    )


def exception_request(asked: PolicyException, second: SecondPerson, sentences: dict[str, str]) -> ConsentRequest:
    """Everything the approvals engine needs. What is not agreed to by the time it would end is not agreed to."""
    return ConsentRequest(
        subject_type=SUBJECT_TYPE,
        subject_id=asked.id,
        digest=exception_digest(asked),
        card=_card(asked, sentences),
        process=second.process,
        environment=asked.environment,
        agent=None,
        run_id=None,
        stages=(StageRequest(second.team.slug),),
        expires_seconds=max(1, int((asked.expires_at - clock.now()).total_seconds())),
        risk=Risk.HIGH if asked.environment == Environment.PRODUCTION else Risk.MEDIUM,
        money=asked.cap,
        policy_ref="policy-exception@1",
        is_reversible=True,
        barred_people=tuple(sorted(second.barred)),
    )


def sentence_of_exception(asked: PolicyException) -> str:
    """What it lets pass, verb first."""
    who = asked.agent.name if asked.agent else f"every agent of {asked.process.name}"
    cap = f" up to {asked.cap} a call" if asked.cap else ""
    return f"Except {who} from {listed(asked.rules)} for “{asked.tool.title}”{cap} in {asked.environment}"


def page_of_exception(actor: Actor, approval: Approval) -> dict[str, Any]:
    """What the card shows of the moment: the way to the exception."""
    return {"page_url": f"/policies/exceptions/{approval.subject_id}/"}


def _card(asked: PolicyException, sentences: dict[str, str]) -> dict[str, Any]:
    until = f"{asked.expires_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
    return {
        "sentence": sentence_of_exception(asked),
        "tool": "policy.exception",
        "tool_title": "Exception",
        "tool_version": 1,
        "system": "Mesh Console",
        "agent": "",
        "agent_name": str(asked.requester),
        "facts": [
            ["Asked by", str(asked.requester)],
            ["Why", asked.reason],
            ["Until", until],
            *([f"Rule {name}", sentences.get(name, "")] for name in asked.rules),
            [
                "For",
                f"{asked.agent.name} ({asked.agent.slug})" if asked.agent else f"{asked.process.name}, every agent",
            ],
            ["Tool", f"{asked.tool.title} ({asked.tool.name})"],
            ["At most", f"{asked.cap} a call" if asked.cap else "any amount"],
            ["Ends also", "with the next release of these policies there; anybody responsible can revoke it at once"],
        ],
        "why": [{"says": "Exceptions are agreed to by two people", "ref": "policy-exception@1", "set": "built in"}],
        "evidence": [],
        "statement": "",
        "confidence": None,
        "reversible": True,
        "compensation": None,
        "on_behalf_of": "",
    }
